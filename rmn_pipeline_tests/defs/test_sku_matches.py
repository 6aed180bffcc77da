"""The asset of title matches: what it writes, what it shows, and that decisions survive it."""

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.project import Project
from rmn_pipeline.rmis import write_table
from rmn_pipeline.rmis.models import REJECTS_SCHEMA
from rmn_pipeline.rmis.sku_review import review_file

CATALOG = (
    "native_id,gtin,title,brand_id,category,line_id,size\n"
    'N1,85021001007,"Harvest Row Granola Vanilla, 6 ct",b,c,l,6 ct\n'
    'N2,,"Harvest Row Granola Honey, 6 ct",b,c,l,6 ct\n'
)


def prepare(root: Path, retailer_id: str, rows: list[dict[str, str]]) -> Project:
    project = Project(root)
    reference = project.landing_dir(retailer_id) / "reference"
    reference.mkdir(parents=True, exist_ok=True)
    (reference / "catalog.csv").write_text(CATALOG)
    rejects = [
        {
            "retailer_id": retailer_id,
            "source_file": "report.csv",
            "source_row": place,
            "rule": "unknown.sku_id",
            "severity": "reject",
            "message": "",
            "raw_row": json.dumps(row),
        }
        for place, row in enumerate(rows, start=1)
    ]
    write_table(project.lake_dir, "rmis_rejects", retailer_id, pl.DataFrame(rejects, schema=REJECTS_SCHEMA))
    return project


def materialize(project: Project, retailer_id: str) -> dict[str, object]:
    """Runs the asset; its metadata."""
    definitions = build_defs(project)
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.define_asset_job("propose", selection=["sku_match_proposals"])
        merged = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
        result = merged.resolve_job_def("propose").execute_in_process(
            partition_key=retailer_id, instance=instance
        )
    (event,) = result.asset_materializations_for_node("sku_match_proposals")
    return {name: value.value for name, value in event.metadata.items()}


def beta_row(product: str, title: str) -> dict[str, str]:
    return {"itemId": product, "itemName": title, "numAdsShown": "10"}


def test_unknown_products_are_proposed_shown_and_counted(tiny_project: Path) -> None:
    rows = [beta_row("77", "HARVEST ROW honey granola 6 count")] * 2
    rows += [
        beta_row("78", "Harvest Row Granola Honey 12 ct"),
        beta_row("N/A", "Harvest Row Granola Honey 6 ct"),
    ]
    rows += [beta_row("N/A", "Harvest Row Granola Vanilla 6 ct")]
    project = prepare(tiny_project, "beta", rows)
    shown = materialize(project, "beta")
    assert (shown["open"], shown["accepted"], shown["rejected_rows"], shown["unknown_products"]) == (
        1,
        0,
        5,
        3,
    )
    assert shown["title_column"] == "itemName"
    assert shown["file"] == "data/lake/sku_match_proposals/beta.csv"
    assert "HARVEST ROW honey granola 6 count" in str(shown["preview"])
    assert "N/A" in str(shown["withheld"])
    written = pl.read_csv(review_file(project.lake_dir, "beta"), infer_schema=False)
    assert written.select("native_id", "sku_id", "decision").rows() == [("77", "beta:N2", "")]


def test_a_decision_survives_the_next_run(tiny_project: Path) -> None:
    project = prepare(tiny_project, "beta", [beta_row("77", "HARVEST ROW honey granola 6 count")])
    materialize(project, "beta")
    path = review_file(project.lake_dir, "beta")
    sheet = pl.read_csv(path, infer_schema=False).with_columns(pl.lit("accept").alias("decision"))
    sheet.write_csv(path)
    shown = materialize(project, "beta")
    assert (shown["open"], shown["accepted"]) == (0, 1)
    assert pl.read_csv(path, infer_schema=False)["decision"].to_list() == ["accept"]


@pytest.mark.parametrize(
    "rows", [[], [{"product.scan_code": "96385074", "product.name": "Harvest Row Granola Honey"}]]
)
def test_reports_that_name_gtins_get_no_proposals(tiny_project: Path, rows: list[dict[str, str]]) -> None:
    shown = materialize(prepare(tiny_project, "delta", rows), "delta")
    assert shown["open"] == 0
    assert "another GTIN is another product" in str(shown["note"])
