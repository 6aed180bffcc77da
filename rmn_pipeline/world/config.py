"""The knobs of the synthetic market, and nothing else: what a world is made of, read from YAML or built in code."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

# Knobs added after the first landing files were written. Their defaults are the market without them.
LATER_KNOBS = (
    "audience_heterogeneity",
    "attribution_over_credit",
    "restatement_share",
    "demand_noise",
    "price_elasticity",
    "price_variation",
    "response_family",
    "hill_exponent",
    "hill_exponent_heterogeneity",
    "carry_over",
    "audience_overlap",
    "cost_elasticity",
    "line_cannibalisation",
    "retailer_substitution",
)
CurveFamily = Literal["hill", "log"]
NetworkName = Literal["amazon_ads", "walmart_connect", "criteo_retail_media", "instacart_ads"]


class WorldError(ValueError):
    """A world that cannot be built, written or judged; the message says what, where and how to mend it."""


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LineSpec(BaseModel):
    """One product line of a brand; further keys of brand.yaml (nicknames …) don't concern the market."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line_id: str
    name: str
    category: str


class BrandSpec(BaseModel):
    """The part of a brand.yaml that shapes the market."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    brand_id: str
    name: str
    assumed_margin_rate: float = Field(gt=0, lt=1)
    lines: tuple[LineSpec, ...] = Field(min_length=1)


class RetailerSpec(_Spec):
    """One retail media network."""

    retailer_id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    network: NetworkName = Field(description="Whose report format this retailer sends.")
    sales_weight: float = Field(gt=0, description="Its relative size: organic sales and history spend.")
    cost_per_click_usd: float = Field(gt=0)


class PlacementSpec(_Spec):
    """One kind of ad position, with how it is bought and how its platform takes credit."""

    placement_type: Literal["search", "category", "product_detail", "home", "offsite"]
    spend_weight: float = Field(gt=0, description="How often past media plans chose it.")
    click_through_rate: float = Field(gt=0, lt=1)
    cost_factor: float = Field(gt=0, description="Multiplies the retailer's cost per click.")
    capture_share: float = Field(
        ge=0, le=1, description="Share of incremental revenue that attribution sees."
    )
    organic_credit: float = Field(
        ge=0, le=1, description="Probability that a clicker would have bought anyway and is credited."
    )


def default_retailers() -> tuple[RetailerSpec, ...]:
    """The four networks of the sample market."""
    return (
        RetailerSpec(retailer_id="alpha", network="amazon_ads", sales_weight=1.5, cost_per_click_usd=2.2),
        RetailerSpec(retailer_id="beta", network="walmart_connect", sales_weight=1.3, cost_per_click_usd=1.9),
        RetailerSpec(
            retailer_id="gamma", network="criteo_retail_media", sales_weight=0.7, cost_per_click_usd=2.1
        ),
        RetailerSpec(retailer_id="delta", network="instacart_ads", sales_weight=0.6, cost_per_click_usd=1.8),
    )


def default_placements() -> tuple[PlacementSpec, ...]:
    """Five placements: the closer to the till, the more organic sales the platform credits to itself."""
    rows: list[tuple[Any, float, float, float, float, float]] = [
        ("search", 0.34, 0.040, 1.15, 0.92, 0.130),
        ("category", 0.20, 0.026, 0.95, 0.88, 0.085),
        ("product_detail", 0.24, 0.024, 1.00, 0.90, 0.110),
        ("home", 0.12, 0.016, 0.85, 0.75, 0.040),
        ("offsite", 0.10, 0.012, 0.80, 0.60, 0.020),
    ]
    return tuple(
        PlacementSpec(
            placement_type=name,
            spend_weight=weight,
            click_through_rate=rate,
            cost_factor=factor,
            capture_share=capture,
            organic_credit=credit,
        )
        for name, weight, rate, factor, capture, credit in rows
    )


def default_brands() -> tuple[BrandSpec, ...]:
    """The two sample brands, so that `WorldConfig(seed=…)` stands alone without any file."""
    lines = {
        ("brand_x", "Harvest Row", 0.34): [
            ("granola", "Granola", "snacks"),
            ("fruit_bars", "Fruit Bars", "snacks"),
            ("cold_brew", "Cold Brew", "beverages"),
            ("sparkling", "Sparkling Water", "beverages"),
        ],
        ("brand_y", "Clearwell Home", 0.31): [
            ("laundry", "Laundry", "household"),
            ("dish", "Dish", "household"),
            ("body_wash", "Body Wash", "personal_care"),
            ("hand_soap", "Hand Soap", "personal_care"),
        ],
    }
    brand_words = {"brand_x": "Harvest Row", "brand_y": "Clearwell"}
    return tuple(
        BrandSpec(
            brand_id=brand_id,
            name=name,
            assumed_margin_rate=margin,
            lines=tuple(
                LineSpec(line_id=line_id, name=f"{brand_words[brand_id]} {line}", category=category)
                for line_id, line, category in rows
            ),
        )
        for (brand_id, name, margin), rows in lines.items()
    )


class WorldConfig(BaseModel):
    """Everything that determines a world; the same config gives the same bytes.

    Sizing: `initial_iroas` and one factor per brand are the market's scale. The factors were calibrated at the
    default seed so that the default request ($2.5M per brand over the 26 weeks after history, ROAS of at least 3.0,
    10 % experiments) is feasible and binding in truth: with the true curves the whole budget, a tenth of it
    spread evenly to learn, can return slightly more than 3.0 (revenue-maximising split), the margin-maximising split
    alone returns slightly less, and an even split clearly less. The market is sized for nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=20260105, ge=0, description="Every random number of the world follows from it.")
    start_date: date = Field(default=date(2026, 1, 5), description="First day of history; a Monday.")
    days: int = Field(default=180, ge=14, le=730, description="Length of history.")
    skus: int = Field(
        default=100, ge=1, le=5000, description="Products in all, split evenly over the brands."
    )
    retailers: tuple[RetailerSpec, ...] = Field(
        default_factory=default_retailers,
        min_length=1,
        description="Retailers, each with its report format, relative size and cost per click.",
    )
    brands: tuple[BrandSpec, ...] = Field(
        default_factory=default_brands,
        min_length=1,
        description="In YAML: a brand inline, or the path of a brand.yaml relative to the config file.",
    )
    placements: tuple[PlacementSpec, ...] = Field(
        default_factory=default_placements,
        min_length=1,
        description="Ad positions: past media habit, click rate, price, and how their platform takes credit.",
    )
    audiences: tuple[str, ...] = Field(
        default=("loyal", "lapsed", "new_to_brand", "in_market"),
        min_length=1,
        description="Segments that retailers sell; a customer belongs to one of them.",
    )
    arms: int = Field(default=400, ge=1, description="Advertised arms in history, over all brands.")
    rows: int | None = Field(
        default=None, ge=1, description="Wanted report rows; where given, the number of arms follows from it."
    )
    customers_per_retailer: int = Field(
        default=200_000, ge=100, description="People behind a retailer's log, over all audiences."
    )
    impressions_per_customer_day: float = Field(
        default=12.0, gt=1, description="Mean ad frequency per log row."
    )

    duty_cycle: float = Field(
        default=0.5, gt=0, lt=1, description="Share of weeks in which an arm is on air."
    )
    mean_flight_weeks: float = Field(default=2.5, ge=1, description="Mean length of an on-air flight.")
    weekly_spend_usd: float = Field(default=850.0, gt=0, description="Mean spend per arm and week on air.")
    spend_endogeneity: float = Field(
        default=0.8, ge=0, description="Exponent with which past spend followed the demand index."
    )
    spend_sales_exponent: float = Field(
        default=0.7, ge=0, description="Exponent with which past spend followed the SKU's organic sales."
    )
    spend_noise: float = Field(default=0.35, ge=0, description="Log sd of weekly spend around its rule.")

    initial_iroas: float = Field(
        default=4.05,
        gt=0,
        description="Median incremental revenue of an arm's first dollar; the market's scale.",
    )
    brand_response_scale: dict[str, float] = Field(
        default_factory=lambda: {"brand_x": 0.905, "brand_y": 0.826},
        description="Factor on `initial_iroas` per brand; a brand that is not named has 1.",
    )
    half_saturation_usd_per_week: float = Field(
        default=900.0, gt=0, description="Median half-saturation spend."
    )
    response_heterogeneity: float = Field(default=0.5, ge=0, description="Log sd of initial iROAS over arms.")
    saturation_heterogeneity: float = Field(default=0.6, ge=0, description="Log sd of half-saturation spend.")
    response_noise: float = Field(default=0.25, ge=0, description="Log sd of weekly incremental revenue.")

    price_usd: float = Field(default=18.0, gt=1, description="Median shelf price.")
    price_heterogeneity: float = Field(default=0.35, ge=0, description="Log sd of price over SKUs.")
    price_dispersion: float = Field(
        default=0.05, ge=0, description="Log sd of one SKU's price over retailers."
    )
    units_per_order: float = Field(default=1.6, ge=1, description="Mean units of a product in an order.")
    margin_heterogeneity_line: float = Field(default=0.08, ge=0, description="Sd of margin rate over lines.")
    margin_heterogeneity_sku: float = Field(
        default=0.06, ge=0, description="Sd of margin rate within a line."
    )
    sales_heterogeneity: float = Field(default=0.6, ge=0, description="Log sd of organic sales over SKUs.")
    organic_units_per_day: float = Field(
        default=45.0, gt=0, description="Median per SKU at an average retailer."
    )
    season_amplitude: float = Field(default=0.2, ge=0, lt=1, description="Yearly swing of the demand index.")
    promo_rate: float = Field(default=0.12, ge=0, le=0.9, description="Share of weeks on price promotion.")
    promo_depth: float = Field(default=0.2, ge=0, lt=0.8, description="Price cut of a promotion.")
    promo_lift: float = Field(default=0.6, ge=0, description="Added demand index in a promotion week.")
    stock_out_rate: float = Field(
        default=0.09,
        ge=0,
        lt=0.9,
        description="Mean share of days out of stock. Where shelves differ, high rates come out lower, since the worst "
        "shelves are capped at 60 %: 30 % gives 26 % at heterogeneity 1.",
    )
    stock_out_heterogeneity: float = Field(
        default=1.0, ge=0, description="Sd, on the logit scale, of that share over retailer × SKU."
    )
    stock_out_days: float = Field(default=6.0, ge=1, description="Mean length of a stock-out.")
    demand_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Log sd of weekly demand shocks per retailer and SKU that no calendar announces.",
    )
    price_elasticity: float = Field(
        default=0.0,
        ge=0,
        le=6,
        description="Where positive, units react to price as (price / regular price) ** -elasticity, organic and "
        "ad-driven alike, and promotions act through their price alone: promo_lift is then not used.",
    )
    price_variation: float = Field(
        default=0.0, ge=0, le=0.5, description="Log sd of a shelf's weekly price around its regular price."
    )
    response_family: CurveFamily = Field(
        default="hill",
        description="Saturation: hill ρ·k·u / (1 + u) with u = (x/k)**n, or log ρ·k·log(1 + x/k).",
    )
    hill_exponent: float = Field(
        default=1.0, gt=0.2, le=4, description="Median Hill exponent n; above 1 curves are S-shaped."
    )
    hill_exponent_heterogeneity: float = Field(
        default=0.0, ge=0, le=1, description="Log sd of the Hill exponent over arms."
    )
    carry_over: float = Field(
        default=0.0,
        ge=0,
        lt=0.95,
        description="Share of an arm's exposure that is still at work a week later.",
    )
    audience_overlap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of people that two audiences of one retailer, placement and SKU have in common: their "
        "spend saturates the same people, so together they bring less than the sum.",
    )
    cost_elasticity: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Cost per click grows as (1 + an arm's weekly spend / weekly_spend_usd) ** elasticity.",
    )
    line_cannibalisation: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of an arm's sales taken from the line's other SKUs at the same retailer.",
    )
    retailer_substitution: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of an arm's sales taken from the same SKU at other retailers.",
    )
    audience_heterogeneity: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How far audiences of one placement and SKU differ in response: 0 alike, 1 each its own draw.",
    )
    attribution_over_credit: float = Field(
        default=1.0,
        ge=0,
        le=5,
        description="Factor on every placement's organic credit; 0 claims nothing organic.",
    )
    restatement_share: float = Field(
        default=0.15,
        gt=-0.5,
        lt=1,
        description="Share of a day's conversions still missing when that day is reported at once; it fades over the "
        "network's window. Negative: early reports overstate and are corrected downwards.",
    )
    experiment_standard_error: float = Field(
        default=0.06, gt=0, description="Standard error of the brands' past holdout read-outs."
    )
    bad_row_share: float = Field(
        default=0.002, ge=0, le=0.2, description="Share of genuinely bad report rows."
    )

    @field_validator("start_date")
    @classmethod
    def _starts_on_monday(cls, value: date) -> date:
        if value.isoweekday() != 1:
            raise ValueError(f"history must start on a Monday, {value} is a {value:%A}")
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> WorldConfig:
        for name, ids in (
            ("retailers", [retailer.retailer_id for retailer in self.retailers]),
            ("brands", [brand.brand_id for brand in self.brands]),
            ("placements", [placement.placement_type for placement in self.placements]),
            ("audiences", list(self.audiences)),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"{name} are not unique: {ids}")
        if self.skus < len(self.brands):
            raise ValueError(f"{self.skus} skus are too few for {len(self.brands)} brands")
        possible = self.skus * len(self.retailers) * len(self.placements) * len(self.audiences)
        if self.arm_count > possible:
            raise ValueError(f"{self.arm_count} arms wanted but only {possible} combinations exist")
        least = len(self.brands) * len(self.retailers)
        if self.arm_count < least:
            raise ValueError(f"at least {least} arms are needed: one per brand and retailer")
        if self.line_cannibalisation + self.retailer_substitution >= 1:
            raise ValueError("line_cannibalisation and retailer_substitution together must stay below 1")
        if self.response_family != "hill" and not self.has_plain_exponents:
            raise ValueError("hill_exponent and its heterogeneity act only where response_family is 'hill'")
        return self

    @property
    def has_plain_exponents(self) -> bool:
        """Whether every arm's Hill exponent is 1."""
        return self.hill_exponent == 1 and self.hill_exponent_heterogeneity == 0

    @property
    def arm_count(self) -> int:
        """Advertised arms in history: as configured, or as many as the wanted rows need."""
        return ceil(self.rows / (self.days * self.duty_cycle)) if self.rows else self.arms

    @property
    def digest(self) -> str:
        """Fingerprint of the world: a later knob that stands at its default changes no byte, so it is left out."""
        content = self.model_dump(mode="json")
        for name in LATER_KNOBS:
            if getattr(self, name) == type(self).model_fields[name].default:
                del content[name]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_yaml(cls, path: Path | str) -> WorldConfig:
        """Read a configuration; brands given as paths are read relative to the file."""
        path = Path(path)
        content = _read_yaml(path)
        brands = content.get("brands")
        if isinstance(brands, list):
            content["brands"] = [
                _read_yaml(path.parent / brand) if isinstance(brand, str) else brand for brand in brands
            ]
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'config'}: {problem['msg']}"
                for problem in error.errors()
            )
            raise WorldError(f"{path}: {problems}. Knobs: {', '.join(cls.model_fields)}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WorldError(f"{path}: no such file; write one after data/world.yaml") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorldError(f"{path}: cannot be read as YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise WorldError(f"{path}: expected a mapping of knobs, found {type(content).__name__}")
    return content


def tiny_config(seed: int = 7, **changes: Any) -> WorldConfig:
    """A market small enough for fast tests, with all four retailers and both brands still in it."""
    settings: dict[str, Any] = {
        "seed": seed,
        "days": 35,
        "skus": 12,
        "arms": 48,
        "customers_per_retailer": 3000,
        "weekly_spend_usd": 400.0,
    }
    return WorldConfig(**(settings | changes))
