from dataclasses import fields as dataclass_fields
from itertools import combinations

import polars as pl
import pytest

from rmn_pipeline.planning import PlanError, PlanningView, PlanRequest, clean_room_view, make_plan
from rmn_pipeline.planning.fields import FIELDS, PANEL_COLUMNS, masked_view
from rmn_pipeline_tests.planning.simulated import START, released_cells, simulate

EVERYTHING = frozenset(FIELDS)
BETWEEN = [frozenset(names) for size in range(1, len(FIELDS)) for names in combinations(FIELDS, size)]


@pytest.fixture(scope="module")
def full() -> PlanningView:
    view = simulate(seed=4, skus=6, weeks=12, stock_outs=True).view
    sales = view.panel.select("retailer_id", "sku_id", "week", "sales_index", "in_stock_share", "promo_share")
    return PlanningView(**{**vars(view), "sales_weeks": sales.unique(["retailer_id", "sku_id", "week"])})


@pytest.fixture(scope="module")
def clean(full: PlanningView) -> PlanningView:
    cells, audiences = released_cells(full, noise_sd=150.0)
    return clean_room_view(
        cells, audiences, full.skus, full.incrementality, "brand_x", 0.34, ("margin", "stock_level")
    )


@pytest.fixture(scope="module")
def request_of_brand() -> PlanRequest:
    return PlanRequest(brand_id="brand_x", budget_usd=60_000, weeks=8, exclude_out_of_stock=True)


def test_all_fields_are_the_full_plan_and_none_the_clean_room_plan(
    full: PlanningView, clean: PlanningView, request_of_brand: PlanRequest
):
    def plan(view: PlanningView) -> str:
        return make_plan(request_of_brand, view, start_date=START).model_dump_json()

    assert plan(masked_view(full, clean, EVERYTHING)) == plan(full)
    assert plan(masked_view(full, clean, frozenset())) == plan(clean)


@pytest.mark.parametrize("visible", BETWEEN, ids=lambda names: "+".join(sorted(names)))
def test_every_combination_hides_exactly_the_other_fields(
    full: PlanningView, clean: PlanningView, visible: frozenset[str]
):
    view = masked_view(full, clean, visible)
    assert view.blocked_fields == tuple(name for name in FIELDS if name not in visible)
    assert (view.panel["audience_id"].null_count() == 0) == ("grain" in visible)
    assert (view.availability is not None) == ("stock" in visible)
    assert (view.sales_weeks is not None) == ("price" in visible)
    assert (view.skus["margin_rate"].null_count() == 0) == ("margin" in visible)
    assert (view.skus["price_usd"].null_count() == 0) == ("price" in visible)
    for field, columns in PANEL_COLUMNS.items():
        for name in columns:
            assert (view.panel[name].null_count() == 0) == (field in visible), name


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changes_only_its_own_columns(full: PlanningView, clean: PlanningView, field: str):
    others = EVERYTHING - {field}
    for visible in (frozenset(), frozenset({"stock"}), others - {"grain"}, others):
        before, after = (
            masked_view(full, clean, visible - {field}),
            masked_view(full, clean, visible | {field}),
        )
        if field == "grain":
            # The rows are others; what is joined to them by shelf and week stays the same.
            assert before.skus.equals(after.skus) or not visible
            continue
        changed = {
            name
            for name in before.panel.columns
            if not before.panel[name].equals(after.panel[name], null_equal=True)
        }
        assert changed == set(PANEL_COLUMNS.get(field, ())), visible
        kept = {
            "brand_id",
            "audience_shares",
            "incrementality",
            "campaigns",
            "assumed_margin_rate",
            "last_day",
        }
        for part in dataclass_fields(PlanningView):
            if part.name in kept:
                assert _same(getattr(before, part.name), getattr(after, part.name)), part.name


def _same(first: object, second: object) -> bool:
    if isinstance(first, pl.DataFrame):
        return isinstance(second, pl.DataFrame) and first.equals(second)
    return first == second


def test_hidden_sales_fields_leave_no_trace_in_the_season_table(full: PlanningView, clean: PlanningView):
    sales = masked_view(full, clean, frozenset({"price", "grain"})).sales_weeks
    assert sales is not None
    assert sales["in_stock_share"].unique().to_list() == [1.0]
    assert sales["promo_share"].unique().to_list() == [0.0]


def test_every_combination_can_be_planned(
    full: PlanningView, clean: PlanningView, request_of_brand: PlanRequest
):
    for visible in BETWEEN[::4]:
        plan = make_plan(request_of_brand, masked_view(full, clean, visible), start_date=START)
        assert plan.status == "optimal"


def test_unknown_fields_and_strangers_are_refused(full: PlanningView, clean: PlanningView):
    with pytest.raises(PlanError, match="weather"):
        masked_view(full, clean, frozenset({"weather"}))
    stranger = PlanningView(**{**vars(clean), "brand_id": "brand_z"})
    with pytest.raises(PlanError, match="brand_z"):
        masked_view(full, stranger, EVERYTHING)
