"""Mistakes in a mapping file are told with file, line, key and the nearest valid name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rmn_pipeline.rmis import MappingError, load_mapping, parse_mapping
from rmn_pipeline_tests.rmis.fixtures import BASE

RETAILERS = Path(__file__).parents[2] / "data" / "retailers"


def broken(change: Callable[[dict[str, Any]], None]) -> str:
    content = copy.deepcopy(BASE)
    change(content)
    return yaml.safe_dump(content, sort_keys=False)


def line_of(text: str, needle: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if needle in line)


@pytest.mark.parametrize("retailer_id", ["alpha", "beta", "gamma", "delta"])
def test_the_projects_own_mappings_load(retailer_id: str) -> None:
    loaded = load_mapping(RETAILERS / retailer_id / "mapping.yaml")
    assert loaded.retailer_id == retailer_id
    assert {"date", "impressions", "clicks", "cost", "revenue", "conversions"} <= set(loaded.columns)
    assert "sku_id" in loaded.column_map().values()


def test_an_unknown_rmis_field_is_named_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = broken(lambda content: content["columns"].update(impresions={"from": "shown"}))
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(MappingError) as caught:
        load_mapping(path)
    line = line_of(text, "impresions:")
    assert (caught.value.file, caught.value.line, caught.value.key) == (path, line, "columns.impresions")
    assert str(caught.value) == (
        f"{path}:{line}: columns.impresions: unknown RMIS field 'impresions'; did you mean 'impressions'?"
    )


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (
            lambda c: c["source"].update(fomat="csv"),
            "source.fomat",
            "unknown key 'fomat'; did you mean 'format'",
        ),
        (lambda c: c.update(colums={}), "colums", "did you mean 'columns'"),
        (lambda c: c["columns"]["cost"].update(typ="money"), "columns.cost.typ", "did you mean 'type'"),
        (lambda c: c["columns"]["cost"].update(type="mony"), "columns.cost.type", "did you mean 'money'"),
        (lambda c: c["source"].update(format="cvs"), "source.format", "did you mean 'csv'"),
        (lambda c: c["rules"][0].update(check="rnge"), "rules.0", "did you mean 'range'"),
        (lambda c: c["rules"][0].update(field="impresions"), "rules.0.field", "did you mean 'impressions'"),
        (lambda c: c["rules"][1]["fields"].append("clickz"), "rules.1.fields.2", "did you mean 'clicks'"),
        (lambda c: c["constants"].update(conversion_unit="order"), "constants.conversion_unit", "'orders'"),
        (lambda c: c["constants"].update(currency="dollars"), "constants.currency", "should match pattern"),
        (lambda c: c["constants"].pop("attr_model"), "(whole file)", "'attr_model' is neither in columns"),
        (lambda c: c.pop("sku"), "(whole file)", "the key 'sku' is missing"),
        (
            lambda c: c["columns"].update(event_id={"from": "x"}),
            "columns.event_id",
            "filled by harmonization",
        ),
        (lambda c: c["constants"].update(cost=1), "constants.cost", "mapped from a column already"),
        (lambda c: c["columns"]["date"].pop("format"), "columns.date", "a date needs its 'format'"),
        (
            lambda c: c["columns"]["placement_type"].pop("unmapped"),
            "columns.placement_type",
            "needs 'unmapped'",
        ),
        (
            lambda c: c["columns"]["placement_type"]["values"].update(Home="hom"),
            "columns.placement_type.values.Home",
            "did you mean 'home'",
        ),
        (
            lambda c: c["columns"]["campaign_id"].update(extract={"regex": "(a)(b)"}),
            "columns.campaign_id.extract.regex",
            "exactly one group, it has 2",
        ),
        (
            lambda c: c["columns"]["campaign_id"].update(extract={"regex": "(?=x)(a)"}),
            "columns.campaign_id.extract.regex",
            "not a usable pattern",
        ),
        (lambda c: c["natural_key"].append("campain_id"), "natural_key.5", "did you mean 'campaign_id'"),
        (
            lambda c: (
                c.update(joins={"names": {"file": "n.csv", "key": ["id"], "take": ["title"]}})
                or c["columns"]["campaign_id"].update({"from": "names.titel"})
            ),
            "columns.campaign_id.from",
            "did you mean 'title'",
        ),
        (
            lambda c: c.update(restatement_window_days=-1),
            "restatement_window_days",
            "greater than or equal to 0",
        ),
    ],
)
def test_every_mistake_names_its_key(
    change: Callable[[dict[str, Any]], None], key: str, message: str
) -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping(broken(change))
    assert key in {problem.key for problem in caught.value.problems}
    assert message in str(caught.value)
    assert caught.value.line >= 1


def test_all_mistakes_are_told_at_once() -> None:
    text = broken(lambda c: c["columns"].update(clickz={"from": "a"}, costs={"from": "b"}))
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    assert [problem.key for problem in caught.value.problems] == ["columns.clickz", "columns.costs"]


def test_a_repeated_key_is_a_mistake_not_a_silent_choice() -> None:
    text = yaml.safe_dump(BASE, sort_keys=False) + "version: 1\n"
    with pytest.raises(MappingError, match="version: stands here a second time") as caught:
        parse_mapping(text)
    assert caught.value.line == len(text.splitlines())


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "just words"])
def test_what_is_no_mapping_at_all_is_refused(text: str) -> None:
    with pytest.raises(MappingError):
        parse_mapping(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"nowhere\.yaml.*cannot be read"):
        load_mapping(tmp_path / "nowhere.yaml")


def test_the_error_survives_a_process_boundary() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
