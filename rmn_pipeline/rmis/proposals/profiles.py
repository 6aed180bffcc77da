"""What a column's values are like: numbers, dates, codes, titles, sizes, places. Nothing about its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rmn_pipeline.rmis.gtin import normalize_gtin
from rmn_pipeline.rmis.proposals.notation import (
    NO_DATE,
    DateReading,
    DecimalMark,
    Floats,
    NumberNotation,
    decimal_votes,
    given_values,
    mean_of,
    notation_of,
    number_share,
    read_dates,
    to_numbers,
)
from rmn_pipeline.rmis.proposals.words import fold

_MOSTLY = 0.95
_GTIN_DIGITS = (11, 14)
_MOST_DISTINCT_CODES = 300
_UUID = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
_ASIN = r"^B0[0-9A-Z]{8}$"
_CODE = r"^[0-9A-Za-z][0-9A-Za-z_:./-]*$"
_SIZE = (
    r"(?i)^(?:\d+\s?[x×]\s?)?\d+(?:[.,]\d+)?\s?"
    r"(?:ct|oz|fl oz|g|kg|mg|ml|cl|l|lb|lbs|pk|pack|st|stk|pcs|pz|un|ea)\.?$"
)
_PATH = r"\S\s?(?:>|»|›|/|\|)\s?\S"
_BOOLEANS = frozenset(("true", "false", "yes", "no", "y", "n"))
# Active currencies of ISO 4217 that retailers trade in.
ISO_CURRENCIES = frozenset(
    (
        *("AED", "ARS", "AUD", "BDT", "BGN", "BHD", "BOB", "BRL", "CAD", "CHF", "CLP", "CNY"),
        *("COP", "CRC", "CZK", "DKK", "DOP", "DZD", "EGP", "EUR", "GBP", "GEL", "GHS", "GTQ"),
        *("HKD", "HNL", "HRK", "HUF", "IDR", "ILS", "INR", "ISK", "JMD", "JOD", "JPY", "KES"),
        *("KRW", "KWD", "KZT", "LBP", "LKR", "MAD", "MXN", "MYR", "NGN", "NIO", "NOK", "NZD"),
        *("OMR", "PAB", "PEN", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "SAR"),
        *("SEK", "SGD", "THB", "TND", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU"),
        *("VES", "VND", "XAF", "XOF", "ZAR"),
    )
)
# Words of placement values, in the languages of the vocabulary, and the RMIS placement that each speaks for.
PLACEMENT_VALUES: dict[str, str] = {
    **dict.fromkeys(
        (
            "search",
            "suche",
            "recherche",
            "ricerca",
            "busqueda",
            "busca",
            "zoeken",
            "searchpage",
            "serp",
            "keyword",
        ),
        "search",
    ),
    **dict.fromkeys(
        (
            "category",
            "browse",
            "aisle",
            "kategorie",
            "katalog",
            "catalog",
            "rayon",
            "categorie",
            "categoria",
            "department",
        ),
        "category",
    ),
    **dict.fromkeys(
        (
            "productdetail",
            "pdp",
            "detail",
            "product",
            "produktdetailseite",
            "fiche",
            "produktseite",
            "item",
            "buybox",
            "produto",
            "producto",
            "prodotto",
        ),
        "product_detail",
    ),
    **dict.fromkeys(
        ("home", "homepage", "startseite", "accueil", "inicio", "inicial", "principale", "landing"), "home"
    ),
    **dict.fromkeys(
        ("cart", "checkout", "basket", "warenkorb", "panier", "carrello", "carrito", "carrinho"), "cart"
    ),
    **dict.fromkeys(("offsite", "external", "social", "offplatform"), "offsite"),
    **dict.fromkeys(("instore", "store", "kiosk"), "in_store"),
}


@dataclass(frozen=True)
class ColumnProfile:
    """One column's values, summed up. Shares are of the distinct given values."""

    name: str
    rows: int
    given: int
    distinct: tuple[str, ...]
    distinct_count: int
    numbers: Floats | None
    notation: NumberNotation | None
    dates: DateReading
    gtin_share: float
    asin_share: float
    uuid_share: float
    code_share: float
    size_share: float
    path_share: float
    currency_share: float
    place_share: float
    words_per_value: float
    is_boolean: bool

    @property
    def is_empty(self) -> bool:
        """No cell says anything."""
        return self.given == 0

    @property
    def is_number(self) -> bool:
        """Nearly all values are numbers."""
        return self.numbers is not None

    @property
    def is_constant(self) -> bool:
        """One value throughout."""
        return self.distinct_count == 1

    @property
    def finite(self) -> Floats:
        """The numbers without the gaps."""
        values = np.empty(0) if self.numbers is None else self.numbers
        return values[np.isfinite(values)]

    @property
    def is_whole(self) -> bool:
        """All numbers are whole; '8.0' is."""
        return bool(self.is_number and np.all(self.finite == np.floor(self.finite)))

    @property
    def negative_share(self) -> float:
        """Which share of the numbers lies below zero: a few are corrections."""
        return float(np.mean(self.finite < 0)) if self.finite.size else 0.0


