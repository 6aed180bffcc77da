"""Raw column headers of invented networks, with sample values, and the canonical field each one fills.

Headers are built from name stems in many naming conventions; about a third of them belong to no canonical field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rmn_pipeline.lora.corpus import values
from rmn_pipeline.lora.prompts import CANONICAL_FIELDS, NO_FIELD, candidate_fields, mapping_prompt

# Name stems as words; the naming convention joins them.
STEMS: dict[str, tuple[str, ...]] = {
    "date": (
        "date",
        "report date",
        "day",
        "event date",
        "activity date",
        "stat date",
        "dt",
        "reporting date",
        "start date",
        "calendar day",
        "date value",
        "delivery date",
    ),
    "retailer_id": (
        "retailer id",
        "retailer",
        "retailer name",
        "merchant",
        "merchant id",
        "banner",
        "network",
        "store banner",
        "retail partner",
        "seller network",
    ),
    "campaign_id": (
        "campaign id",
        "campaign",
        "campaign name",
        "cmp id",
        "order id campaign",
        "campaign key",
        "campaign uuid",
        "campaign code",
        "line campaign",
        "cpg campaign",
    ),
    "ad_group_id": (
        "ad group id",
        "ad group",
        "ad group name",
        "line item id",
        "line item",
        "line item name",
        "adgroup",
        "ad set id",
        "ad set",
        "ad group uuid",
        "group id",
    ),
    "creative_text": (
        "creative text",
        "ad copy",
        "headline",
        "ad text",
        "copy text",
        "ad headline",
        "creative headline",
    ),
    "placement_type": (
        "placement",
        "placement type",
        "page type",
        "page type name",
        "ad placement",
        "slot",
        "location on page",
        "inventory type",
        "position",
        "placement name",
        "page location",
    ),
    "ad_type": (
        "ad type",
        "ad format",
        "ad product",
        "format",
        "campaign type",
        "product type ad",
        "creative type",
        "ad unit type",
    ),
    "sku_id": (
        "sku",
        "sku id",
        "item id",
        "product id",
        "upc",
        "gtin",
        "ean",
        "asin",
        "advertised item",
        "advertised sku",
        "product code",
        "scan code",
        "tcin",
        "barcode",
        "adv product id",
        "product upc",
        "item number",
        "promoted product id",
    ),
    "audience_id": (
        "audience",
        "audience id",
        "segment",
        "segment id",
        "audience name",
        "target group",
        "shopper segment",
        "cohort",
        "audience segment",
    ),
    "impressions": (
        "impressions",
        "imps",
        "views",
        "ads shown",
        "num ads shown",
        "ad impressions",
        "impression count",
        "total impressions",
        "viewable impressions",
        "ad views",
        "served impressions",
        "impr",
    ),
    "clicks": (
        "clicks",
        "ad clicks",
        "num ads clicks",
        "click count",
        "total clicks",
        "clicks total",
        "click throughs",
        "clk",
        "valid clicks",
        "clicks number",
    ),
    "conversions": (
        "orders",
        "purchases",
        "conversions",
        "attributed orders",
        "attributed purchases",
        "total orders",
        "order count",
        "attributed conversions",
        "units attributed",
        "attributed quantities",
        "attributed units",
        "transactions",
        "conv",
        "sales orders",
    ),
    "revenue": (
        "sales",
        "attributed sales",
        "revenue",
        "attributed revenue",
        "total sales",
        "ad sales",
        "sales amount",
        "gmv",
        "ad attributed revenue",
        "attributed sales value",
        "sales value",
        "order value",
        "gross sales attributed",
        "turnover",
    ),
    "cost": (
        "cost",
        "spend",
        "ad spend",
        "ad cost",
        "media cost",
        "amount spent",
        "media spend",
        "total cost",
        "charges",
        "billed cost",
        "net spend",
        "spend amount",
        "advertising cost",
    ),
    "currency": (
        "currency",
        "currency code",
        "budget currency",
        "campaign currency",
        "ccy",
        "curr",
        "iso currency",
        "campaign budget currency code",
        "money unit",
    ),
    "title": (
        "product name",
        "item name",
        "product title",
        "title",
        "item description",
        "sku name",
        "product",
        "advertised product name",
    ),
    "brand_id": (
        "brand",
        "brand name",
        "brand id",
        "manufacturer",
        "advertised brand",
        "product brand",
        "brand label",
    ),
    "category": (
        "category",
        "product category",
        "category name",
        "department",
        "taxonomy",
        "aisle",
        "category path",
        "product department",
    ),
    "line_id": (
        "product line",
        "line",
        "range",
        "sub brand",
        "product family",
        "series",
        "brand line",
        "range name",
    ),
    "size": (
        "product size",
        "pack size",
        "size",
        "package size",
        "net weight",
        "item size",
        "volume",
        "unit size",
    ),
    "price": (
        "price",
        "unit price",
        "retail price",
        "shelf price",
        "item price",
        "list price",
        "current price",
    ),
    "stock_level": (
        "stock",
        "stock level",
        "inventory",
        "units on hand",
        "available units",
        "stock units",
        "inventory level",
        "on hand quantity",
    ),
    "promo_flag": (
        "promo",
        "promotion flag",
        "on promotion",
        "promo flag",
        "is on deal",
        "deal flag",
        "promo indicator",
        "has coupon",
    ),
    "margin": (
        "margin",
        "gross margin",
        "unit margin",
        "margin rate",
        "contribution margin",
        "product margin",
        "gross profit",
    ),
    "customer_id": (
        "customer id",
        "shopper id",
        "household id",
        "user id",
        "member id",
        "customer key",
        "loyalty id",
        "customer hash",
    ),
    "geo_detail": (
        "region",
        "zip code",
        "dma",
        "state",
        "geo",
        "postal code",
        "city",
        "market area",
        "geo region",
    ),
}
# Columns that networks send and the schema has no place for.
OTHER_STEMS: tuple[tuple[str, str], ...] = (
    ("ctr", "rate"),
    ("click through rate", "rate"),
    ("cpc", "money"),
    ("cost per click", "money"),
    ("average cpc", "money"),
    ("roas", "ratio"),
    ("return on ad spend", "ratio"),
    ("acos", "rate"),
    ("cpm", "money"),
    ("cpo", "money"),
    ("conversion rate", "rate"),
    ("bid", "money"),
    ("max bid", "money"),
    ("daily budget", "money"),
    ("campaign budget", "money"),
    ("campaign budget amount", "money"),
    ("budget type", "word"),
    ("campaign status", "status"),
    ("status", "status"),
    ("ad group status", "status"),
    ("keyword", "term"),
    ("search term", "term"),
    ("searched keyword", "term"),
    ("bidded keyword", "term"),
    ("query", "term"),
    ("targeting", "term"),
    ("match type", "match"),
    ("ad id", "id"),
    ("portfolio id", "id"),
    ("portfolio name", "name"),
    ("account id", "id"),
    ("account name", "name"),
    ("profile id", "id"),
    ("advertiser id", "id"),
    ("new to brand sales", "money"),
    ("ntb orders", "count"),
    ("percent new to brand", "rate"),
    ("ntb revenue", "money"),
    ("new to brand share", "rate"),
    ("same sku sales", "money"),
    ("attributed sales same sku", "money"),
    ("other sku sales", "money"),
    ("halo sales", "money"),
    ("assisted sales", "money"),
    ("assisted units", "count"),
    ("direct attributed sales", "money"),
    ("related attributed sales", "money"),
    ("brand attributed sales", "money"),
    ("units sold same sku", "count"),
    ("units sold", "count"),
    ("units sold clicks", "count"),
    ("advertised sku units", "count"),
    ("other sku units", "count"),
    ("view through sales", "money"),
    ("add to cart", "count"),
    ("add to carts", "count"),
    ("detail page views", "count"),
    ("video completes", "count"),
    ("video plays", "count"),
    ("environment", "device"),
    ("device", "device"),
    ("platform", "device"),
    ("sales channel", "channel"),
    ("bidding strategy", "word"),
    ("landing page", "url"),
    ("row id", "id"),
    ("rank", "count"),
    ("share of voice", "rate"),
    ("top of search share", "rate"),
    ("invalid clicks", "count"),
    ("invalid click rate", "rate"),
    ("reach", "count"),
    ("frequency", "ratio"),
    ("tax", "money"),
    ("platform fee", "money"),
    ("report generated at", "stamp"),
    ("last updated", "stamp"),
    ("timezone", "zone"),
    ("country", "country"),
    ("end date", "day"),
    ("campaign start date", "day"),
    ("campaign end date", "day"),
)
_WINDOWED = {"conversions", "revenue"}
_WINDOWS = (("1d", "1 day"), ("3d", "3 days"), ("7d", "7 days"), ("14d", "14 days"), ("30d", "30 days"))
_RULES = (("linear",), ("last", "touch"), ("total",), ("click",), ("clicks",), ("all", "skus"), ("count",))
_PREFIXES = (
    "event",
    "metric",
    "metrics",
    "campaign",
    "product",
    "report",
    "stats",
    "dim",
    "ad",
    "item",
    "perf",
    "data",
)
RESERVED_PARTS = 8


@dataclass(frozen=True)
class MappingExample:
    """One column, the question about it and the field it fills (`none` where there is none)."""

    header: str
    field: str
    prompt: str
    choices: int


def reserved_header(header: str) -> bool:
    """Say whether a header is kept for evaluation: training never shows it."""
    return values.bucket(f"header:{header.lower()}", RESERVED_PARTS) == 0


def styled_header(rng: Random, words: list[str]) -> str:
    """Join a header's words in one of the naming conventions that networks use."""
    camel = words[0] + "".join(word if word[0].isdigit() else word.title() for word in words[1:])
    styles: list[Callable[[], str]] = [
        lambda: camel,
        lambda: "_".join(words),
        lambda: "_".join(words),
        lambda: " ".join(word.title() for word in words),
        lambda: "".join(word.title() for word in words),
        lambda: " ".join(words),
        lambda: "-".join(words),
        lambda: "_".join(words).upper(),
        lambda: " ".join(words).capitalize(),
        lambda: words[0] + "." + "_".join(words[1:]) if len(words) > 1 else words[0],
    ]
    header = rng.choice(styles)()
    if rng.random() < 0.07:
        header = f"{rng.choice(_PREFIXES)}{rng.choice(('.', '_', ' '))}{header}"
    if rng.random() < 0.04:
        header = f" {header}" if rng.random() < 0.5 else f"{header} "
    if rng.random() < 0.05:
        header += rng.choice((" (USD)", " (#)", " ($)", "_usd", "*"))
    return header


