"""Stage comparison: both plans judged in the market's truth, and the report that people read."""

import json

import dagster as dg
from pydantic import Field

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
                "judged_by": result.judged_by,
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
        description="One self-contained HTML page with charts, the same figures as PDF and JSON, and a picture.",
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
                "pdf": dg.MetadataValue.path(str(files.pdf)),
                "json": dg.MetadataValue.path(str(files.json)),
                "summary": dg.MetadataValue.json(json.loads(files.json.read_text())["differences"]),
                "picture": image_file_markdown(files.png, "comparison of the plans"),
            }
        )

    return [comparison, comparison_report, *_sensitivity_assets()]


class SensitivityConfig(dg.Config):
    """How large the study is. Thirty worlds of every preset take about 45 minutes of one core."""

    worlds_per_preset: int = 2
    presets: list[str] = Field(default_factory=list, description="All where none is named.")
    replicates: int = 20
    first_seed: int = 41_000


def _sensitivity_assets() -> list[dg.AssetsDefinition]:
    @dg.asset(
        group_name=GROUP,
        kinds={"polars", "duckdb", "pulp"},
        owners=OWNERS,
        description="When full data wins, by how much, and when it does not: the value of every withheld field in many "
        "markets of every preset, each with its own clean rooms. Depends on the retailers' policies and on code.",
    )
    def comparison_sensitivity(
        context: dg.AssetExecutionContext, project: ProjectResource, config: SensitivityConfig
    ) -> dg.MaterializeResult:
        from rmn_pipeline.comparison.sensitivity import play_cases, summarize_cases
        from rmn_pipeline.comparison.sensitivity_plot import sensitivity_png
        from rmn_pipeline.defs.market_cases import MarketSize, market_cases, market_seeds
        from rmn_pipeline.world.presets import PRESETS

        names = config.presets or list(PRESETS)
        seeds = market_seeds(config.worlds_per_preset, config.first_seed)
        cases = market_cases(project.paths, names, seeds, MarketSize())
        results = []
        for result in play_cases(cases, replicates=config.replicates):
            context.log.info(f"{result.preset} {result.seed}: {len(result.objective)} plans judged")
            results.append(result)
        found = summarize_cases(results, PRESETS, replicates=config.replicates)
        folder = project.paths.data_dir / "reports" / "sensitivity"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sensitivity.json").write_text(found.model_dump_json(indent=1) + "\n")
        (folder / "sensitivity.png").write_bytes(sensitivity_png(found))
        return dg.MaterializeResult(
            metadata={
                "worlds": len(results),
                **{summary.preset: summary.reading for summary in found.presets},
                "json": dg.MetadataValue.path(str(folder / "sensitivity.json")),
                "picture": image_file_markdown(folder / "sensitivity.png", "sensitivity over markets"),
            }
        )

    return [comparison_sensitivity]
