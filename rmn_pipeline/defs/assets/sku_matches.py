"""Stage rmis: what products that no catalog knows may be, proposed by title for a person's review."""

from pathlib import Path

import dagster as dg
import polars as pl

from rmn_pipeline.defs.assets.rmis import GROUP, OWNERS
from rmn_pipeline.defs.metadata import markdown_table, table_metadata
from rmn_pipeline.defs.resources import ProjectResource
from rmn_pipeline.rmis import load_mapping, read_table
from rmn_pipeline.rmis.retailer_products import load_retailer_products
from rmn_pipeline.rmis.sku_review import (
    ACCEPT,
    REJECT,
    SKU_MATCH_PROPOSALS,
    Review,
    review_file,
    update_review,
)
from rmn_pipeline.rmis.titles import PROPOSALS_SCHEMA, TitleMatches, TitleMatchSettings, match_titles
from rmn_pipeline.rmis.unknown_products import UnknownProducts, unknown_products

_NOT_FOR_GTINS = (
    "The report names products by GTIN, and another GTIN is another product: titles are not compared. "
    "Add the products to the catalog."
)


def sku_match_assets(retailers: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of this stage."""

    @dg.asset(
        name=SKU_MATCH_PROPOSALS,
        deps=["rmis_rejects"],
        partitions_def=retailers,
        group_name=GROUP,
        kinds={"polars", "csv"},
        owners=OWNERS,
        description="Products that were rejected as unknown, beside the catalog's product of the most similar title. "
        "A person accepts or rejects each row; nothing is joined before.",
    )
    def sku_match_proposals(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        retailer_id, paths = context.partition_key, project.paths
        mapping = load_mapping(paths.retailer_dir(retailer_id) / "mapping.yaml")
        unknown = unknown_products(read_table(paths.lake_dir, "rmis_rejects", retailer_id), mapping)
        products = load_retailer_products(
            paths.landing_dir(retailer_id) / "reference",
            retailer_id,
            review=review_file(paths.lake_dir, retailer_id),
        )
        by_title = mapping.sku.kind == "native"
        # Accepted since the last harmonization: still among the rejects, and known now.
        wanted = unknown.products.join(products.crosswalk, on="native_id", how="anti")
        matches = match_titles(wanted if by_title else wanted.clear(), products.catalog)
        review = update_review(paths.lake_dir, retailer_id, matches.proposals)
        note = {} if by_title else {"note": _NOT_FOR_GTINS}
        return dg.MaterializeResult(metadata={**_metadata(unknown, matches, review, paths.root), **note})

    return [sku_match_proposals]


def _metadata(
    unknown: UnknownProducts, matches: TitleMatches, review: Review, root: Path
) -> dict[str, dg.MetadataValue | str | int | float]:
    shown = review.rows.select(
        name for name in PROPOSALS_SCHEMA if name not in ("also_proposed_for", "runner_up_sku_id")
    )
    settings = TitleMatchSettings()
    return {
        **table_metadata(review.rows),
        "preview": dg.MetadataValue.md(markdown_table(shown.head(20))),
        "file": str(review.path.relative_to(root)),
        "open": review.count(""),
        "accepted": review.count(ACCEPT),
        "rejected": review.count(REJECT),
        "rejected_rows": unknown.rows,
        "unknown_products": unknown.products["native_id"].n_unique(),
        "without_title": unknown.untitled,
        "rows_without_product_in_the_report": unknown.unread_rows,
        "title_column": unknown.title_column or "none found; declare sku.title_from in the mapping",
        "threshold": settings.threshold,
        "margin": settings.margin,
        "withheld": dg.MetadataValue.md(_withheld(matches.withheld)),
    }


def _withheld(withheld: pl.DataFrame) -> str:
    return markdown_table(withheld.head(20)) if withheld.height else "_none_"
