"""Governance's asset checks: what arrives is warned about, what leaks stops the chain, and nothing shows a value."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from rmn_pipeline.definitions import build_defs
from rmn_pipeline.defs.governance_checks import brand_private_data, private_findings, report_rules
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.sources import load_training_sources, training_set_dir
from rmn_pipeline.governance.export import check_export
from rmn_pipeline.lora.datasets import TrainingSet, build_training_set, fingerprint_of
from rmn_pipeline.rmis import SKUS_SCHEMA, write_table
from rmn_pipeline_tests.conftest import ROOT, make_tiny_project

CANARY = "quillwort 4417"
LEAKED_COST = 7.31


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with products, and with a private feed and a canary of brand_y."""
    root = make_tiny_project(tmp_path / "project")
    catalog = pl.read_csv(
        ROOT / "data" / "landing" / "delta" / "reference" / "catalog.csv", infer_schema=False
    )
    skus = catalog.rename({"gtin": "sku_id"}).with_columns(gtin=pl.col("sku_id")).select(list(SKUS_SCHEMA))
    made = Project(root)
    for retailer_id in made.retailer_ids():
        write_table(made.lake_dir, "rmis_skus", retailer_id, skus)
    brand_file = made.brand_dir("brand_y") / "brand.yaml"
    brand_file.write_text(yaml.safe_dump({**yaml.safe_load(brand_file.read_text()), "canaries": [CANARY]}))
    ours = skus.filter(pl.col("brand_id") == "brand_y")["sku_id"].to_list()
    private = made.brand_dir("brand_y") / "private"
    private.mkdir()
    pl.DataFrame(
        {"sku_id": ours, "price_usd": [9.99] * len(ours), "unit_cost_usd": [LEAKED_COST] * len(ours)}
    ).write_parquet(private / "daily.parquet")
    return made


def product_of(project: Project, brand_id: str) -> str:
    skus = load_training_sources(project).skus
    return skus.filter(pl.col("brand_id") == brand_id)["title"][0]


def with_row(made: TrainingSet, prompt: str) -> TrainingSet:
    """The same training set with one more row."""
    rows = made.rows.head(1).with_columns(prompt=pl.lit(prompt)).vstack(made.rows)
    return TrainingSet(made.kind, made.adapter_id, rows, fingerprint_of(rows), made.seed, made.profile)


def check_evaluations(
    project: Project, selection: dg.AssetSelection, partition: str | None = None
) -> dict[str, dg.AssetCheckEvaluation]:
    job = dg.define_asset_job("some", selection=selection)
    definitions = dg.Definitions.merge(build_defs(project), dg.Definitions(jobs=[job]))
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("some").execute_in_process(
            partition_key=partition, instance=instance, raise_on_error=False
        )
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


@pytest.mark.parametrize(
    ("kind", "tenant"),
    [("industry", {}), ("retailer", {"retailer_id": "alpha"}), ("manufacturer", {"brand_id": "brand_x"})],
)
def test_a_planted_canary_never_reaches_a_training_set_that_is_not_its_owners(
    project: Project, kind: str, tenant: dict[str, str]
) -> None:
    sources = load_training_sources(project)
    made = build_training_set(kind, sources=sources, seed=1, profile="smoke", **tenant)
    assert private_findings(project, made, sources) == []
    for leak in (
        CANARY,
        CANARY.upper().replace(" ", "_"),
        f"{product_of(project, 'brand_y')} at ${LEAKED_COST}",
    ):
        findings = private_findings(project, with_row(made, f"plan for {leak} please"), sources)
        assert {finding.kind for finding in findings} == {"private_value"}, leak
        assert all(
            CANARY not in str(finding) and str(LEAKED_COST) not in str(finding) for finding in findings
        )


def test_a_brands_own_training_set_may_hold_its_own_canary(project: Project) -> None:
    sources = load_training_sources(project)
    made = build_training_set("manufacturer", sources=sources, seed=1, profile="smoke", brand_id="brand_y")
    assert private_findings(project, with_row(made, f"plan for {CANARY}"), sources) == []


def test_a_private_column_is_found_by_its_name(project: Project) -> None:
    sources = load_training_sources(project)
    made = build_training_set("industry", sources=sources, seed=1, profile="smoke")
    rows = made.rows.with_columns(unit_cost_usd=pl.lit(1.0))
    widened = TrainingSet(made.kind, made.adapter_id, rows, made.fingerprint, 1, "smoke")
    assert [finding.kind for finding in private_findings(project, widened, sources)] == ["blocked_field"]


