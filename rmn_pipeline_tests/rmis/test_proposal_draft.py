"""The draft of a mapping: what stands in it, that open questions do not load, and that an answered one works."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from rmn_pipeline.rmis import (
    MappingError,
    harmonize,
    load_mapping,
    normalize_gtin,
    parse_mapping,
    propose_mapping,
)
from rmn_pipeline.rmis.proposals import TODO
from rmn_pipeline.rmis.propose import main
from rmn_pipeline_tests.rmis.proposal_reports import HeaderSet, header_sets

AS_OF = "_asof_2026-04-20"
# What a person answers who knows the network.
ANSWERS: dict[str, Any] = {
    "retailer_id": "grocer",
    "network": "test_network",
    "source.as_of": {"fixed": "2026-04-20"},
    "columns.placement_type.values.Savings Center": "category",
    "constants.currency": "USD",
    "constants.placement_type": "unspecified",
    "constants.ad_type": "sponsored_products",
    "constants.conversion_unit": "orders",
    "constants.revenue_scope": "total",
    "constants.attr_model": "click_14d",
    "constants.date_basis": "ad_interaction",
    "constants.report_timezone": "America/New_York",
    "constants.cost_basis": "media",
    "restatement_window_days": 14,
}


def report_named(name: str) -> HeaderSet:
    return next(report for report in header_sets("tuned") + header_sets("held_out") if report.name == name)


def written(report: HeaderSet, folder: Path, suffix: str = AS_OF) -> Path:
    path = folder / f"{report.name}_2026-03{suffix}.csv"
    report.frame.write_csv(path)
    return path


def open_questions(content: Any, path: str = "") -> Iterator[str]:
    """The dotted keys under which a TODO stands."""
    if isinstance(content, dict):
        if set(content) == {TODO}:
            yield path
            return
        for key, value in content.items():
            yield from open_questions(value, f"{path}.{key}" if path else str(key))


def answered(content: dict[str, Any], answers: dict[str, Any]) -> dict[str, Any]:
    """The draft with answers in the place of its TODOs."""
    for path in list(open_questions(content)):
        if path not in answers:
            continue
        place: Any = content
        # Values of a value map may hold dots themselves, so keys are followed as they come.
        keys = path.split(".", 3) if path.startswith("columns.") else path.split(".")
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = answers[path]
    return content


def test_an_answered_draft_loads_and_harmonizes_every_row(tmp_path: Path) -> None:
    report = report_named("kroger_like")
    path = written(report, tmp_path)
    draft = yaml.safe_load(propose_mapping(path).to_yaml())
    mapping_file = tmp_path / "mapping.yaml"
    mapping_file.write_text(yaml.safe_dump(answered(draft, ANSWERS), sort_keys=False))
    mapping = load_mapping(mapping_file)
    codes = report.frame["UPC"].unique()
    skus = [normalize_gtin(code).gtin14 for code in codes]
    result = harmonize(mapping, [path], crosswalk=pl.DataFrame({"native_id": codes, "sku_id": skus}))
    assert result.rejects.is_empty()
    assert result.events.height == report.frame.height
    events = result.events.sort("source_row")
    raw = report.frame
    assert events["impressions"].to_list() == raw["Impressions"].str.replace_all(",", "").cast(int).to_list()
    assert events["cost"].to_list() == raw["Spend"].str.replace_all("[$,]", "").cast(float).to_list()
    sales = raw["Attributed Sales (14 Day)"].str.replace_all("[$,]", "").cast(float)
    assert events["revenue"].to_list() == sales.to_list()
    assert events["conversions"].to_list() == raw["Attributed Orders (14 Day)"].cast(float).to_list()
    assert events["date"].to_list() == raw["Date"].str.to_date("%m/%d/%Y").to_list()
    assert events["date"].min() == dt.date(2026, 3, 13)
    assert set(events["placement_type"]) <= {"search", "category", "product_detail", "cart"}


def test_a_french_draft_reads_decimal_commas_and_narrow_blanks(tmp_path: Path) -> None:
    report = report_named("french_grocer")
    path = written(report, tmp_path)
    draft = answered(yaml.safe_load(propose_mapping(path).to_yaml()), ANSWERS)
    mapping = parse_mapping(yaml.safe_dump(draft, sort_keys=False))
    codes = report.frame["EAN"].unique()
    skus = [normalize_gtin(code).gtin14 for code in codes]
    result = harmonize(mapping, [path], crosswalk=pl.DataFrame({"native_id": codes, "sku_id": skus}))
    assert result.rejects.is_empty()
    spent = report.frame["Dépenses (€ HT)"].str.replace_all("[\u202f ]", "").str.replace(",", ".").cast(float)
    assert result.events.sort("source_row")["cost"].to_list() == spent.to_list()
    assert set(result.events["currency"]) == {"EUR"}


@pytest.mark.parametrize(
    "question",
    sorted(set(ANSWERS) - {"source.as_of", "constants.placement_type", "constants.conversion_unit"}),
)
def test_a_draft_with_one_open_question_does_not_load(tmp_path: Path, question: str) -> None:
    text = propose_mapping(written(report_named("kroger_like"), tmp_path)).to_yaml()
    draft = yaml.safe_load(text)
    assert question in set(open_questions(draft))
    rest = {key: value for key, value in ANSWERS.items() if key != question}
    with pytest.raises(MappingError) as caught:
        parse_mapping(yaml.safe_dump(answered(draft, rest), sort_keys=False))
    assert any(problem.key.startswith(question.split(".values")[0]) for problem in caught.value.problems)


def test_a_draft_says_what_was_not_taken_and_why(tmp_path: Path) -> None:
    text = propose_mapping(written(report_named("dutch_marketplace"), tmp_path)).to_yaml("shop")
    assert "retailer_id: shop" in text
    assert yaml.safe_load(text)["numbers"] == {"decimal_mark": ","}
    assert "# Not taken: 'Omzet (7 dagen)' (7 days)." in text
    assert "# Format: the only format that fits every value." in text
    assert (
        "# 100% of the codes" not in text and "100% of the codes are GTINs with a right check digit" in text
    )
    assert (
        "attr_model: {TODO: 'the chosen columns are 14-day ones, e.g. click_14d; ask the network for its model'}"
        in text
    )
    assert "currency: EUR" in text
    assert "# Left out: 'Campagne'" not in text and "'Doorklikratio'" in text.split("# Left out:")[1]


def test_a_unit_in_the_header_becomes_a_scale_and_an_unlikely_one_is_asked_about(tmp_path: Path) -> None:
    text = propose_mapping(written(report_named("search_engine"), tmp_path)).to_yaml()
    assert yaml.safe_load(text)["columns"]["cost"]["scale"] == "micros"
    silent = report_named("search_engine").frame.rename({"metrics.cost_micros": "metrics.cost"})
    assert "are these cents or micros?" in propose_mapping(silent).to_yaml()


def test_one_amount_in_two_currencies_and_a_revenue_that_is_a_cost_are_pointed_out() -> None:
    report = report_named("citrus_like").frame
    in_euro = (pl.col("adspend").cast(float) * 0.9).round(2).cast(pl.String).alias("adspend local")
    assert (
        "'adspend local' is 0.9 times this in every row"
        in propose_mapping(report.with_columns(in_euro)).to_yaml()
    )
    billed = report.select("ingressedDate", "imps", "clicks", pl.col("adspend").alias("revenue"))
    assert "would be the advertiser's cost" in propose_mapping(billed).to_yaml()


def test_placement_values_get_the_rmis_value_that_their_words_speak_for(tmp_path: Path) -> None:
    text = propose_mapping(written(report_named("brazilian_retailer"), tmp_path)).to_yaml()
    assert yaml.safe_load(text)["columns"]["placement_type"]["values"] == {
        "Busca": "search",
        "Categoria": "category",
        "Página de produto": "product_detail",
        "Página inicial": "home",
    }


def test_rows_that_repeat_a_key_or_go_below_zero_are_pointed_out() -> None:
    report = report_named("citrus_like").frame
    doubled = pl.concat([report, report.head(2).with_columns(pl.lit("-4").alias("imps"))])
    text = propose_mapping(doubled).to_yaml()
    assert "2 rows of the sample repeat an earlier row's key" in text
    assert "Negative values are there (down to -4)" in text


def test_a_report_without_products_or_measures_asks_for_them() -> None:
    draft = yaml.safe_load(propose_mapping(pl.DataFrame({"date": ["2026-01-05"], "clicks": ["3"]})).to_yaml())
    questions = set(open_questions(draft))
    assert {
        "sku.from",
        "constants.impressions",
        "constants.cost",
        "constants.revenue",
        "source.files",
    } <= questions


def test_headers_that_look_like_yaml_stay_headers(tmp_path: Path) -> None:
    odd = pl.DataFrame(
        {"date: #1\n": ["2026-01-05", "2026-01-06"], "{clicks}": ["3", "4"], "- spend": ["1.50", "2.10"]}
    )
    columns = yaml.safe_load(propose_mapping(odd).to_yaml())["columns"]
    assert {name: rule["from"] for name, rule in columns.items()} == {
        "date": "date: #1\n",
        "clicks": "{clicks}",
        "cost": "- spend",
    }


def test_preamble_and_total_rows_are_no_evidence_and_the_delimiter_is_detected(tmp_path: Path) -> None:
    lines = ["Report: ads", "", "Datum;Impressionen;Klicks;Kosten"]
    lines += [f"{day:02d}.03.2026;{day}.200;{day * 3};{day},10" for day in range(1, 6)]
    path = tmp_path / f"bericht{AS_OF}.csv"
    path.write_text("\n".join([*lines, "Gesamt;18.000;45;15,50"]) + "\n")
    proposal = propose_mapping(path)
    assert list(proposal.columns.values()) == ["date", "impressions", "clicks", "cost"]
    assert proposal.date_format == "%d.%m.%Y"
    source = yaml.safe_load(proposal.to_yaml())["source"]
    assert (source["format"], source["delimiter"]) == ("csv", ";")
    assert "1 total rows" in proposal.to_yaml() and "2 preamble lines" in proposal.to_yaml()


def test_a_file_in_a_windows_code_page_is_read_with_the_guess_written_down(tmp_path: Path) -> None:
    report = report_named("french_grocer").frame.with_columns(pl.lit("1").alias("Affichages"))
    path = tmp_path / f"rapport{AS_OF}.csv"
    path.write_bytes(report.write_csv().replace("\u202f", " ").encode("cp1252"))
    text = propose_mapping(path).to_yaml()
    assert yaml.safe_load(text)["source"]["encoding"] == "cp1252"
    assert "# A guess: the file is no UTF-8." in text


class TestCommand:
    """python -m rmn_pipeline.rmis.propose REPORT [--retailer ID] [--out FILE] [--force]"""

    def test_the_draft_goes_to_the_screen_or_into_a_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(report_named("kroger_like"), tmp_path)
        assert main([str(path)]) == 0
        shown = capsys.readouterr()
        assert shown.out == propose_mapping(path).to_yaml()
        assert "12 of 19 columns mapped" in shown.err
        out = tmp_path / "new" / "mapping.yaml"
        assert main([str(path), "--retailer", "shop", "--out", str(out)]) == 0
        assert out.read_text() == propose_mapping(path).to_yaml("shop")
        assert capsys.readouterr().err.strip().endswith(str(out))

    def test_a_file_that_is_there_is_overwritten_only_by_force(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path, out = written(report_named("kroger_like"), tmp_path), tmp_path / "mapping.yaml"
        out.write_text("mine")
        assert main([str(path), "--out", str(out)]) == 1
        assert "--force" in capsys.readouterr().err
        assert out.read_text() == "mine"
        assert main([str(path), "--out", str(out), "--force"]) == 0
        assert out.read_text().startswith("# A proposal")

    def test_what_cannot_be_read_is_one_line_and_leaves_no_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "mapping.yaml"
        assert main([str(tmp_path / "absent.csv"), "--out", str(out)]) == 1
        told = capsys.readouterr().err
        assert "absent.csv" in told and len(told.splitlines()) == 1
        assert not out.exists()

    def test_an_id_that_is_none_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main([str(tmp_path / "report.csv"), "--retailer", "My Shop"])
        assert caught.value.code == 2
        assert "lower-case" in capsys.readouterr().err
