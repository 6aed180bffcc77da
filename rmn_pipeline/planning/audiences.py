"""Who a withheld audience is: splitting a clean-room arm's money over the audiences it may reach.

The clean room withholds how audiences perform per SKU. Which audiences a brand's own campaigns address is the
brand's own set-up and known to it (`PlanningView.campaigns`); with it the split stays on arms that exist.
"""

from __future__ import annotations

import polars as pl

from rmn_pipeline.planning.view import PlanningView

# Per retailer, placement and SKU: audiences and their shares, which add up to one.
AudienceShares = dict[tuple[str, str, str], list[tuple[str, float]]]


def audience_split(view: PlanningView, arms: pl.DataFrame) -> tuple[AudienceShares, tuple[str, ...]]:
    """Shares for every arm without audience, and notes on what had to be assumed. Equal shares where none is known."""
    if arms["audience_id"].null_count() == 0:
        return {}, ()
    released = _released(view)
    live = _live(view)
    table: AudienceShares = {}
    assumed: set[str] = set()
    for retailer, placement, sku in arms.select("retailer_id", "placement_type", "sku_id").iter_rows():
        shares = released.get((retailer, placement), {})
        names = live.get((retailer, placement, sku)) or sorted(shares) or _elsewhere(released, retailer)
        if not names:
            continue
        weights = [shares.get(name, 0.0) for name in names]
        if sum(weights) <= 0:
            weights = [1.0] * len(names)
            assumed.add(f"{retailer}/{placement}")
        table[retailer, placement, sku] = [
            (name, w / sum(weights)) for name, w in zip(names, weights, strict=True)
        ]
    return table, _split_notes(view, table, assumed)


def _split_notes(view: PlanningView, table: AudienceShares, assumed: set[str]) -> tuple[str, ...]:
    if not table:
        return ("no audience cells were released: the allocation has no audiences",)
    reach = (
        "the audiences of the brand's own campaigns"
        if view.campaigns is not None
        else "all released audiences"
    )
    notes = [
        f"audience_id withheld per SKU: spend is split over {reach} by the shares of retailer and placement"
    ]
    if assumed:
        notes.append(f"no audience shares released for {', '.join(sorted(assumed))}: split equally")
    return tuple(notes)


def _released(view: PlanningView) -> dict[tuple[str, str], dict[str, float]]:
    table: dict[tuple[str, str], dict[str, float]] = {}
    if view.audience_shares is not None:
        columns = ("retailer_id", "placement_type", "audience_id", "share")
        for retailer, placement, audience, share in view.audience_shares.select(columns).iter_rows():
            table.setdefault((retailer, placement), {})[audience] = share
    return table


def _live(view: PlanningView) -> dict[tuple[str, str, str], list[str]]:
    table: dict[tuple[str, str, str], list[str]] = {}
    if view.campaigns is not None:
        columns = ("retailer_id", "placement_type", "sku_id", "audience_id")
        for retailer, placement, sku, audience in view.campaigns.select(columns).sort(columns).iter_rows():
            table.setdefault((retailer, placement, sku), []).append(audience)
    return table


def _elsewhere(released: dict[tuple[str, str], dict[str, float]], retailer: str) -> list[str]:
    """Audiences of the retailer's other placements, or of any retailer."""
    own = {name for (owner, _), shares in released.items() if owner == retailer for name in shares}
    return sorted(own or {name for shares in released.values() for name in shares})
