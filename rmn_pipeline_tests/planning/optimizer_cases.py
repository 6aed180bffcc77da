"""Random scenarios for the optimizer's tests, and independent ways to solve some of them."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from rmn_pipeline.planning import ArmTable
from rmn_pipeline.planning.curves import Floats
from rmn_pipeline.planning.solver import Segments


def random_arms(
    count: int, seed: int, retailers: int = 3, placements: int = 2, **columns: object
) -> ArmTable:
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "retailer_id": [f"r{index % retailers}" for index in range(count)],
            "placement_type": [f"p{index // retailers % placements}" for index in range(count)],
            "sku_id": [f"s{index // (retailers * placements)}" for index in range(count)],
            "initial_iroas": np.exp(generator.normal(1.2, 0.6, count)),
            "half_saturation_usd_per_week": np.exp(generator.normal(6.0, 0.8, count)),
            "margin_rate": generator.uniform(0.1, 0.6, count),
            "revenue_per_conversion_usd": generator.uniform(5.0, 30.0, count),
            "max_spend_usd": np.exp(generator.normal(7.0, 0.5, count)),
            "curve_family": generator.choice(["hill", "log"], count).tolist(),
        }
    )
    return ArmTable(frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()}))


def greedy(pieces: Segments, gain: Floats, caps: Sequence[tuple[np.ndarray, float]]) -> Floats:
    """Nested caps: taking the best piece first, as much of it as every cap still allows, is exact."""
    spend, left = pieces.base.copy(), [limit - pieces.base[arms].sum() for arms, limit in caps]
    member = [np.isin(np.arange(spend.size), arms) for arms, _ in caps]
    order = np.argsort(-gain, axis=None, kind="stable")
    for place in order.tolist():
        arm, piece = divmod(place, gain.shape[1])
        if gain[arm, piece] <= 0:
            break
        room = min(
            [float(pieces.width[arm, piece])]
            + [left[index] for index in range(len(caps)) if member[index][arm]]
        )
        if room <= 0:
            continue
        spend[arm] += room
        for index in range(len(caps)):
            left[index] -= room if member[index][arm] else 0.0
    return spend
