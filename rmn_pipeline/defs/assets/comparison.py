"""Stage comparison: both plans judged in the market's truth, and the report that people read."""

import json

import dagster as dg

from rmn_pipeline.defs.brand_inputs import compare_brand, read_comparison, write_comparison
from rmn_pipeline.defs.metadata import image_file_markdown
from rmn_pipeline.defs.resources import ProjectResource

GROUP = "comparison"
OWNERS = ["team:planning"]


def comparison_assets(brands: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of this stage."""

    @dg.asset(
        deps=["plan_full_data", "plan_clean_room"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"polars"},
        owners=OWNERS,
        description="Full-data and clean-room plan, the oracle's plan and simple splits, judged on the same fresh "
        "weeks with common random numbers.",
    )
    def comparison(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
        from rmn_pipeline.comparison import format_table, plain_summary

        result = compare_brand(project.paths, context.partition_key, replicates=project.replicates)
        write_comparison(project.paths, result)
        return dg.MaterializeResult(
            metadata={
                "replicates": project.replicates,
                "winner": result.verdict.winner,
                "summary": dg.MetadataValue.md("\n\n".join(plain_summary(result))),
                "figures": dg.MetadataValue.md(f"```\n{format_table([result])}\n```"),
            }
        )

    @dg.asset(
        deps=["comparison"],
        partitions_def=brands,
        group_name=GROUP,
        kinds={"html"},
        owners=OWNERS,
        description="One self-contained HTML page with charts, the same figures as JSON, and a picture.",
    )
    def comparison_report(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        from rmn_pipeline.comparison import render_report

        brand_id = context.partition_key
        files = render_report(read_comparison(project.paths, brand_id), project.paths.reports_dir(brand_id))
        return dg.MaterializeResult(
            metadata={
                "html": dg.MetadataValue.path(str(files.html)),
                "json": dg.MetadataValue.path(str(files.json)),
                "summary": dg.MetadataValue.json(json.loads(files.json.read_text())["differences"]),
                "picture": image_file_markdown(files.png, "comparison of the plans"),
            }
        )

    return [comparison, comparison_report]
