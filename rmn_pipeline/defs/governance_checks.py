"""Asset checks of governance: personal data in what arrives, and in what leaves; nobody's private data in training.

Belongs here: which tables and files are looked through, and whose private data is whose. How they are looked
through is `rmn_pipeline.governance`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from rmn_pipeline.defs.kinds import ADAPTER_KINDS, AdapterKind
from rmn_pipeline.defs.metadata import counts_table, markdown_table
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.defs.sources import load_brand, load_training_sources, training_set_dir

if TYPE_CHECKING:
    from rmn_pipeline.governance.export import ExportRules, Finding, PrivateData
    from rmn_pipeline.lora.datasets import TrainingSet, TrainingSources

# What of a brand's daily feed nobody else may see, in the feed's own words.
PRIVATE_COLUMNS = ("price_usd", "unit_cost_usd", "stock_units", "in_stock_share", "promo_flag", "units_sold")
# Of those, what is recognized by its value beside the product.
PRIVATE_FIGURES = ("price_usd", "unit_cost_usd")
# Kinds of export that are text. The report's picture cannot be looked into; it is drawn from the same figures.
REPORT_FILES = ("comparison.html", "comparison.json")


def build_governance_checks(
    partitions: Mapping[str, dg.PartitionsDefinition | None],
) -> list[dg.AssetChecksDefinition]:
    """All checks of governance.

    Args:
        partitions: partitionings by tenancy: `retailer`, `brand`, `none`.
    """
    return [
        _free_text_check(partitions["retailer"]),
        _report_check(partitions["brand"]),
        *[_private_columns_check(kind, partitions[kind.tenancy]) for kind in ADAPTER_KINDS],
        *[_training_export_check(kind, partitions[kind.tenancy]) for kind in ADAPTER_KINDS],
    ]


# --- what arrives ------------------------------------------------------------------------------------------------


def _free_text_check(retailers: dg.PartitionsDefinition | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="free_text_has_no_pii",
        asset="raw_feed",
        partitions_def=retailers,
        description="No e-mail, phone, card, address or device id in any text column of the network's reports: a "
        "warning, for a person to look at. Names of persons are not detected.",
    )
    def free_text_has_no_pii(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        from rmn_pipeline.governance.pii import scan_batches

        scan = scan_batches(_report_batches(project.paths, context.partition_key))
        return dg.AssetCheckResult(
            passed=scan.flagged == 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "texts_scanned": scan.texts,
                "distinct_texts_read": scan.looked_at,
                "cells_flagged": scan.flagged,
                "flagged_by_type": dg.MetadataValue.md(counts_table(scan.by_type, "type", "cells")),
                "flagged_by_column": dg.MetadataValue.md(counts_table(scan.by_column, "column", "cells")),
                "examples_redacted": dg.MetadataValue.md(_examples(scan.examples)),
            },
        )

    return free_text_has_no_pii


def _report_batches(project: Project, retailer_id: str) -> Iterator[pl.DataFrame]:
    """Every report of a retailer, batch by batch, without the columns that reading adds."""
    from rmn_pipeline.feeds import list_landing, report_sources
    from rmn_pipeline.rmis import load_mapping

    source = load_mapping(project.retailer_dir(retailer_id) / "mapping.yaml").source
    files = list_landing(project.landing_dir(retailer_id) / "reports", source.files)
    for report in report_sources([file.path for file in files], source.report_format()):
        for batch in report.batches():
            yield batch.select(pl.exclude("^source_.*$"))


def _examples(examples: Mapping[str, Sequence[str]]) -> str:
    rows = [{"type": name, "text": text} for name, texts in examples.items() for text in texts]
    return markdown_table(pl.DataFrame(rows)) if rows else "_none_"


# --- what leaves -------------------------------------------------------------------------------------------------


def _report_check(brands: dg.PartitionsDefinition | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="export_is_clean",
        asset="comparison_report",
        blocking=True,
        partitions_def=brands,
        description="The report's page and figures hold no personal data, no small counts of customers, no blocked "
        "fields and nothing private to another brand.",
    )
    def export_is_clean(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        from rmn_pipeline.governance.export import check_export

        brand_id = context.partition_key
        rules = report_rules(project.paths, brand_id)
        folder = project.paths.reports_dir(brand_id)
        findings = {name: check_export(folder / name, rules) for name in REPORT_FILES}
        return _result(findings, dg.AssetCheckSeverity.ERROR)

    return export_is_clean


def report_rules(project: Project, brand_id: str) -> "ExportRules":
    """What a brand's report is held to: the strictest k of all retailers, and no other brand's private data."""
    from rmn_pipeline.cleanroom import load_policy
    from rmn_pipeline.governance.export import ExportRules

    policies = [load_policy(project.retailer_dir(name) / "policy.yaml") for name in project.retailer_ids()]
    others = [name for name in project.brand_ids() if name != brand_id]
    return ExportRules(
        k=max(policy.k for policy in policies),
        private=tuple(brand_private_data(project, name) for name in others),
    )


def brand_private_data(project: Project, brand_id: str) -> "PrivateData":
    """What only a brand may see: its words for its lines, canaries that it planted, prices and costs of its products.

    A brand that has delivered no private feed has no figures to protect.
    """
    from rmn_pipeline.governance.export import private_data

    brand = load_brand(project, brand_id)
    nicknames = [nickname for line in brand.get("lines", []) for nickname in line.get("nicknames", [])]
    words = [*nicknames, *brand.get("canaries", [])]
    feed = project.brand_dir(brand_id) / "private" / "daily.parquet"
    if not feed.is_file():
        return private_data(brand_id, words=words)
    figures = pl.scan_parquet(feed).select("sku_id", *PRIVATE_FIGURES).unique().collect()
    return private_data(
        brand_id,
        words=words,
        frame=figures,
        columns=PRIVATE_FIGURES,
        key="sku_id",
        names=_product_names(project),
    )


def _product_names(project: Project) -> dict[str, tuple[str, ...]]:
    """How products are called beside their id: the title, with and without its size."""
    from rmn_pipeline.rmis import LakeError, read_table

    names: dict[str, tuple[str, ...]] = {}
    for retailer_id in project.retailer_ids():
        try:
            skus = read_table(project.lake_dir, "rmis_skus", retailer_id)
        except LakeError:
            # A retailer that has not been harmonized names no products yet.
            continue
        for sku_id, title in skus.select("sku_id", "title").iter_rows():
            names[sku_id] = (title, title.split(",")[0])
    return names


# --- what models learn from --------------------------------------------------------------------------------------


def _private_columns_check(
    kind: AdapterKind, partitions: dg.PartitionsDefinition | None
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="no_private_columns",
        asset=f"training_set_{kind.name}",
        blocking=True,
        partitions_def=partitions,
        description="No column of a brand's private feed, none of its words, canaries or figures in a training set "
        "that is not its own.",
    )
    def no_private_columns(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        made = _training_set(project.paths, kind, context)
        findings = private_findings(project.paths, made, load_training_sources(project.paths))
        return _result({made.adapter_id: findings}, dg.AssetCheckSeverity.ERROR)

    return no_private_columns


def private_findings(
    project: Project, training_set: "TrainingSet", sources: "TrainingSources"
) -> "list[Finding]":
    """Private data of brands that a training set is not for, in its columns and its rows."""
    from rmn_pipeline.governance.export import ExportRules, Finding, check_export
    from rmn_pipeline.lora.datasets import PrivateLeakError, check_private_leak

    own = training_set.card()["private_to_brand"]
    others = [name for name in project.brand_ids() if name != own]
    rules = ExportRules(
        blocked_fields=PRIVATE_COLUMNS,
        private=tuple(brand_private_data(project, name) for name in others),
        unchecked_texts=tuple(training_set.rows.columns),
    )
    findings = check_export(training_set.rows, rules)
    try:
        check_private_leak(training_set, sources)
    except PrivateLeakError:
        # Its text quotes the leaked word, which is not repeated here.
        refused = Finding(
            "private_value",
            "a private word of a brand, by the check that training itself makes",
            training_set.adapter_id,
            1,
            "build the training set anew from sources without the word",
        )
        findings.append(refused)
    return findings


def _training_export_check(
    kind: AdapterKind, partitions: dg.PartitionsDefinition | None
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="export_is_clean",
        asset=f"training_set_{kind.name}",
        partitions_def=partitions,
        description="No personal data in prompts and completions, no customer-level columns. A warning, because "
        "invented ids may look like a card by chance.",
    )
    def export_is_clean(
        context: dg.AssetCheckExecutionContext, project: ProjectResource
    ) -> dg.AssetCheckResult:
        from rmn_pipeline.governance.export import ExportRules, check_export

        made = _training_set(project.paths, kind, context)
        return _result({made.adapter_id: check_export(made.rows, ExportRules())}, dg.AssetCheckSeverity.WARN)

    return export_is_clean


def _training_set(
    project: Project, kind: AdapterKind, context: dg.AssetCheckExecutionContext
) -> "TrainingSet":
    from rmn_pipeline.lora.datasets import load_training_set

    tenant = context.partition_key if kind.tenancy != "none" else None
    return load_training_set(training_set_dir(project, kind.adapter_id(tenant)))


def _result(
    findings: "Mapping[str, Sequence[Finding]]", severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    """A check's outcome with everything that was found, by table or file; values are never shown."""
    rows = [
        {"in": name, "what": found.what, "where": found.where, "times": found.count, "mend": found.how}
        for name, listed in findings.items()
        for found in listed
    ]
    return dg.AssetCheckResult(
        passed=not rows,
        severity=severity,
        metadata={
            "looked_through": ", ".join(findings),
            "count": len(rows),
            "findings": dg.MetadataValue.md(markdown_table(pl.DataFrame(rows)) if rows else "_none_"),
        },
    )