def generate_mapping(rng: Random, split: str = "train") -> MappingExample:
    """Draw one column; `split` decides on which side of the reserved headers it lies."""
    while True:
        header, field, samples = _column(rng)
        if reserved_header(header) == (split == "evaluation"):
            break
    return mapping_example(rng, header, field, samples)


def mapping_example(rng: Random, header: str, field: str, samples: list[str]) -> MappingExample:
    """Return the question about a column with shuffled candidates; the right field is always among them.

    Half of the time random fields replace the weaker candidates: otherwise an unlikely candidate would give the
    answer away, because only the right field is ever put in by hand.
    """
    candidates = candidate_fields(header)
    if rng.random() < 0.5:
        strong = candidates[: rng.choice((2, 3))]
        others = [name for name in CANONICAL_FIELDS if name not in strong]
        candidates = strong + rng.sample(others, len(candidates) - len(strong))
    if field != NO_FIELD and field not in candidates:
        candidates[-1] = field
    rng.shuffle(candidates)
    prompt = mapping_prompt(header, samples, candidates)
    return MappingExample(header=header, field=field, prompt=prompt, choices=len(candidates) + 1)


def _column(rng: Random) -> tuple[str, str, list[str]]:
    if rng.random() < 0.36:
        stem, kind = rng.choice(OTHER_STEMS)
        words, field = stem.split(), NO_FIELD
        if kind in ("money", "count") and rng.random() < 0.25:
            words = _with_window(rng, words)
    else:
        field = rng.choice(tuple(STEMS))
        words = rng.choice(STEMS[field]).split()
        kind = field
        if field in _WINDOWED and rng.random() < 0.6:
            words = _with_window(rng, words)
        elif field in _WINDOWED and rng.random() < 0.3:
            words = [*words, *rng.choice(_RULES)]
    count = rng.choice((0, 1, 2, 3, 3, 3))
    return styled_header(rng, words), field, sample_values(rng, kind, count)


