"""From tables in the lake to what planning and comparison of one brand take, and back to files.

Belongs here: reading, handing over, writing. What a mode may see is decided by which of the two view functions
is called: the clean-room view reads the clean room's released cells and nothing else of the retailer's data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from rmn_pipeline.defs.project import Project, ProjectError
from rmn_pipeline.defs.sources import load_brand
from rmn_pipeline.planning import (
    BaselineKind,
    Plan,
    PlanningView,
    PlanRequest,
    baseline_plan,
    clean_room_view,
    fit_response,
    full_data_view,
    oracle_plan,
)
from rmn_pipeline.rmis import read_events, read_table

if TYPE_CHECKING:
    from rmn_pipeline.cleanroom import CleanRoomView
    from rmn_pipeline.comparison import ComparisonResult, Judge
    from rmn_pipeline.comparison.ablation import Reading
    from rmn_pipeline.comparison.compare import Details
    from rmn_pipeline.federation import PlanRequestAnswer

# An arm of a campaign. Only these columns of the events reach the clean-room plan.
CAMPAIGN_KEYS = ("retailer_id", "placement_type", "audience_id", "sku_id")
MODES = ("full_data", "clean_room")
BASELINES: tuple[BaselineKind, ...] = ("status_quo", "equal_split", "proportional_to_sales")


@dataclass(frozen=True)
class RefusedBrief:
    """A brief that was not understood well enough to spend money on it."""

    because: str
    adapters_used: tuple[str, ...] = ()


def plan_start(project: Project) -> date:
    """The first Monday after the last day that any retailer has reported."""
    last_day = max(report_period(project, retailer_id)[1] for retailer_id in project.retailer_ids())
    return last_day + timedelta(days=7 - last_day.weekday())


def brand_skus(project: Project, brand_id: str) -> pl.DataFrame:
    """A brand's products over all retailers' catalogues, one row each."""
    tables = [read_table(project.lake_dir, "rmis_skus", retailer) for retailer in project.retailer_ids()]
    skus = pl.concat(tables).filter(pl.col("brand_id") == brand_id)
    if skus.is_empty():
        raise ProjectError(f"brand {brand_id!r}: no product of it in any retailer's catalogue.csv.")
    return skus.unique("sku_id", keep="first", maintain_order=True)


def read_incrementality(project: Project, brand_id: str) -> pl.DataFrame:
    """Read-outs of the brand's past experiments: its own knowledge, so both modes have it."""
    return pl.read_csv(_private_file(project, brand_id, "experiments.csv"), try_parse_dates=True)


def full_data_planning_view(project: Project, brand_id: str) -> PlanningView:
    """Everything the brand may see when nothing is withheld."""
    skus = brand_skus(project, brand_id)
    return full_data_view(
        read_events(project.lake_dir).filter(pl.col("sku_id").is_in(skus["sku_id"].implode())).collect(),
        skus,
        pl.read_parquet(_private_file(project, brand_id, "daily.parquet")),
        read_incrementality(project, brand_id),
        brand_id=brand_id,
        assumed_margin_rate=load_brand(project, brand_id)["assumed_margin_rate"],
    )


def clean_room_planning_view(project: Project, brand_id: str) -> PlanningView:
    """The released cells of every retailer's clean room, and nothing else of theirs."""
    skus = brand_skus(project, brand_id)
    retailers = project.retailer_ids()
    cells = pl.concat([read_table(project.lake_dir, "clean_room_cells", retailer) for retailer in retailers])
    audiences = pl.concat(
        [read_table(project.lake_dir, "clean_room_audiences", retailer) for retailer in retailers]
    )
    release = json.loads((project.lake_dir / "clean_room_release" / f"{retailers[0]}.json").read_text())
    return clean_room_view(
        cells.filter(pl.col("sku_id").is_in(skus["sku_id"].implode())),
        audiences,
        skus,
        read_incrementality(project, brand_id),
        brand_id=brand_id,
        assumed_margin_rate=load_brand(project, brand_id)["assumed_margin_rate"],
        blocked_fields=tuple(release["blocked_fields"]),
        campaigns=pl.read_parquet(campaigns_path(project, brand_id)),
    )


def campaigns_path(project: Project, brand_id: str) -> Path:
    """Where a brand's campaign set-up lies."""
    return project.lake_dir / "brand_campaigns" / f"{brand_id}.parquet"


def brand_campaigns(project: Project, brand_id: str) -> pl.DataFrame:
    """Which SKU the brand advertises where and to whom: keys only, no result and no spend."""
    skus = brand_skus(project, brand_id)
    ours = read_events(project.lake_dir).join(skus.lazy().select("sku_id"), on="sku_id", how="semi")
    return ours.select(CAMPAIGN_KEYS).drop_nulls().unique().sort(CAMPAIGN_KEYS).collect()


