"""Twin columns: one amount under two names, in two scales, in two currencies, or in parts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from rmn_pipeline.rmis.detectors import Anomaly
from rmn_pipeline.rmis.report_profile import ReportProfile
from rmn_pipeline.rmis.twin_columns import find_sums, find_twins, twin_findings

ROWS = 400
RANDOM = np.random.default_rng(11)
SAME = RANDOM.gamma(2, 20, ROWS).round(2)
HALO = np.where(RANDOM.random(ROWS) < 0.4, RANDOM.gamma(2, 8, ROWS), 0.0).round(2)
CLICKS = RANDOM.poisson(20, ROWS)
SHOWN = RANDOM.poisson(900, ROWS)


def findings(columns: dict[str, object], fields: dict[str, str] | None = None) -> dict[str, Anomaly]:
    profile = ReportProfile()
    profile.update(pl.DataFrame(columns).cast(pl.String))
    numbers = profile.numbers()
    twins = find_twins(numbers)
    found = twin_findings(twins, find_sums(numbers, twins), fields or {})
    return {anomaly.code: anomaly for anomaly in found}


BASE: dict[str, object] = {"impressions": SHOWN, "clicks": CLICKS, "cost": SAME}


def test_unlike_columns_are_no_twins() -> None:
    assert findings({**BASE, "sales": HALO}) == {}


def test_twins_that_are_aliases_of_one_field_are_fine() -> None:
    found = findings({**BASE, "spend": SAME}, {"cost": "cost", "spend": "cost"})
    assert found["twin_columns.cost"].severity == "info"
    assert found["twin_columns.cost"].message == (
        "cost and spend are equal in every row; the mapping lists both for cost, and uses the first that is there"
    )


def test_twins_that_are_two_metrics_are_an_error() -> None:
    found = findings({**BASE, "sales": SAME}, {"cost": "cost", "sales": "revenue"})
    assert found["twin_columns.cost"].severity == "error"
    assert "reads cost from one and revenue from the other" in found["twin_columns.cost"].message


def test_twins_that_nobody_reads_are_told_for_information() -> None:
    found = findings({**BASE, "spend": SAME}, {"cost": "cost"})
    assert found["twin_columns.cost"].severity == "info"
    assert found["twin_columns.cost"].message.endswith("cost is cost; never add them up")


def test_twins_with_a_few_faults_are_still_twins() -> None:
    faulty = SAME.copy()
    faulty[5] = 9_999.0
    assert "in at least 98% of the rows" in findings({**BASE, "spend": faulty})["twin_columns.cost"].message


@pytest.mark.parametrize(("factor", "told"), [(100, "100"), (1_000_000, "1,000,000")])
def test_an_amount_in_another_scale_is_a_twin(factor: int, told: str) -> None:
    found = findings({**BASE, "cost_small": (SAME * factor).round().astype(int)})
    assert f"cost_small is {told} times cost" in found["scaled_twins.cost"].message


def test_an_amount_in_two_currencies_is_told_by_names_and_rate() -> None:
    rate = np.repeat(RANDOM.normal(0.92, 0.005, ROWS // 10), 10)
    found = findings({**BASE, "cost_eur": (SAME * rate).round(2)})
    assert "cost_eur is cost in another currency (rate about 0.92" in found["currency_twins.cost"].message
    assert findings({**BASE, "fees": (SAME * rate).round(2)}) == {}


def test_a_total_is_told_with_its_parts() -> None:
    found = findings(
        {**BASE, "sales_same": SAME * 2, "sales_halo": HALO, "sales": (SAME * 2 + HALO).round(2)}
    )
    assert found["sum_of_parts.sales"].message.startswith("sales = sales_same + sales_halo in at least 98%")
    assert found["sum_of_parts.sales"].severity == "info"


def test_a_total_of_three_parts_is_told_and_no_sum_twice() -> None:
    brand = RANDOM.gamma(2, 5, ROWS).round(2)
    other = (brand + HALO).round(2)
    total = (SAME + other).round(2)
    three = findings({"direct": SAME, "brand": brand, "related": HALO, "total": total})
    assert set(three) == {"sum_of_parts.total"}
    assert "direct + brand + related" in three["sum_of_parts.total"].message
    nested = findings({"direct": SAME, "brand": brand, "related": HALO, "other": other, "total": total})
    assert {anomaly.message.split(" in at")[0] for anomaly in nested.values()} == {
        "other = brand + related",
        "total = direct + other",
    }


def test_windows_add_up_by_accident_only() -> None:
    columns = {"sales7d": SAME, "sales14d": HALO, "sales30d": (SAME + HALO).round(2)}
    assert findings(columns) == {}


def test_constants_zeros_and_short_reports_prove_nothing() -> None:
    assert findings({"a": [0] * ROWS, "b": [0] * ROWS, "c": [5] * ROWS, "d": [5] * ROWS}) == {}
    assert findings({"a": [1, 2, 3, 4, 5, 6], "b": [1, 2, 3, 4, 5, 6]}) == {}
