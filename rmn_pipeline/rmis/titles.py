"""Product titles against the catalog: proposals for a person's review, never a join.

Each unknown title is compared with the catalog's titles that share telling words with it. The score is the share of
both titles' words, weighted by what they tell, that the other title has too, from 0 to 100. A candidate whose size or
pack is another one is left out, since that is another trade item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.errors import CatalogError
from rmn_pipeline.rmis.title_candidates import (
    Candidate,
    TitleCatalog,
    TitleMatcher,
    TitleMatchSettings,
    TitleProduct,
)

__all__ = [
    "PROPOSALS_SCHEMA",
    "WITHHELD_SCHEMA",
    "TitleMatchSettings",
    "TitleMatches",
    "match_titles",
    "propose_title_matches",
]

PROPOSALS_SCHEMA: dict[str, pl.DataType] = {
    "native_id": pl.String(),
    "title": pl.String(),
    "sku_id": pl.String(),
    "matched_title": pl.String(),
    "score": pl.Float64(),
    "runner_up_sku_id": pl.String(),
    "runner_up_score": pl.Float64(),
    "size_agrees": pl.Boolean(),
    "brand_agrees": pl.Boolean(),
    "also_proposed_for": pl.String(),
    "decision": pl.String(),
}
WITHHELD_SCHEMA: dict[str, pl.DataType] = {
    "native_id": pl.String(),
    "titles": pl.Int64(),
    "reason": pl.String(),
}

# What shops write where they have no id; a match would tie every such row to one product.
_PLACEHOLDERS = frozenset(
    {
        *(
            "unknown",
            "n/a",
            "na",
            "none",
            "null",
            "nan",
            "nil",
            "other",
            "others",
            "test",
            "tbd",
            "undefined",
        ),
        *(
            "missing",
            "not available",
            "not set",
            "(not set)",
            "not applicable",
            "no id",
            "various",
            "multiple",
        ),
    }
)
# '77' is an item id somewhere; '999999' is one nowhere.
_EMPTY_SIGNS, _REPEATED_SIGNS = "0-_.?#xX", 6


@dataclass(frozen=True)
class TitleMatches:
    """Proposals, one per item id, and item ids for which none can be made although titles match."""

    proposals: pl.DataFrame
    withheld: pl.DataFrame


def _checked(frame: pl.DataFrame, name: str, needed: Sequence[str], optional: Sequence[str]) -> pl.DataFrame:
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise CatalogError(f"{name} has no column '{missing[0]}'; it needs {', '.join(needed)}")
    absent = [pl.lit(None, pl.String).alias(column) for column in optional if column not in frame.columns]
    return frame.with_columns(absent).select(pl.col(*needed, *optional).cast(pl.String))


def _verdict(row: dict[str, str], ranked: list[Candidate], matcher: TitleMatcher) -> dict[str, object]:
    """The proposal for one unknown title; sku_id is null where there is none, `tie` says that two are alike."""
    catalog, settings = matcher.catalog, matcher.settings
    best = ranked[0] if ranked and ranked[0].score >= settings.threshold else None
    second = ranked[1] if len(ranked) > 1 else None
    tie = None
    if best and second and best.score - second.score < settings.margin:
        alike = " and ".join(f"{catalog.sku_ids[one.row]} ({one.score:.1f})" for one in (best, second))
        best, tie = None, f"the title '{row['title']}' fits {alike} alike"
    verdict: dict[str, object] = {
        "native_id": row["native_id"],
        "title": row["title"],
        "also_proposed_for": "",
        "decision": "",
        "tie": tie,
    }
    if best:
        verdict |= {
            "sku_id": catalog.sku_ids[best.row],
            "matched_title": catalog.titles[best.row],
            "score": round(best.score, 1),
            "size_agrees": best.size_agrees,
            "brand_agrees": best.brand_agrees,
        }
    if best and second:
        verdict |= {
            "runner_up_sku_id": catalog.sku_ids[second.row],
            "runner_up_score": round(second.score, 1),
        }
    return verdict


def _verdicts(unknown: pl.DataFrame, matcher: TitleMatcher) -> pl.DataFrame:
    """One row per unknown title."""
    rows = unknown.to_dicts()
    products = [TitleProduct.read(row["title"], row["size"], row["brand"]) for row in rows]
    shortlists = matcher.shortlists(products)
    verdicts = [
        _verdict(row, matcher.ranked(product, shortlist), matcher)
        for row, product, shortlist in zip(rows, products, shortlists, strict=True)
    ]
    return pl.DataFrame(verdicts, schema={**PROPOSALS_SCHEMA, "tie": pl.String()})


def _is_placeholder(native_id: str) -> bool:
    """A word for no id, or one sign over and over: 999999999999, 000, --."""
    if native_id.strip().casefold() in _PLACEHOLDERS:
        return True
    return len(set(native_id)) == 1 and (native_id[0] in _EMPTY_SIGNS or len(native_id) >= _REPEATED_SIGNS)


def _withheld(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Item ids that are none, that one title leads to two products, or whose titles do not all lead to one.

    The last are placeholders too, or ids that were given to another product later.
    """
    ids = verdicts.group_by("native_id", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("titles"),
        pl.col("sku_id").drop_nulls().n_unique().alias("products"),
        pl.col("sku_id").null_count().alias("unmatched"),
        pl.col("tie").drop_nulls().first().alias("tie"),
    )
    empty = ids["native_id"].map_elements(_is_placeholder, return_dtype=pl.Boolean)
    disagreeing = (pl.col("products") > 1) | ((pl.col("products") == 1) & (pl.col("unmatched") > 0))
    told = pl.format("its titles lead to {} products, {} of them to none", "products", "unmatched")
    reason = (
        pl.when(pl.col("placeholder") & (pl.col("products") > 0))
        .then(pl.lit("it is a placeholder, no item id"))
        .when(disagreeing)
        .then(told)
        .otherwise("tie")
    )
    return (
        ids.with_columns(empty.alias("placeholder"))
        .with_columns(reason.alias("reason"))
        .drop_nulls("reason")
        .select(*WITHHELD_SCHEMA)
    )