def release_retailer_view(project: Project, retailer_id: str) -> CleanRoomView:
    """Ask the retailer's clean room for the planning view and store what it released."""
    from rmn_pipeline.cleanroom import CleanRoom, load_policy, release_view
    from rmn_pipeline.rmis import write_table

    log = project.landing_dir(retailer_id) / "log"
    if not any(log.glob("*.parquet")):
        raise ProjectError(
            f"{log}: no Parquet file of the retailer's log. `make sample` writes the sample's."
        )
    skus = read_table(project.lake_dir, "rmis_skus", retailer_id)
    room = CleanRoom(
        str(log / "*.parquet"),
        load_policy(project.retailer_dir(retailer_id) / "policy.yaml"),
        ledger=project.lake_dir / "clean_room_ledgers" / f"{retailer_id}.sqlite",
        sku_ids=skus["sku_id"].to_list(),
        dataset_id=_dataset_id(project, retailer_id),
    )
    first, last = report_period(project, retailer_id)
    view = release_view(room, retailer_id=retailer_id, start=first, end=last)
    write_table(project.lake_dir, "clean_room_cells", retailer_id, view.cells)
    write_table(project.lake_dir, "clean_room_audiences", retailer_id, view.audience_cells)
    _write_json(
        project.lake_dir / "clean_room_release" / f"{retailer_id}.json",
        {
            "blocked_fields": list(view.blocked_fields),
            "suppressed_cells": view.suppressed_cells,
            "epsilon_spent": view.epsilon_spent,
        },
    )
    return view


def _dataset_id(project: Project, retailer_id: str) -> str:
    """Whose privacy budget is spent: the retailer's customers. Another sample market has other customers."""
    manifest = project.data_dir / "landing" / "manifest.json"
    if not manifest.is_file():
        return retailer_id
    return f"{retailer_id}:{json.loads(manifest.read_text())['config_digest'][:16]}"


def report_period(project: Project, retailer_id: str) -> tuple[date, date]:
    """First and last day of the reports: the period an analyst would ask for, without opening the log."""
    day = pl.col("date")
    days = read_events(project.lake_dir, [retailer_id]).select(
        day.min().alias("first"), day.max().alias("last")
    )
    period = days.collect()
    return period["first"][0], period["last"][0]


def write_plan_request(
    project: Project, brand_id: str, brief: str, answers: Mapping[str, PlanRequestAnswer | RefusedBrief]
) -> None:
    """Store what the brief was turned into, per mode, or why it was refused."""
    _write_json(
        project.lake_dir / "plan_request" / f"{brand_id}.json",
        {
            "brief": brief,
            **{mode: _as_stored(answer) for mode, answer in answers.items()},
        },
    )


def _as_stored(answer: PlanRequestAnswer | RefusedBrief) -> dict[str, Any]:
    if isinstance(answer, RefusedBrief):
        return {"refused": answer.because, "adapters_used": list(answer.adapters_used)}
    return {
        "request": json.loads(answer.request.canonical_json()),
        "adapters_used": list(answer.adapters_used),
        "attempts": answer.attempts,
    }


def read_plan_request(project: Project, brand_id: str, mode: str) -> dict[str, Any]:
    """What the brief was turned into for one mode.

    A brief that was refused without the brand's adapter is planned as the full stack understood it: the two plans
    then still differ in their data alone, and the ablation shows the refusal.
    """
    answers = _plan_request_answers(project, brand_id)
    return answers["full_data"] if "refused" in answers[mode] else answers[mode]


def _plan_request_answers(project: Project, brand_id: str) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((project.lake_dir / "plan_request" / f"{brand_id}.json").read_text())
    return answers


def write_plan(project: Project, plan: Plan, mode: str) -> None:
    """Store a plan."""
    _write_text(project.lake_dir / "plans" / plan.brand_id / f"{mode}.json", plan.model_dump_json(indent=1))


def read_plan(project: Project, brand_id: str, mode: str) -> Plan:
    """A stored plan."""
    return Plan.model_validate_json((project.lake_dir / "plans" / brand_id / f"{mode}.json").read_text())


def requested(plan: Plan) -> PlanRequest:
    """The request that a plan answers.

    Raises:
        ProjectError: the plan was made without one.
    """
    if plan.request is None:
        raise ProjectError(
            f"plan {plan.plan_id} of {plan.brand_id} answers no request; materialize it again."
        )
    return plan.request


