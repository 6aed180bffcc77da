"""The products: their identity (GTIN with a valid check digit, native ids per network), titles and sizes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from stdnum import ean

from rmn_pipeline.world.config import BrandSpec, NetworkName, WorldConfig

_VARIANTS = ("Original", "Classic", "Fresh", "Mild", "Bold", "Citrus", "Berry", "Vanilla", "Pure", "Garden")
_SIZES = ("6 ct", "12 oz", "16 oz", "24 ct", "32 oz", "48 ct")
_ASIN_LETTERS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Sku:
    """One product as the whole market knows it."""

    sku_id: str
    brand_id: str
    brand_name: str
    line_id: str
    category: str
    title: str
    size: str

    @property
    def upc(self) -> str:
        """The twelve digits printed under the bar code."""
        return self.sku_id[2:]


def stable_number(text: str, digits: int) -> int:
    """A number of exactly so many digits that always belongs to the same text."""
    low = 10 ** (digits - 1)
    return low + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % (9 * low)


def native_id(network: NetworkName, sku: Sku) -> str:
    """The product's id in a network's own reports."""
    if network == "amazon_ads":
        number = stable_number(f"asin:{sku.sku_id}", 12)
        letters = []
        for _ in range(8):
            number, position = divmod(number, len(_ASIN_LETTERS))
            letters.append(_ASIN_LETTERS[position])
        return "B0" + "".join(letters)
    if network == "criteo_retail_media":
        return f"T-{stable_number(f'criteo:{sku.sku_id}', 11)}"
    return str(stable_number(f"{network}:{sku.sku_id}", 11))


def make_catalog(config: WorldConfig) -> tuple[Sku, ...]:
    """All products, brand by brand, each brand's lines in turn."""
    per_brand, extra = divmod(config.skus, len(config.brands))
    products: list[Sku] = []
    for brand_index, brand in enumerate(config.brands):
        count = per_brand + (1 if brand_index < extra else 0)
        products += [_make_sku(brand, brand_index, item) for item in range(count)]
    return tuple(products)


def _make_sku(brand: BrandSpec, brand_index: int, item: int) -> Sku:
    line = brand.lines[item % len(brand.lines)]
    rank = item // len(brand.lines)
    # The UPC starts with a zero so that the zero can get lost on its way, as it does in real exports.
    digits = f"08{5021 + 37 * brand_index:04d}{100 + 10 * item:05d}"
    upc = digits + ean.calc_check_digit(digits)
    variant = _VARIANTS[rank % len(_VARIANTS)]
    size = _SIZES[(rank + rank // len(_VARIANTS)) % len(_SIZES)]
    series = "" if rank < len(_VARIANTS) else f" No. {rank // len(_VARIANTS) + 1}"
    return Sku(
        sku_id=f"00{upc}",
        brand_id=brand.brand_id,
        brand_name=brand.name,
        line_id=line.line_id,
        category=line.category,
        title=f"{line.name} {variant}{series}, {size}",
        size=size,
    )
