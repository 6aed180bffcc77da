"""Lines of retail reports and notes that hold nothing personal, full of numbers that look as if they did.

Belongs here: GTINs, item and order ids, counts, dates, versions and product titles as networks and planners write
them. Development and held-out lines share no form.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rmn_pipeline.governance.evaluation.formats import (
    Split,
    digits,
    gtin_complete,
    hexadecimal,
    luhn_complete,
    uuid_text,
)

Line = Callable[[Random], str]

_BRANDS = (
    "Harvest Row",
    "Clear Nest",
    "Oatly Days",
    "Pine & Co",
    "Nordic Mill",
    "Casa Verde",
    "Bright Kitchen",
)
_PRODUCTS = (
    "Granola",
    "Fruit Bars",
    "Cold Brew",
    "Sparkling Water",
    "Dish Soap",
    "Laundry Pods",
    "Tomato Sauce",
)
_VARIANTS = ("Original", "Berry", "Mild", "Garden", "Classic", "Fresh", "Bold", "Vanilla")
_SIZES = ("6 ct", "12 oz", "24 ct", "32 fl oz", "1.5 L", "2-pack", "500 ml", "18.2 oz", "4 x 250 g")
_PLACEMENTS = ("search", "category", "product_detail", "home", "offsite")
_AUDIENCES = ("loyal", "lapsed", "new_to_brand", "in_market")
_CITIES = ("Columbus OH", "Austin TX", "Portland OR", "Tampa FL", "Boise ID")


def title(rng: Random) -> str:
    """Draw a product title."""
    return f"{rng.choice(_BRANDS)} {rng.choice(_PRODUCTS)} {rng.choice(_VARIANTS)}, {rng.choice(_SIZES)}"


def _gtin(rng: Random, length: int) -> str:
    return gtin_complete(rng.choice(("0", "4", "5", "6", "3", "8")) + digits(rng, length - 2))


def _count(rng: Random) -> int:
    return rng.randint(1, 10 ** rng.randint(1, 7))


def _money(rng: Random) -> str:
    return f"{rng.uniform(1, 99_999):,.2f}"


def _day(rng: Random) -> str:
    return f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _us_day(rng: Random) -> str:
    return f"{rng.randint(1, 12)}/{rng.randint(1, 28)}/2026"


def _thousands(rng: Random) -> str:
    return f"{rng.randint(1, 9)} {digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}"


def _clock(rng: Random) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"


def _campaign(rng: Random) -> str:
    return f"brand_{rng.choice('xyz')} | {rng.choice(_PLACEMENTS)} | {rng.choice(_AUDIENCES)}"


_DEVELOPMENT: tuple[Line, ...] = (
    title,
    _campaign,
    lambda rng: f"GTIN {_gtin(rng, 13)} {title(rng)}",
    lambda rng: f"UPC {_gtin(rng, 12)} units {_count(rng)}",
    lambda rng: f"order {digits(rng, 10)} shipped {_day(rng)}",
    lambda rng: f"Order ID {digits(rng, 3)}-{digits(rng, 7)}-{digits(rng, 7)}",
    lambda rng: f"item {rng.randint(1, 9)}{digits(rng, 8)} | {title(rng)}",
    lambda rng: f"{rng.choice(_PLACEMENTS)} {digits(rng, 3)} {digits(rng, 3)} {digits(rng, 4)} impressions",
    lambda rng: (
        f"campaign {rng.randint(1, 9)}{digits(rng, 14)} spend ${_money(rng)} ROAS {rng.uniform(0, 9):.2f}"
    ),
    lambda rng: f"ASIN B0{digits(rng, 8)} clicks {_count(rng)} orders {_count(rng)}",
    lambda rng: f"impressions {_count(rng)} {_count(rng)} {_count(rng)} {_count(rng)}",
    lambda rng: f"store #{digits(rng, 4)} {rng.choice(_CITIES)} {digits(rng, 5)}",
    lambda rng: f"line item {digits(rng, 8)} {_day(rng)} to {_day(rng)}",
    lambda rng: f'{_gtin(rng, 14)},"{title(rng)}",{_count(rng)},{_money(rng)}',
    lambda rng: f"batch {_day(rng)}T{_clock(rng)}Z rows {_count(rng)}",
    lambda rng: f"SKU {hexadecimal(rng, 6).upper()} qty {_count(rng)} @ ${_money(rng)}",
    lambda rng: f"PO {digits(rng, 10)} invoice {digits(rng, 9)}",
    lambda rng: f"campaign {uuid_text(rng)} {rng.choice(_PLACEMENTS)}",
    lambda rng: f"2 for $5 | save 20% on {title(rng)}",
    lambda rng: f"CTR {rng.random():.6f} CPC {rng.uniform(0, 5):.4f} at {_clock(rng)}",
    lambda rng: f"mobile {rng.randint(2, 9)}{digits(rng, 9)} impressions, desktop {_count(rng)}",
    lambda rng: f"bid 1.25 on keyword '{rng.choice(_PRODUCTS).lower()} 12 oz', ad id {digits(rng, 14)}",
)

_HELD_OUT: tuple[Line, ...] = (
    lambda rng: f"{title(rng)} - {rng.choice(_AUDIENCES)} - Q{rng.randint(1, 4)} always-on",
    lambda rng: f"{_gtin(rng, 13)} - {title(rng)}",
    lambda rng: f"EAN-13: {_gtin(rng, 13)} / EAN-8: {_gtin(rng, 8)}",
    lambda rng: f"TCIN {digits(rng, 8)} DPCI {digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 4)}",
    lambda rng: f"tracking 1Z{hexadecimal(rng, 6).upper()}{digits(rng, 10)} / {digits(rng, 12)}",
    lambda rng: f"week {rng.randint(1, 52)} sales {rng.randint(2, 9)}{digits(rng, 9)} units {digits(rng, 7)}",
    lambda rng: (
        f"adGroup {rng.randint(1, 9)}{digits(rng, 13)} keyword '{rng.choice(_PRODUCTS).lower()}' bid {rng.random():.2f}"
    ),
    lambda rng: f"itemId {rng.randint(1, 9)}{digits(rng, 10)} buybox 97% in stock {_count(rng)}",
    lambda rng: f"purchase order {digits(rng, 10)}-{digits(rng, 2)} for DC {digits(rng, 4)}",
    lambda rng: (
        f"{_count(rng)} shoppers, {_count(rng)} households; lift {rng.uniform(0, 30):.1f}% (p = .0{digits(rng, 1)})"
    ),
    lambda rng: (
        f"ISBN 978-{digits(rng, 1)}-{digits(rng, 3)}-{digits(rng, 5)}-{digits(rng, 1)}, {_count(rng)} views"
    ),
    lambda rng: (
        f"SDK {rng.randint(1, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}.{rng.randint(0, 9)} placement tag loaded"
    ),
    lambda rng: f"exported at 17{digits(rng, 8)} ({_day(rng)} {_clock(rng)})",
    lambda rng: f"event ts 17{digits(rng, 11)} rows {_count(rng)}",
    lambda rng: (
        f"{rng.randint(2, 12)} Pack Wall Street Deli {rng.choice(_VARIANTS)} Mustard, {rng.choice(_SIZES)}"
    ),
    lambda rng: f"{rng.randint(2, 12)} ct Drive Thru Ranch, aisle {rng.randint(1, 30)}, Court Yard Way shelf",
    lambda rng: f"DMA {digits(rng, 3)} {rng.choice(_CITIES)}, zip {digits(rng, 5)}-{digits(rng, 4)}",
    lambda rng: (
        f"lot {digits(rng, 8)} / LOT L{digits(rng, 2)}-{digits(rng, 2)}-{digits(rng, 4)} exp {_day(rng)}"
    ),
    lambda rng: f"rank @ {rng.randint(1, 9)} / page {rng.randint(1, 5)}, cpc@{rng.random():.2f}",
    lambda rng: f"prices {_money(rng)} {_money(rng)} {_money(rng)} at {rng.choice(_BRANDS)}",
    lambda rng: f"{_thousands(rng)} ad views, {digits(rng, 3)}.{digits(rng, 3)}.{digits(rng, 4)} served",
    lambda rng: f"SSCC {gtin_complete(digits(rng, 17))} pallet {digits(rng, 6)}",
    lambda rng: f"creative {hexadecimal(rng, 32)}.jpg {rng.randint(1, 6)}00x{rng.randint(1, 6)}00",
    lambda rng: f"geo {rng.uniform(25, 48):.4f},-{rng.uniform(70, 120):.4f} radius {rng.randint(1, 50)} mi",
    lambda rng: f"cell phone case {rng.choice(_VARIANTS)} item {rng.randint(2, 9)}{digits(rng, 9)}",
    lambda rng: f"gift card SKU {luhn_complete('6011' + digits(rng, 11))} activations {_count(rng)}",
    lambda rng: f"retailer id {uuid_text(rng)} status active",
    lambda rng: f"call to action 'Shop now': {rng.randint(2, 9)}{digits(rng, 9)} views, {_count(rng)} taps",
    lambda rng: f"Crème fraîche {rng.choice(_SIZES)} – {_gtin(rng, 13)} ™",
    lambda rng: f"{rng.choice(_CITIES)}: {_count(rng)} visits on {_us_day(rng)} at {_clock(rng)}",
)


def retail_texts(count: int, seed: int) -> list[str]:
    """Draw texts as a feed's text columns hold them: six titles and two campaign names to two lines of the above."""
    rng = Random(f"{seed}:retail")
    forms = (title, title, title, title, title, title, _campaign, _campaign)
    return [
        (forms[number % 10] if number % 10 < len(forms) else rng.choice(_DEVELOPMENT))(rng)
        for number in range(count)
    ]


def clean_retail_lines(split: Split, count: int, seed: int) -> list[str]:
    """Draw lines without personal data, every form equally often."""
    forms = _DEVELOPMENT if split == "development" else _HELD_OUT
    return [forms[number % len(forms)](Random(f"{seed}:clean:{split}:{number}")) for number in range(count)]
