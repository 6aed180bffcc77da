"""What a column's values speak for: log-odds for each target, whatever its header says."""

from __future__ import annotations

from rmn_pipeline.rmis.proposals.meanings import NEVER, Scores
from rmn_pipeline.rmis.proposals.profiles import ColumnProfile
from rmn_pipeline.rmis.proposals.targets import KEYS, TARGETS

_MOSTLY = 0.9
_LONG_TITLE = 3.0
_FEW_PLACES = 40
_FEW_ROWS = 3
_FEW_CORRECTIONS = 0.2


def value_scores(profile: ColumnProfile) -> Scores:
    """For each target, how much the values alone speak for or against it; an empty column says nothing."""
    if profile.is_empty:
        return dict.fromkeys(TARGETS, -0.5)
    scores = dict.fromkeys(TARGETS, 0.0)
    for judge in (_measures, _date, _currency, _product_code, _product_text, _places, _keys):
        scores |= judge(profile)
    return scores


def _measures(profile: ColumnProfile) -> Scores:
    measures = ("impressions", "clicks", "cost", "revenue", "conversions")
    if not profile.is_number or profile.is_boolean or _is_plain_date(profile):
        return dict.fromkeys(measures, NEVER)
    notation = profile.notation
    if notation is not None and notation.has_percent:
        return dict.fromkeys(measures, -6.0)
    money = notation is not None and notation.has_currency
    whole = profile.is_whole
    counts = (-6.0 if money else 0.3) if whole else -4.0
    amount = 1.5 if money else 0.5 if not whole else -0.6
    conversions = -4.0 if money else 0.3 if whole else -0.6
    negative = -1.5 if profile.negative_share > _FEW_CORRECTIONS else 0.0
    never_varies = -1.5 if profile.is_constant and profile.rows >= _FEW_ROWS else 0.0
    return {
        "impressions": counts + never_varies + 2 * negative,
        "clicks": counts + never_varies + 2 * negative,
        "cost": amount + never_varies + negative,
        "revenue": amount + never_varies + negative / 2,
        "conversions": conversions + never_varies + negative / 2,
    }


def _is_plain_date(profile: ColumnProfile) -> bool:
    """A number like 20260302 is read as a date; 12.10 is no date even where a format fits it."""
    return profile.dates.is_date and profile.dates.formats != ("%Y%m%d",)


def _date(profile: ColumnProfile) -> Scores:
    if not profile.dates.is_date:
        return {"date": NEVER}
    compact = profile.dates.formats == ("%Y%m%d",)
    return {"date": (1.0 if compact else 3.0) - (3.0 if profile.dates.has_time_of_day else 0.0)}


def _currency(profile: ColumnProfile) -> Scores:
    if profile.currency_share >= _MOSTLY:
        return {"currency": 3.5}
    symbols = all(len(text) <= 3 and not text.isdigit() for text in profile.distinct)
    return {"currency": -1.0 if symbols else NEVER}


def _product_code(profile: ColumnProfile) -> Scores:
    if profile.is_boolean or profile.dates.is_date or profile.currency_share >= _MOSTLY:
        return {"sku_id": NEVER, "sku_dim.seller_sku": NEVER}
    score = 0.0
    if profile.gtin_share >= 0.5:
        score = 3.5
    elif profile.asin_share >= _MOSTLY:
        score = 3.0
    elif profile.uuid_share > 0:
        score = -2.0
    elif profile.code_share < 0.5 or (profile.is_number and not profile.is_whole and profile.gtin_share == 0):
        score = -4.0
    else:
        score = 0.3
    if profile.is_constant and profile.rows >= _FEW_ROWS:
        score -= 1.5
    own = score - 2.0 if profile.gtin_share >= 0.5 or profile.asin_share >= _MOSTLY else score
    return {"sku_id": score, "sku_dim.seller_sku": own - (1.0 if profile.is_number else 0.0)}


def _product_text(profile: ColumnProfile) -> Scores:
    targets = ("sku_dim.name", "sku_dim.brand", "sku_dim.category", "sku_dim.size")
    if profile.is_number or profile.dates.is_date or profile.is_boolean or profile.uuid_share > 0:
        return dict.fromkeys(targets, -5.0)
    repeated = profile.distinct_count < profile.given
    title = min(profile.words_per_value - 2.0, 2.0) * 0.8
    never_varies = profile.is_constant and profile.rows >= _FEW_ROWS
    return {
        "sku_dim.name": title - (1.5 if never_varies else 0.0),
        "sku_dim.brand": 0.3 if repeated and profile.words_per_value <= _LONG_TITLE else -0.5,
        "sku_dim.category": 1.5 if profile.path_share >= 0.5 else -0.2,
        "sku_dim.size": 3.0 if profile.size_share >= _MOSTLY else -1.5,
    }


def _places(profile: ColumnProfile) -> Scores:
    if (
        profile.is_number
        or profile.dates.is_date
        or profile.is_boolean
        or profile.distinct_count > _FEW_PLACES
    ):
        return {
            "placement_type": -4.0,
            "retailer_id": -1.0 if profile.is_number else -3.0 if profile.dates.is_date else 0.0,
        }
    known = 2.0 if profile.place_share >= 0.5 else 0.7 if profile.place_share > 0 else -0.7
    return {"placement_type": known}


def _keys(profile: ColumnProfile) -> Scores:
    if profile.dates.is_date or profile.is_boolean:
        return dict.fromkeys(KEYS, NEVER)
    return dict.fromkeys(KEYS, -2.0 if profile.is_number and not profile.is_whole else 0.3)
