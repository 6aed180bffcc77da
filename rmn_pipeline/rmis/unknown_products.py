"""Products that harmonization rejected because no catalog knows them: their ids, and what the report calls them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.errors import LakeError
from rmn_pipeline.rmis.mapping import Mapping
from rmn_pipeline.rmis.raw_rows import fold_header

UNKNOWN_PRODUCT_RULE = "unknown.sku_id"
UNKNOWN_SCHEMA: dict[str, pl.DataType] = {
    "native_id": pl.String(),
    "title": pl.String(),
    "brand": pl.String(),
    "size": pl.String(),
    "rows": pl.Int64(),
}

_PRODUCT_WORDS = frozenset({"product", "prod", "item", "sku", "article", "asin", "listing"})
_TITLE_WORDS = frozenset({"title", "name", "description"})
# Other things that have a name too.
_NO_PRODUCT_WORDS = frozenset(
    {
        *("account", "adgroup", "advertiser", "audience", "brand", "campaign", "category", "customer"),
        *(
            "group",
            "keyword",
            "line",
            "page",
            "placement",
            "portfolio",
            "query",
            "retailer",
            "search",
            "seller",
        ),
    }
)
# Titles are phrases: at least so many of a column's values have two words or more.
_LEAST_PHRASES = 0.5
_BRAND_HEADERS = frozenset({("brand",), ("brand", "name"), ("product", "brand"), ("item", "brand")})
_SIZE_HEADERS = frozenset({("size",), ("product", "size"), ("item", "size"), ("pack", "size")})

RawRow = Dictionary[str, object]


@dataclass(frozen=True)
class UnknownProducts:
    """What is known about the products that were rejected.

    Args:
        products: one row per item id and title (`UNKNOWN_SCHEMA`).
        title_column: the report's column that the titles come from; None where it has none.
        rows: rejected rows in all.
        unread_rows: those whose raw row does not hold the product's id (it stands in a side file).
        untitled: item ids without any title.
    """

    products: pl.DataFrame
    title_column: str | None
    rows: int
    unread_rows: int
    untitled: int


def header_words(header: str) -> tuple[str, ...]:
    """The words of a header in any of the usual spellings: advProductName, product.name, Product Name."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", header)
    return tuple(re.findall(r"[a-z0-9]+", spaced.lower()))


def _title_rank(header: str) -> int | None:
    """0 for the likeliest product titles; None for what is none."""
    words = header_words(header)
    # 'adv' and 'advertised' name the product that is advertised.
    if not words or _NO_PRODUCT_WORDS & set(words):
        return None
    has_product, has_title = bool(_PRODUCT_WORDS & set(words)), words[-1] in _TITLE_WORDS
    if has_product and has_title:
        return 0
    if words == ("title",):
        return 1
    return 2 if words in {(word,) for word in _PRODUCT_WORDS} else None


def _are_phrases(values: Iterable[object]) -> bool:
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    return bool(texts) and sum(len(text.split()) > 1 for text in texts) >= _LEAST_PHRASES * len(texts)


def title_column(rows: Iterable[RawRow]) -> str | None:
    """The column that holds product titles, by its header and by its values being phrases.

    Its header ends in title, name or description beside a word for a product (itemName, product.name), or is such
    a word alone, and speaks of no campaign, brand, category or other thing with a name.
    """
    kept = list(rows)
    headers = dict.fromkeys(header for row in kept for header in row)
    ranked = [(rank, header) for header in headers if (rank := _title_rank(header)) is not None]
    for _, header in sorted(ranked, key=lambda pair: pair[0]):
        if _are_phrases(row.get(header) for row in kept):
            return header
    return None


def _declared_title(mapping: Mapping, row: RawRow) -> str | None:
    """The title column that the mapping names (`sku.title_from`), as this report spells it."""
    named = getattr(mapping.sku, "title_from", None)
    return _find([named] if isinstance(named, str) else named or [], row)


def _find(names: Iterable[str], row: RawRow) -> str | None:
    by_folded = {fold_header(header): header for header in row}
    return next((by_folded[fold_header(name)] for name in names if fold_header(name) in by_folded), None)


def _by_header(row: RawRow, headers: frozenset[tuple[str, ...]]) -> str | None:
    return next((header for header in row if header_words(header) in headers), None)


def _text(row: RawRow, header: str | None) -> str | None:
    value = row.get(header) if header is not None else None
    return (str(value).strip() or None) if value is not None else None


def _raw_rows(rejects: pl.DataFrame) -> list[tuple[RawRow, int]]:
    """The rejected rows as sent and how often each came."""
    counted = (
        rejects.filter(pl.col("rule") == UNKNOWN_PRODUCT_RULE)
        .group_by("raw_row", maintain_order=True)
        .agg(pl.len().alias("rows"))
    )
    try:
        rows = [(json.loads(text), count) for text, count in counted.iter_rows()]
    except (json.JSONDecodeError, TypeError) as error:
        raise LakeError(f"rmis_rejects holds a raw_row that is no JSON ({error}); harmonize again") from error
    return [(row, count) for row, count in rows if isinstance(row, dict)]


def unknown_products(rejects: pl.DataFrame, mapping: Mapping) -> UnknownProducts:
    """Collects the products of the rejects with the rule unknown.sku_id.

    Args:
        rejects: `rmis_rejects` of one retailer.
        mapping: says which column is the product and, by sku.title_from, which one its title; else
            `title_column` finds it.

    Raises:
        LakeError: the rejects cannot be read.
    """
    rows = _raw_rows(rejects)
    guessed = title_column(row for row, _ in rows)
    found: Counter[tuple[str, str | None, str | None, str | None]] = Counter()
    used_title: str | None = None
    unread = 0
    for row, count in rows:
        product = _text(row, _find(mapping.sku.sources, row))
        if product is None:
            unread += count
            continue
        title_header = _declared_title(mapping, row) or guessed
        title = _text(row, title_header)
        used_title = used_title or (title_header if title else None)
        key = (
            product,
            title,
            _text(row, _by_header(row, _BRAND_HEADERS)),
            _text(row, _by_header(row, _SIZE_HEADERS)),
        )
        found[key] += count
    products = pl.DataFrame(
        [(*key, count) for key, count in found.items()], schema=UNKNOWN_SCHEMA, orient="row"
    )
    titled = products.drop_nulls("title")["native_id"]
    return UnknownProducts(
        products=products,
        title_column=used_title,
        rows=sum(count for _, count in rows),
        unread_rows=unread,
        untitled=products.filter(~pl.col("native_id").is_in(titled.implode()))["native_id"].n_unique(),
    )
