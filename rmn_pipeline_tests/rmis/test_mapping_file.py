"""Mistakes in a mapping file are told with file, line, key and the nearest valid name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.rmis import Mapping, MappingError, load_mapping, parse_mapping
from rmn_pipeline_tests.rmis.fixtures import BASE

RETAILERS = Path(__file__).parents[2] / "data" / "retailers"


def broken(change: Callable[[dict[str, Any]], object]) -> str:
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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "a: [1\n",
        "just words",
        "a: &a [*a]",
        "? [1]\n: 2",
        "a: 2026-13-45",
        "[" * 500,
        "a: \x00",
        "a: !!python/object:os.system x",
        "\ufeff",
        "1: 2",
    ],
)
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


def with_columns(**columns: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["columns"].update(columns)


def with_parts(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(parts)


def with_rule(**rule: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(rules=[rule])


def event_at(**rule: Any) -> Callable[[dict[str, Any]], None]:
    return with_columns(event_at={"from": "ts", **rule})


ISO = "%Y-%m-%dT%H:%M:%S%z"
LOCAL = "%Y-%m-%d %H:%M"
TWO = {"one": {"constants": {"attr_model": "a"}}, "two": {"constants": {"attr_model": "a"}}}


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (with_columns(cost={"expression": "spend * 2"}), "columns.cost.expression", "'spend' is no input"),
        (
            with_columns(cost={"expression": "cost * 2"}),
            "columns.cost.expression",
            "computed from itself: cost",
        ),
        (
            with_columns(cost={"expression": "'a'"}),
            "columns.cost.expression",
            "gives a text, but 'cost' is a number",
        ),
        (
            with_columns(cost={"expression": "1", "from": "x"}),
            "columns.cost.from",
            "'from' cannot stand beside",
        ),
        (
            with_columns(cost={"expression": "revenue / 2", "default": "x"}),
            "columns.cost.default",
            "'x' is no",
        ),
        (with_columns(cost={"from": "spend", "default": "free"}), "columns.cost.default", "'free' is no"),
        (
            with_columns(cost={"from": "spend", "type": "text"}),
            "columns.cost.type",
            "'cost' cannot be made from a text",
        ),
        (
            with_columns(cost={"from": "spend", "format": "%Y"}),
            "columns.cost.format",
            "no meaning for a decimal",
        ),
        (
            with_columns(campaign_id={"from": "c", "scale": "micros"}),
            "columns.campaign_id.scale",
            "no meaning for a text",
        ),
        (
            with_columns(cost={"from": "spend", "scale": "micro"}),
            "columns.cost.scale",
            "did you mean 'micros'",
        ),
        (
            with_columns(cost={"from": "s", "scale": "micros", "divide_by": 2}),
            "columns.cost.divide_by",
            "'scale' says",
        ),
        (with_columns(cost={"from": "s", "thousands_mark": "."}), "columns.cost", "are the same"),
        (with_parts(numbers={"decimal_mark": ",", "thousands_mark": ","}), "columns.cost", "are the same"),
        (
            with_columns(date={"from": "day", "format": ["%d/%m/%Y", "%m/%d/%Y"]}),
            "columns.date.format.1",
            "is one day in",
        ),
        (
            with_columns(date={"from": "day", "format": "%d/%m"}),
            "columns.date.format",
            "does not give day, month and year",
        ),
        (
            with_columns(date={"from": "day", "type": "timestamp", "format": ISO}),
            "columns.date.type",
            "map event_at",
        ),
        (
            with_columns(date={"from": "day", "format": "%F", "time_zone": "UTC"}),
            "columns.date.time_zone",
            "never moved",
        ),
        (
            with_columns(date={"from": "day", "format": "%d %b %Y", "month_names": ["x"] * 12}),
            "columns.date.month_names",
            "same name",
        ),
        (event_at(format=LOCAL), "columns.event_at", "needs its 'time_zone'"),
        (
            event_at(format=LOCAL, time_zone="Europe/Pariss"),
            "columns.event_at.time_zone",
            "did you mean 'Europe/Paris'",
        ),
        (
            event_at(format=ISO, time_zone="UTC"),
            "columns.event_at.time_zone",
            "'offset: ignore' makes time_zone hold",
        ),
        (
            event_at(format=ISO, offset="ignore"),
            "columns.event_at.offset",
            "'time_zone' must say the right one",
        ),
        (event_at(), "columns.event_at", "a timestamp needs its 'format'"),
        (
            lambda c: c["constants"].update(report_timezone="Mars"),
            "constants.report_timezone",
            "unknown time zone 'Mars'",
        ),
        (
            lambda c: c["source"].update(name_pattern="(", as_of={"file_name": "(.)"}),
            "source.name_pattern",
            "no regular expression",
        ),
        (
            lambda c: c["source"].update(as_of={"file_name": "(.)", "format": "x"}),
            "source.as_of.format",
            "does not give",
        ),
        (
            lambda c: c["source"].update(as_of={"fixd": "2026-01-01"}),
            "source.as_of.fixd",
            "unknown key 'fixd'",
        ),
        (lambda c: c["source"].update(as_of={"from": "x"}), "source.as_of", "a date needs its 'format'"),
        (
            lambda c: (
                c["source"].update(name_pattern="(?P<account>.)")
                or with_columns(account_id={"from": "file.acount"})(c)
            ),
            "columns.account_id.from",
            "did you mean 'account'",
        ),
        (
            with_parts(inputs={"spend": {"from": "s", "typ": "money"}}),
            "inputs.spend.typ",
            "did you mean 'type'",
        ),
        (with_parts(inputs={"cost": {"from": "s"}}), "inputs.cost", "'cost' is an RMIS field"),
        (with_parts(inputs={"round": {"from": "s"}}), "inputs.round", "is a word of expressions"),
        (with_parts(inputs={"Ad Fees": {"from": "s"}}), "inputs.Ad Fees", "a name is made of"),
        (with_parts(families=TWO), "families.two", "cannot be told from those of 'one'"),
        (
            with_parts(families={"one": {"columns": {"revenu": {"from": "x"}}}}),
            "families.one.columns.revenu",
            "did you mean 'revenue'",
        ),
        (
            with_parts(families={"one": {"columns": {"cost": {"expression": "x"}}}}),
            "families.one.columns.cost.expression",
            "'x' is no",
        ),
        (
            with_parts(families={"one": {"constants": {"ad_type": "x"}}}),
            "families.one.constants.ad_type",
            "'x' is no ad_type",
        ),
        (
            with_parts(cost_conversion={"sent": "media_and_fees", "report": "media"}),
            "cost_conversion",
            "give fee_rate or fee_share",
        ),
        (
            with_parts(cost_conversion={"sent": "media", "report": "media", "tax_rate": 0.2}),
            "cost_conversion.tax_rate",
            "no tax lies between",
        ),
        (
            with_parts(cost_conversion={"sent": "media_and_fees", "report": "media", "fee_rate": "fee"}),
            "cost_conversion.fee_rate",
            "'fee' is no input with numbers",
        ),
        (
            with_parts(
                cost_conversion={
                    "sent": "media_and_fees",
                    "report": "media",
                    "fee_rate": 0.1,
                    "fee_share": 0.1,
                }
            ),
            "cost_conversion.fee_share",
            "in two ways",
        ),
        (
            with_parts(cost_conversion={"sent": "media", "report": "media_and_fees", "fee_rate": 0.1}),
            "constants.cost_basis",
            "cost_conversion.report says",
        ),
        (
            with_parts(currency_conversion={"to": "euro", "rates": "fx.csv"}),
            "currency_conversion.to",
            "should match pattern",
        ),
        (with_parts(filters=[{"name": "a"}]), "filters.0", "either 'keep' or 'drop'"),
        (with_parts(filters=[{"name": "a", "keep": ["x"]}]), "filters.0", "need 'from'"),
        (
            with_parts(filters=[{"name": "a", "keep": "cost", "from": "x"}]),
            "filters.0.from",
            "a list of raw values",
        ),
        (
            with_parts(filters=[{"name": "a", "drop": "cost"}]),
            "filters.0.drop",
            "gives a number; it must be true or false",
        ),
        (
            with_parts(filters=[{"name": "a", "drop": "cost > 0"}] * 2),
            "filters.1.name",
            "another filter is called 'a'",
        ),
        (with_parts(natural_key=["sku_id"]), "natural_key", "needs 'date'"),
        (with_parts(repeats="correction"), "repeats", "did you mean 'corrections'"),
        (
            with_parts(joins={"file": {"file": "a", "key": "k", "take": "t"}}),
            "joins.file",
            "call the join otherwise",
        ),
        (with_rule(check="regex", field="sku_id", pattern="("), "rules.0.pattern", "not a usable pattern"),
        (with_rule(check="cross_field", holds="cost <"), "rules.0.holds", "ends too early"),
        (with_rule(check="cross_field", holds="cost + 1"), "rules.0.holds", "must be true or false"),
        (with_rule(check="min_cell", field="cost", min=1, unless="x"), "rules.0.unless", "'x' is no input"),
        (with_rule(check="range", field="sku_id", min=1), "rules.0.field", "wants a number"),
        (with_rule(check="monotone", fields=["cost", "date"]), "rules.0.fields.1", "wants a number"),
        (with_rule(check="not_after", field="date", limit="cost"), "rules.0.limit", "two dates"),
        (with_rule(check="range", field="cost", scope="kye"), "rules.0.scope", "did you mean 'key'"),
        (
            with_parts(rules=[{"check": "not_null", "field": "cost", "name": "a"}] * 2),
            "rules.1.name",
            "another rule is called 'a'",
        ),
        (
            with_parts(
                repeats="corrections",
                inputs={"fees": {"from": "f", "type": "money"}},
                rules=[{"check": "cross_field", "holds": "cost > fees", "scope": "key"}],
            ),
            "rules.0.scope",
            "'fees' is no RMIS field",
        ),
        (
            lambda c: c["sku"].update(code={"check_digit": "absent"}),
            "sku.code",
            "no meaning for kind: native",
        ),
    ],
)
def test_every_mistake_in_the_newer_parts_names_its_key(
    change: Callable[[dict[str, Any]], object], key: str, message: str
) -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping(broken(change))
    problems = {problem.key: problem.message for problem in caught.value.problems}
    assert message in problems.get(key, ""), problems


def test_a_mistake_in_an_expression_points_at_its_column() -> None:
    text = broken(with_columns(cost={"expression": "revenue * (1 + vat_rat)"}))
    text = text.replace("version: 1", "version: 1\ninputs:\n  vat_rate: {from: VAT, type: percent}")
    with pytest.raises(MappingError) as caught:
        parse_mapping(text)
    line = text.splitlines()[caught.value.line - 1]
    assert "expression: revenue" in line
    column = line.index("vat_rat") + 1
    (problem,) = caught.value.problems
    assert problem.message == (
        f"'vat_rat' is no input and no field here; did you mean 'vat_rate'? (column {column})"
    )


def test_a_mistake_in_a_folded_expression_names_the_character() -> None:
    text = broken(with_columns(cost={"expression": "EXPRESSION"})).replace(
        "expression: EXPRESSION", "expression: >-\n      revenue\n      * vat"
    )
    with pytest.raises(
        MappingError, match=r"'vat' is no input and no field here; .*\(character 11 of the text\)"
    ):
        parse_mapping(text)


@pytest.mark.parametrize(
    "change",
    [
        with_parts(
            families={"one": {"constants": {"attr_model": "a"}}, "two": {"constants": {"attr_model": "b"}}}
        ),
        with_parts(currency_conversion={"to": "EUR", "rates": "fx.csv", "fields": ["cost"]}),
        with_parts(total_rows={"from": "campaign", "values": ["Total"]}),
        with_parts(dedupe_key="delivery_id", repeats="corrections"),
        event_at(format=ISO),
        event_at(format=["unix_seconds"]),
        event_at(format="%Y-%m-%dT%H:%M:%SZ", time_zone="America/New_York", ambiguous="earliest"),
        with_columns(cost={"from": "spend", "type": "money", "scale": "micros", "default": 0}),
    ],
)
def test_the_newer_parts_are_accepted(change: Callable[[dict[str, Any]], None]) -> None:
    assert parse_mapping(broken(change)).retailer_id == "shop"


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**20), st.floats(), st.text(max_size=8), st.dates(),
    st.sampled_from(["csv", "money", "%d/%m/%Y", "a + b", "cost", "UTC", "reject", "(", "file.x", "names.a"]),
)  # fmt: skip
PARTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["from", "type", "format", "values", "expression", "check", "field", "name", "keep", "a"]
            )
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
SECTIONS = st.sampled_from([*BASE, *(name for name in Mapping.model_fields if name not in BASE)])


@settings(max_examples=150, deadline=None)
@given(section=SECTIONS, part=PARTS, field=st.sampled_from(["cost", "date", "event_at", "x", None]))
def test_any_part_gives_a_mapping_or_a_mapping_error(section: str, part: Any, field: str | None) -> None:
    content = copy.deepcopy(BASE)
    if field is not None and isinstance(content.get(section), dict):
        content[section][field] = part
    else:
        content[section] = part
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    try:
        assert parse_mapping(text).version == 1
    except MappingError as error:
        assert all(problem.line >= 1 and problem.message for problem in error.problems)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet="{}[]:,-&*!|>'\"#? \nab1", max_size=60))
def test_any_text_gives_a_mapping_error(text: str) -> None:
    with pytest.raises(MappingError):
        parse_mapping(text)
