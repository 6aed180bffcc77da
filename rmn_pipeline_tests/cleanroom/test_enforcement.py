from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from rmn_pipeline.cleanroom import CleanRoomPolicy, CleanRoomSetupError
from rmn_pipeline.cleanroom.bounded_log import BoundedLog
from rmn_pipeline.cleanroom.enforcement import key_domain, privatize
from rmn_pipeline.cleanroom.noise import (
    add_laplace,
    error_bound_95,
    laplace_scale,
    threshold_margin,
)
from rmn_pipeline.cleanroom.request import Domains, parse_request
from rmn_pipeline_tests.cleanroom.sample import PERIOD, SKUS, entry, sample_log, sample_policy

METRICS = ["customers", "impressions", "clicks", "conversions", "revenue", "cost"]
SALT = bytes(range(32))


def bounded(events: pl.DataFrame, policy: CleanRoomPolicy, dimensions: list[str]) -> pl.DataFrame:
    domains = Domains.of(policy, SKUS)
    request = parse_request(
        {"dimensions": dimensions, "metrics": METRICS, "filters": PERIOD}, policy, domains
    )
    log = BoundedLog(events, policy, domains, SALT)
    found = log.aggregate(request)
    log.close()
    return found


def heavy_customer(customer_id: int) -> pl.DataFrame:
    amounts = {
        "impressions": 500,
        "clicks": 50,
        "conversions": 9.5,
        "revenue_cents": 99_999,
        "cost_cents": 9_999,
    }
    return pl.DataFrame([entry(customer_id, day=day, sku=day % 2, **amounts) for day in range(28)])


@pytest.mark.parametrize("dimensions", [[], ["week"], ["date", "sku_id"], ["placement_type", "audience_id"]])
def test_one_customer_moves_no_answer_further_than_the_policy_says(dimensions: list[str]) -> None:
    policy, others = sample_policy(), sample_log()
    without = bounded(others, policy, dimensions)
    with_customer = bounded(pl.concat([others, heavy_customer(999_999)]), policy, dimensions)
    if dimensions:
        joined = with_customer.join(without, on=dimensions, how="left", suffix="_before").fill_null(0)
    else:
        joined = pl.concat(
            [with_customer, without.rename(lambda name: f"{name}_before")], how="horizontal_extend"
        )
    for metric in METRICS:
        moved = (joined[metric] - joined[f"{metric}_before"]).abs().sum()
        limit = 6 if metric == "customers" else policy.maximum_steps_per_customer(metric)
        # Reached to within rounding down, so the noise is not larger than it has to be.
        assert (1 if metric == "customers" else 0.98 * limit) <= moved <= limit, metric


def test_an_entry_is_clamped_and_other_customers_are_untouched() -> None:
    rows = [
        entry(1, revenue_cents=1_000_000, clicks=1),
        entry(2, day=1, revenue_cents=2_500, impressions=-40),
    ]
    found = bounded(pl.DataFrame(rows), sample_policy(), ["date"]).sort("date")
    assert found["revenue"].to_list() == [6_000, 2_500]
    assert found["clicks"].to_list() == [1_000, 0]
    assert found["impressions"].to_list() == [0, 0]


def test_rows_of_the_same_cell_count_as_one_entry() -> None:
    rows = [entry(1, revenue_cents=4_000), entry(1, revenue_cents=4_000)]
    assert bounded(pl.DataFrame(rows), sample_policy(), [])["revenue"].to_list() == [6_000]


def test_a_customer_over_the_total_is_scaled_down_in_proportion() -> None:
    rows = [entry(1, day=day, revenue_cents=cents) for day, cents in enumerate([6_000, 6_000, 6_000, 2_000])]
    found = bounded(pl.DataFrame(rows), sample_policy(), ["date"]).sort("date")
    assert found["revenue"].to_list() == [4_500, 4_500, 4_500, 1_500]


def test_undeclared_keys_and_unreadable_amounts_add_nothing() -> None:
    rows = [
        entry(1, conversions=math.nan),
        entry(2, conversions=1.5),
        entry(3, conversions=1.0) | {"sku_id": "00000000000000"},
        entry(4, conversions=1.0) | {"customer_id": None},
    ]
    found = bounded(pl.DataFrame(rows), sample_policy(), [])
    assert (found["customers"].to_list(), found["conversions"].to_list()) == ([2], [1_500])


def test_a_log_without_a_needed_column_cannot_be_opened() -> None:
    with pytest.raises(CleanRoomSetupError, match="revenue_cents"):
        bounded(sample_log().drop("revenue_cents"), sample_policy(), [])