def _with_rivals(proposals: pl.DataFrame) -> pl.DataFrame:
    """Names the other item ids for which the same product is proposed."""
    ids = pl.col("native_id")
    rivals = proposals.group_by("sku_id").agg(ids.sort().alias("rivals"))
    others = pl.col("rivals").list.set_difference(pl.concat_list("native_id")).list.sort().list.join(" | ")
    return (
        proposals.join(rivals, on="sku_id", how="left", maintain_order="left")
        .with_columns(others.alias("also_proposed_for"))
        .select(*PROPOSALS_SCHEMA)
    )


def match_titles(
    unknown: pl.DataFrame, catalog: pl.DataFrame, settings: TitleMatchSettings | None = None
) -> TitleMatches:
    """Compares unknown products with a catalog by title.

    Args:
        unknown: native_id and title, and optionally brand and size. An id may come with several titles; a
            proposal is made only where all of them lead to the same product.
        catalog: sku_id, title and brand_id, and optionally size (`load_catalog`).
        settings: how sure a proposal must be.

    Raises:
        CatalogError: a column is missing.
    """
    known = _checked(catalog, "the catalog", ("sku_id", "title", "brand_id"), ("size",)).drop_nulls("title")
    wanted = _checked(unknown, "the table of unknown products", ("native_id", "title"), ("brand", "size"))
    wanted = wanted.drop_nulls(["native_id", "title"]).unique(maintain_order=True)
    matcher = TitleMatcher(TitleCatalog(known), settings or TitleMatchSettings())
    verdicts = _verdicts(wanted, matcher)
    withheld = _withheld(verdicts)
    proposals = (
        verdicts.filter(pl.col("sku_id").is_not_null())
        .join(withheld, on="native_id", how="anti", maintain_order="left")
        .sort("score", "native_id", "title", descending=[True, False, False])
        .unique("native_id", keep="first", maintain_order=True)
    )
    return TitleMatches(_with_rivals(proposals), withheld)


def propose_title_matches(
    unknown: pl.DataFrame, catalog: pl.DataFrame, settings: TitleMatchSettings | None = None
) -> pl.DataFrame:
    """The proposals of `match_titles`, in the columns of `PROPOSALS_SCHEMA`, best first; nothing is joined."""
    return match_titles(unknown, catalog, settings).proposals