def _with_window(rng: Random, words: list[str]) -> list[str]:
    short, long = rng.choice(_WINDOWS)
    kind = rng.random()
    if kind < 0.5:
        return [*words, short]
    if kind < 0.7:
        return [*words, *long.split()]
    if kind < 0.85:
        return [*words, long.replace(" ", "")]
    return [*long.split(), "total", *words] if rng.random() < 0.3 else [*long.split(), *words]


def sample_values(rng: Random, kind: str, count: int) -> list[str]:
    """Return up to three values as they would stand in a column of this kind."""
    return [_VALUES[kind](rng) for _ in range(count)]


def _day(rng: Random) -> str:
    year, month, day = rng.randint(2022, 2027), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{year}{month:02d}{day:02d}",
            f"{month}/{day}/{year}",
            f"{day:02d}.{month:02d}.{year}",
        )
    )


def _money(rng: Random) -> str:
    amount = rng.randint(0, 99_999) / 100
    return rng.choice((f"{amount:.2f}", f"{amount:.2f}", f"${amount:.2f}", f"{amount:.4f}"))


def _product_code(rng: Random) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
    return rng.choice(
        (
            "B0" + "".join(rng.choice(letters) for _ in range(8)),
            str(rng.randint(10**11, 10**12 - 1)),
            f"{rng.randint(10**9, 10**13):014d}",
            str(rng.randint(10**7, 10**9)),
        )
    )