def test_the_engine_is_locked_and_cannot_read_files(tmp_path: Any) -> None:
    import duckdb

    policy = sample_policy()
    domains = Domains.of(policy, SKUS)
    sample_log().write_parquet(tmp_path / "log.parquet")
    log = BoundedLog(tmp_path / "*.parquet", policy, domains, SALT)
    log.aggregate(parse_request({"metrics": ["cost"]}, policy, domains))
    for statement in (
        f"SELECT * FROM read_parquet('{tmp_path / 'log.parquet'}')",
        f"COPY entries TO '{tmp_path / 'copy.csv'}'",
        "SET enable_external_access = true",
        "SELECT * FROM log",
    ):
        with pytest.raises(duckdb.Error):
            log._database.execute(statement)


def test_every_declared_key_appears_once_whatever_the_data() -> None:
    policy = sample_policy()
    domains = Domains.of(policy, SKUS)
    request = parse_request(
        {"dimensions": ["week", "placement_type", "sku_id"], "metrics": ["cost"], "filters": PERIOD},
        policy,
        domains,
    )
    keys = key_domain(request, domains)
    assert keys.height == keys.n_unique() == 4 * 2 * 3


def test_noise_has_the_declared_scale_and_no_bias() -> None:
    count, sensitivity, epsilon_micro = 20_000, 15_000, 2_000_000
    noisy = add_laplace([1_000] * count, sensitivity, epsilon_micro)
    errors = pl.Series(noisy.values) - 1_000
    assert noisy.scale == pytest.approx(7_500)
    # Mean absolute value of Laplace noise is its scale; both bounds are over five standard errors wide.
    assert errors.abs().mean() == pytest.approx(noisy.scale, rel=0.04)
    assert abs(float(errors.mean() or 0)) < 5 * noisy.scale * math.sqrt(2 / count)
    within = float((errors.abs() <= noisy.error95).mean() or 0)
    assert 0.94 < within < 0.96


def test_sums_beyond_32_bits_are_perturbed_like_any_other() -> None:
    large = [50_000_000_000, -(2**40)]
    noisy = add_laplace(large, 1_000, 1_000_000)
    assert all(abs(value - truth) < 60_000 for value, truth in zip(noisy.values, large, strict=True))


def test_the_scale_is_certified_by_the_mechanism_itself() -> None:
    import opendp.prelude as dp

    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    for sensitivity in (1, 7, 96, 15_000, 400_000):
        for epsilon_micro in (1, 99_999, 333_333, 1_000_000, 6_000_000):
            scale = laplace_scale(sensitivity, epsilon_micro)
            assert dp.m.make_laplace(*space, scale=scale).map(sensitivity) <= epsilon_micro / 1e6
            assert scale == pytest.approx(sensitivity / (epsilon_micro / 1e6), rel=1e-9)


def test_the_threshold_is_on_the_noisy_count_with_a_margin_for_delta() -> None:
    policy = sample_policy(
        epsilon_per_query=1.0, delta=1e-9, allowed_dimensions={"date": "date_range"}, allowed_filters=["date"]
    )
    domains = Domains.of(policy, None)
    request = parse_request(
        {
            "dimensions": ["date"],
            "metrics": ["customers"],
            "filters": {"date": {"from": "2026-01-01", "to": "2026-12-31"}},
        },
        policy,
        domains,
    )
    days = key_domain(request, domains)
    margin = threshold_margin(6.0, 1e-9)
    assert margin == pytest.approx(120.2, abs=0.1)

    def shown_with(customers: int) -> int:
        found = days.with_columns(pl.lit(customers).cast(pl.Int64).alias("customers"))
        released = privatize(found, request, policy, domains)
        assert released.rows.height + released.suppressed_cells == days.height
        return released.rows.height

    # Below k: never shown (δ). Just at k + margin: about half. Far above: always.
    assert shown_with(99) == 0
    assert 100 < shown_with(round(100 + margin)) < 265
    assert shown_with(400) == days.height


def test_error_bounds_are_in_reported_units() -> None:
    policy = sample_policy()
    domains = Domains.of(policy, SKUS)
    request = parse_request({"metrics": ["revenue", "customers"]}, policy, domains)
    found = pl.DataFrame({"customers": [5_000], "revenue": [1_234_567]})
    released = privatize(found, request, policy, domains)
    # ε 4 over two metrics; revenue moves by at most $150, a single cell's count by one.
    assert released.error_bounds["revenue"] == pytest.approx(error_bound_95(15_000 / 2.0) / 100)
    assert released.error_bounds["customers"] == pytest.approx(error_bound_95(1 / 2.0))
    assert abs(released.rows["revenue"][0] - 12_345.67) < 3_000
    assert round(released.rows["revenue"][0] * 100) == pytest.approx(released.rows["revenue"][0] * 100)