def test_a_nickname_is_found_by_trainings_own_check_too(project: Project) -> None:
    sources = load_training_sources(project)
    made = build_training_set("industry", sources=sources, seed=1, profile="smoke")
    nickname = next(iter(sources.nicknames("brand_x")))
    findings = private_findings(project, with_row(made, f"plan for {nickname}"), sources)
    assert any("the check that training itself makes" in finding.what for finding in findings)


def test_a_leaked_training_set_fails_the_blocking_check_without_showing_the_value(project: Project) -> None:
    sources = load_training_sources(project)
    made = build_training_set("industry", sources=sources, seed=1, profile="smoke")
    selection = dg.AssetSelection.checks(
        dg.AssetCheckKey(dg.AssetKey("training_set_industry"), "no_private_columns"),
        dg.AssetCheckKey(dg.AssetKey("training_set_industry"), "export_is_clean"),
    )
    made.save(training_set_dir(project, made.adapter_id))
    assert all(evaluation.passed for evaluation in check_evaluations(project, selection).values())
    with_row(made, f"{CANARY}, call 415-555-2671").save(training_set_dir(project, made.adapter_id))
    evaluations = check_evaluations(project, selection)
    private, export = evaluations["no_private_columns"], evaluations["export_is_clean"]
    assert not private.passed and private.severity is dg.AssetCheckSeverity.ERROR
    assert not export.passed and export.severity is dg.AssetCheckSeverity.WARN
    assert "brand_y" in str(private.metadata["findings"].value)
    assert CANARY not in str(private.metadata) and "415-555" not in str(export.metadata)


def test_every_training_set_has_both_checks_and_only_the_private_one_blocks(project: Project) -> None:
    graph = build_defs(project).resolve_asset_graph()
    checks = {key: graph.get(key) for key in graph.asset_check_keys}
    names = {key.asset_key.to_user_string() for key in checks if key.name == "no_private_columns"}
    assert {
        f"training_set_{kind}" for kind in ("industry", "retailer", "manufacturer", "task_planning")
    } <= names
    blocking = {
        key.name: graph.get(key).blocking for key in checks if "training_set" in key.asset_key.path[0]
    }
    assert blocking == {"no_private_columns": True, "export_is_clean": False}


def test_a_report_that_shows_another_brands_cost_is_not_clean(project: Project, tmp_path: Path) -> None:
    rules = report_rules(project, "brand_x")
    page = tmp_path / "comparison.html"
    head = "<tr><th>Product</th><th>Cost</th></tr>"
    row = f"<table>{head}<tr><td>{product_of(project, 'brand_y')}</td><td>{{}}</td></tr></table>"
    page.write_text(row.format(LEAKED_COST))
    assert {finding.kind for finding in check_export(page, rules)} == {"private_value"}
    page.write_text(row.format("8.20"))
    assert check_export(page, rules) == []
    assert check_export(page, report_rules(project, "brand_y")) == []


def test_a_brand_without_a_private_feed_protects_its_words(project: Project) -> None:
    private = brand_private_data(project, "brand_x")
    assert private.words and not private.figures_beside


def test_personal_data_in_a_report_is_a_warning_with_redacted_examples(project: Project) -> None:
    landing = project.landing_dir("delta")
    shutil.copytree(ROOT / "data" / "landing" / "delta" / "reference", landing / "reference")
    reports = landing / "reports"
    reports.mkdir(parents=True)
    sample = sorted((ROOT / "data" / "landing" / "delta" / "reports").glob("*2026-07*"))[0]
    rows = pl.read_csv(sample, infer_schema=False).head(40)
    rows.write_csv(reports / sample.name)
    only_feed = dg.AssetSelection.assets("raw_feed")
    clean = check_evaluations(project, only_feed, "delta")["free_text_has_no_pii"]
    assert clean.passed and clean.metadata["texts_scanned"].value > 0

    title = rows["product.name"][0]
    planted = rows.with_columns(pl.col("product.name").replace({title: f"{title} - ask ann@example.com"}))
    planted.write_csv(reports / sample.name)
    warned = check_evaluations(project, only_feed, "delta")["free_text_has_no_pii"]
    count = rows.filter(pl.col("product.name") == title).height
    assert not warned.passed and warned.severity is dg.AssetCheckSeverity.WARN
    assert warned.metadata["cells_flagged"].value == count
    assert "<EMAIL_ADDRESS>" in str(warned.metadata["examples_redacted"].value)
    assert "ann@" not in str(warned.metadata)