def compare_brand(project: Project, brand_id: str, replicates: int) -> ComparisonResult:
    """Judge both plans and the plans they are measured against, with field values, regret split and ablation.

    Where data/world.yaml describes the market, its truth judges. Without it the posterior of the full-data model
    does, and the result is labelled model-based.
    """
    from rmn_pipeline.comparison import compare

    plans = {mode: read_plan(project, brand_id, mode) for mode in MODES}
    views = {
        "full_data": full_data_planning_view(project, brand_id),
        "clean_room": clean_room_planning_view(project, brand_id),
    }
    request, start = requested(plans["full_data"]), plans["full_data"].start_date
    judged_by, judge, seed, true_arms = _judge(project, request, views["full_data"], plans["full_data"])
    if true_arms is not None:
        plans["oracle"] = oracle_plan(request, true_arms, start_date=start)
    for kind in BASELINES:
        plans[kind] = baseline_plan(request, views["full_data"], kind, start_date=start)
    return compare(
        brand_id=brand_id,
        plans=plans,
        judge=judge,
        request=request,
        skus=views["full_data"].skus,
        availability=views["full_data"].availability,
        replicates=replicates,
        seed=seed,
        details=_details(project, plans, views, request, judge, true_arms, replicates, seed),
        judged_by=judged_by,
    )


def _judge(
    project: Project, request: PlanRequest, view: PlanningView, plan: Plan
) -> tuple[Literal["truth", "model"], Judge, int, pl.DataFrame | None]:
    """Who judges, with which seed, and the true arms where there is a truth."""
    from rmn_pipeline.comparison.model_judge import ModelJudge
    from rmn_pipeline.planning import PlannerSettings
    from rmn_pipeline.world import WorldConfig, build_world

    config_path = project.data_dir / "world.yaml"
    if not config_path.is_file():
        judge = ModelJudge(view, request, plan.start_date, plan.weeks, fit_response(view))
        return "model", judge, PlannerSettings().seed, None
    world = build_world(WorldConfig.from_yaml(config_path))
    arms = world.true_arms(request.brand_id, plan.start_date, plan.weeks)
    return "truth", world, world.config.seed, arms


def _details(
    project: Project,
    plans: Mapping[str, Plan],
    views: Mapping[str, PlanningView],
    request: PlanRequest,
    judge: Judge,
    true_arms: pl.DataFrame | None,
    replicates: int,
    seed: int,
) -> Details:
    from rmn_pipeline.comparison.ablation import ablation
    from rmn_pipeline.comparison.compare import Details
    from rmn_pipeline.comparison.curves import curve_panels, stock_by_week
    from rmn_pipeline.comparison.field_values import field_values, play_fields
    from rmn_pipeline.comparison.regret import Truth, regret_split

    full, clean, start = views["full_data"], views["clean_room"], plans["full_data"].start_date
    fits = {mode: fit_response(view) for mode, view in views.items()}
    truth = None if true_arms is None else Truth(true_arms)
    splits = {
        mode: regret_split(
            plans[mode], request=requested(plans[mode]), view=views[mode], truth=truth, judge=judge,
            start_date=start, response=fits[mode], replicates=replicates, seed=seed,
        )
        for mode in MODES
        if truth is not None
    }  # fmt: skip
    read = {mode: read_reading(project, request.brand_id, mode) for mode in MODES}
    played = play_fields(
        request=request, full=full, clean=clean, judge=judge, start_date=start, replicates=replicates, seed=seed,
        responses=fits,
    )  # fmt: skip
    return Details(
        field_values=field_values(played),
        regret_splits={mode: split for mode, split in splits.items() if split is not None},
        ablation=ablation(
            with_adapter=read["full_data"], without_adapter=read["clean_room"], views=views, judge=judge,
            start_date=start, replicates=replicates, seed=seed, responses=fits,
        ),
        curves=curve_panels(request, views, plans, full.skus, start_date=start, truth=truth, responses=fits),
        stock=stock_by_week(full, {mode: plans[mode] for mode in MODES}),
    )  # fmt: skip


def read_reading(project: Project, brand_id: str, mode: str) -> Reading:
    """What the brief became in one mode, or why it was refused."""
    from rmn_pipeline.comparison.ablation import Reading

    answer = _plan_request_answers(project, brand_id)[mode]
    if "refused" in answer:
        return Reading(None, tuple(answer["adapters_used"]), answer["refused"])
    return Reading(PlanRequest.model_validate(answer["request"]), tuple(answer["adapters_used"]))


def write_comparison(project: Project, result: ComparisonResult) -> None:
    """Store the figures between the asset that computes them and the one that renders them."""
    _write_text(project.lake_dir / "comparison" / f"{result.brand_id}.json", result.model_dump_json(indent=1))


def read_comparison(project: Project, brand_id: str) -> ComparisonResult:
    """The stored figures."""
    from rmn_pipeline.comparison import ComparisonResult

    return ComparisonResult.model_validate_json(
        (project.lake_dir / "comparison" / f"{brand_id}.json").read_text()
    )


def _private_file(project: Project, brand_id: str, name: str) -> Path:
    path = project.brand_dir(brand_id) / "private" / name
    if not path.is_file():
        raise ProjectError(f"{path}: the brand's private feed is missing. `make sample` writes the sample's.")
    return path


def _write_json(path: Path, value: object) -> None:
    _write_text(path, json.dumps(value, indent=1))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(path.suffix + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)