def _word_title(rng: Random) -> str:
    return f"{values.invented_word(rng).title()} {values.sample_line_id(rng).replace('_', ' ').title()}"


_VALUES: dict[str, Callable[[Random], str]] = {
    "date": _day,
    "day": _day,
    "stamp": lambda rng: f"{_day(rng)}T{rng.randint(0, 23):02d}:00:00Z",
    "retailer_id": lambda rng: values.invented_word(rng) + rng.choice(("mart", "_us", "co", "", "shop")),
    "campaign_id": lambda rng: rng.choice(
        (
            str(rng.randint(10**5, 10**12)),
            f"{values.invented_word(rng)} Q{rng.randint(1, 4)}",
            f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}",
        )
    ),
    "ad_group_id": lambda rng: rng.choice(
        (
            str(rng.randint(10**4, 10**12)),
            f"{values.invented_word(rng).title()} {rng.choice(('group', 'AG', 'line'))} {rng.randint(1, 40)}",
        )
    ),
    "creative_text": lambda rng: f"Try {_word_title(rng)}",
    "placement_type": lambda rng: rng.choice(
        (
            "Search",
            "Category",
            "ProductDetail",
            "Home",
            "Top of Search",
            "PDP",
            "browse",
            "offsite",
            "home_page",
            "Other",
            "search_grid",
        )
    ),
    "ad_type": lambda rng: rng.choice(
        (
            "sponsored_products",
            "SP",
            "SB",
            "display",
            "video",
            "Sponsored Brands",
            "banner",
            "sponsoredProducts",
        )
    ),
    "sku_id": _product_code,
    "audience_id": lambda rng: rng.choice(
        (
            "loyal",
            "lapsed",
            "new_to_brand",
            "in_market",
            f"seg_{rng.randint(1, 999)}",
            "Heavy buyers",
            "aud-" + str(rng.randint(10, 9999)),
        )
    ),
    "impressions": lambda rng: str(rng.randint(0, 60_000)),
    "clicks": lambda rng: str(rng.randint(0, 900)),
    "conversions": lambda rng: rng.choice(
        (str(rng.randint(0, 80)), str(rng.randint(0, 80)), f"{rng.randint(0, 8000) / 1000:.3f}")
    ),
    "revenue": _money,
    "cost": _money,
    "money": _money,
    "currency": lambda rng: rng.choice(("USD", "USD", "EUR", "GBP", "CAD", "MXN")),
    "title": _word_title,
    "brand_id": lambda rng: values.invented_word(rng).title(),
    "category": lambda rng: rng.choice(
        (
            "Snacks",
            "Beverages",
            "Household",
            "Personal Care",
            "Pets",
            "Baby",
            "Pantry > Cereal",
            "Frozen",
            "Health & Beauty",
        )
    ),
    "line_id": lambda rng: values.sample_line_id(rng),
    "size": lambda rng: f"{rng.randint(1, 64)} {rng.choice(('oz', 'ct', 'ml', 'g', 'fl oz', 'lb'))}",
    "price": lambda rng: f"{rng.randint(99, 4999) / 100:.2f}",
    "stock_level": lambda rng: str(rng.randint(0, 5_000)),
    "promo_flag": lambda rng: rng.choice(("0", "1", "true", "false", "Y", "N")),
    "margin": lambda rng: rng.choice(
        (f"0.{rng.randint(10, 65)}", f"{rng.randint(10, 65)}%", f"{rng.randint(10, 900) / 100:.2f}")
    ),
    "customer_id": lambda rng: rng.choice((f"{rng.getrandbits(48):012x}", f"C{rng.randint(10**5, 10**7)}")),
    "geo_detail": lambda rng: rng.choice(
        ("TX", "CA", "10001", "60614", "Northeast", "501", "Chicago", "NY", "Midwest", "94105")
    ),
    "rate": lambda rng: rng.choice((f"0.{rng.randint(1, 9999):04d}", f"{rng.randint(1, 900) / 100:.2f}%")),
    "ratio": lambda rng: f"{rng.randint(10, 1500) / 100:.2f}",
    "count": lambda rng: str(rng.randint(0, 400)),
    "word": lambda rng: rng.choice(
        ("DAILY", "LIFETIME", "auto", "manual", "legacyForSales", "fixed", "dynamic")
    ),
    "status": lambda rng: rng.choice(("ENABLED", "PAUSED", "live", "archived", "active", "Completed")),
    "term": lambda rng: values.sample_line_id(rng).replace("_", " "),
    "match": lambda rng: rng.choice(("EXACT", "BROAD", "PHRASE", "exact", "broad", "auto")),
    "name": lambda rng: (
        f"{values.invented_word(rng).title()} {rng.choice(('group', 'AG', 'line', 'always on'))} {rng.randint(1, 40)}"
    ),
    "id": lambda rng: rng.choice((str(rng.randint(10**4, 10**12)), f"{rng.getrandbits(32):08x}")),
    "device": lambda rng: rng.choice(("desktop", "mobile", "app", "Web", "iOS", "Android")),
    "channel": lambda rng: rng.choice(("online", "offline", "in-store", "pickup")),
    "url": lambda rng: f"https://{values.invented_word(rng)}.example/p/{rng.randint(1, 999)}",
    "zone": lambda rng: rng.choice(("UTC", "America/Chicago", "America/New_York", "PST")),
    "country": lambda rng: rng.choice(("US", "CA", "MX", "GB", "DE")),
}
