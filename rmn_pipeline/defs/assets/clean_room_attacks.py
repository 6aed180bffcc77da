"""Stage planning, aside: the attacks on the clean room at full size, and the report that they leave."""

from pathlib import Path

import dagster as dg

from rmn_pipeline.defs.metadata import image_markdown
from rmn_pipeline.defs.project import Project
from rmn_pipeline.defs.resources import ProjectResource

GROUP = "planning"
OWNERS = ["team:planning"]
ATTACK_CHECK = "room_withstands_every_attack"


def clean_room_attack_assets() -> list[dg.AssetsDefinition]:
    """The attack report. Its targets are synthetic, so it depends on nothing but code."""

    @dg.asset(
        group_name=GROUP,
        kinds={"opendp", "duckdb", "html"},
        owners=OWNERS,
        check_specs=[
            dg.AssetCheckSpec(
                ATTACK_CHECK,
                asset="clean_room_attack_report",
                description="Every attack fails on the room and succeeds on its unprotected control.",
            )
        ],
        description="Attacks on the clean room, each beside an unprotected control: differencing, averaging, "
        "reconstruction, tracker, membership, audit of ε, oracles, SQL fuzzing. JSON and one self-contained HTML page.",
    )
    def clean_room_attack_report(
        context: dg.AssetExecutionContext, project: ProjectResource
    ) -> dg.MaterializeResult:
        from rmn_pipeline.cleanroom.attacks import Size, markdown_table, plot, run_suite, write_report

        size: Size = "ci" if project.profile == "smoke" else "full"
        results = []
        for result in run_suite(size):
            context.log.info(
                f"{result.name}: control {result.control_success:.4g}, room {result.protected_success:.4g}, "
                f"{'holds' if result.holds else 'DOES NOT HOLD'}, {result.seconds:.0f} s"
            )
            results.append(result)
        files = write_report(results, attack_report_dir(project.paths), size)
        fallen = [result.name for result in results if not result.holds]
        return dg.MaterializeResult(
            metadata={
                "size": size,
                "attacks": len(results),
                "do_not_hold": ", ".join(fallen) or "none",
                "html": dg.MetadataValue.path(str(files.html)),
                "json": dg.MetadataValue.path(str(files.json)),
                "results": dg.MetadataValue.md(markdown_table(results)),
                "picture": image_markdown(plot(results, "png"), "attacks on the clean room"),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=ATTACK_CHECK,
                    passed=not fallen,
                    metadata={"do_not_hold": ", ".join(fallen) or "none"},
                )
            ],
        )

    return [clean_room_attack_report]


def attack_report_dir(project: Project) -> Path:
    """Where the report lies."""
    return project.data_dir / "reports" / "clean_room"