def placement_of(value: str) -> str | None:
    """The RMIS placement that a placement value speaks for, where its words say so."""
    words = "".join(letter if letter.isalnum() else " " for letter in fold(_spaced(value)).lower()).split()
    whole = "".join(words)
    for known in (whole, *words):
        if known in PLACEMENT_VALUES:
            return PLACEMENT_VALUES[known]
    return next((place for word, place in PLACEMENT_VALUES.items() if len(word) > 4 and word in whole), None)


def _spaced(value: str) -> str:
    return (
        "".join(f" {letter}" if letter.isupper() else letter for letter in value)
        if " " not in value
        else value
    )


def _share(values: pl.Series, pattern: str) -> float:
    return mean_of(values.str.contains(pattern))


def _gtin_share(distinct: Sequence[str]) -> float:
    """Short numbers pass a check digit by chance too often to count."""
    if not distinct:
        return 0.0
    low, high = _GTIN_DIGITS
    right = [
        code
        for code in distinct
        if code.isascii()
        and code.isdigit()
        and low <= len(code) <= high
        and normalize_gtin(code).gtin14 is not None
    ]
    return len(right) / len(distinct)


def _profile(values: pl.Series, table_mark: DecimalMark) -> ColumnProfile:
    given = given_values(values)
    distinct = given.unique(maintain_order=True)
    shown = distinct.head(_MOST_DISTINCT_CODES)
    texts = tuple(shown.to_list())
    is_number = number_share(distinct) >= _MOSTLY
    notation = notation_of(distinct, table_mark) if is_number else None
    return ColumnProfile(
        name=values.name,
        rows=len(values),
        given=len(given),
        distinct=texts,
        distinct_count=len(distinct),
        numbers=None if notation is None else to_numbers(values, notation),
        notation=notation,
        dates=read_dates(distinct) if len(distinct) else NO_DATE,
        gtin_share=_gtin_share(texts),
        asin_share=_share(shown, _ASIN),
        uuid_share=_share(shown, _UUID),
        code_share=_share(shown, _CODE),
        size_share=_share(shown, _SIZE),
        path_share=_share(shown, _PATH),
        currency_share=sum(text.upper() in ISO_CURRENCIES for text in texts) / max(len(texts), 1),
        place_share=sum(placement_of(text) is not None for text in texts) / max(len(texts), 1),
        words_per_value=mean_of(shown.str.split(" ").list.len()),
        is_boolean=bool(texts) and all(text.casefold() in _BOOLEANS for text in texts),
    )


def table_decimal_mark(frame: pl.DataFrame) -> DecimalMark:
    """The decimal mark that the report's unambiguous numbers agree on."""
    point = comma = 0
    for name in frame.columns:
        given = given_values(frame[name]).unique()
        if number_share(given) >= _MOSTLY:
            votes = decimal_votes(given)
            point, comma = point + votes[0], comma + votes[1]
    return "," if comma > point else "."


def profile_columns(frame: pl.DataFrame) -> list[ColumnProfile]:
    """One profile for each column of a frame of text."""
    mark = table_decimal_mark(frame)
    return [_profile(frame[name], mark) for name in frame.columns]
