"""Fourteen reports of other networks, composed for measuring mapping proposals, each with its truth.

Header names follow public vocabularies (API references, export guides, the words that these consoles use in
their language); the rows are invented by a seeded generator, another one for each report. Six reports were there
to look at while the proposals were built ("tuned"), eight were held out: nothing was changed because of them
before they were measured for the first time, and that first figure is the one that is reported.

The truth is one annotator's, by the rules of the sample networks' truth tables: total over same-SKU, orders over
units, fourteen days where several windows stand side by side, one amount under two names counts twice, and
campaign and ad-group ids are keys, not facts.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

Split = Literal["tuned", "held_out"]
Cell = Callable[["Row"], str | None]


@dataclass(frozen=True)
class Product:
    """One invented product."""

    number: int
    gtin13: str
    title: str
    brand: str
    category: str
    size: str
    price: float


@dataclass(frozen=True)
class Row:
    """What one report row can tell; each network tells a part of it in its own words."""

    day: dt.date
    campaign: int
    group: int
    product: Product
    place: int
    impressions: int
    clicks: int
    cost: float
    orders: int
    units: int
    same_units: int
    revenue: float
    same_revenue: float
    new_revenue: float
    early_orders: int
    early_revenue: float

    @property
    def other_units(self) -> int:
        return self.units - self.same_units

    @property
    def other_revenue(self) -> float:
        return round(self.revenue - self.same_revenue, 2)

    @property
    def ctr(self) -> float:
        return self.clicks / self.impressions

    @property
    def cpc(self) -> float | None:
        return self.cost / self.clicks if self.clicks else None

    @property
    def roas(self) -> float | None:
        return self.revenue / self.cost if self.cost else None

    @property
    def acos(self) -> float | None:
        return self.cost / self.revenue if self.revenue else None


@dataclass(frozen=True)
class HeaderSet:
    """One report with its truth: raw column to target, None where the fact has no use for the column."""

    name: str
    language: str
    split: Split
    frame: pl.DataFrame
    truth: dict[str, str | None]
    keys: dict[str, str]


@dataclass(frozen=True)
class Column:
    """A header, what it means, and how its cells are written. `key`: campaign or ad group, no fact."""

    header: str
    target: str | None
    cell: Cell
    key: str | None = None


def _check_digit(digits: str) -> str:
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return str(-weighted % 10)


def _products(rng: random.Random, words: tuple[str, ...], brands: tuple[str, ...]) -> list[Product]:
    products = []
    for number in range(5):
        body = f"{rng.choice(('40', '50', '76', '87'))}{rng.randrange(10**10):010d}"
        brand = rng.choice(brands)
        title = f"{brand} {' '.join(rng.sample(words, 3))}"
        size = rng.choice(("50 g", "500 ml", "6 x 330 ml", "1 kg", "20 ct"))
        category = f"{words[0]} > {words[number % len(words)]}"
        products.append(
            Product(
                rng.randrange(10**6, 10**7),
                body + _check_digit(body),
                title,
                brand,
                category,
                size,
                rng.uniform(2, 40),
            )
        )
    return products


def _rows(seed: int, words: tuple[str, ...], brands: tuple[str, ...]) -> list[Row]:
    rng = random.Random(seed)
    products = _products(rng, words, brands)
    rows = []
    for offset in range(4):
        for index, product in enumerate(products[: rng.randint(3, 5)]):
            impressions = int(rng.lognormvariate(7.5, 1.2)) + 30
            clicks = min(impressions, int(impressions * rng.uniform(0.002, 0.02)))
            orders = int(clicks * rng.uniform(0.02, 0.15))
            units = orders + int(orders * rng.uniform(0, 0.6))
            same_units = int(units * rng.uniform(0.4, 1.0))
            revenue = round(units * product.price * rng.uniform(0.8, 1.1), 2)
            same_revenue = round(revenue * same_units / units, 2) if units else 0.0
            rows.append(
                Row(
                    day=dt.date(2026, 3, 9) + dt.timedelta(days=offset + 4 * (seed % 3)),
                    campaign=7000 + seed * 10 + index % 2,
                    group=81000 + seed * 100 + index,
                    product=product,
                    place=rng.randrange(4),
                    impressions=impressions,
                    clicks=clicks,
                    cost=round(clicks * rng.uniform(0.2, 1.4), 2),
                    orders=orders,
                    units=units,
                    same_units=same_units,
                    revenue=revenue,
                    same_revenue=same_revenue,
                    new_revenue=round(revenue * rng.uniform(0, 0.4), 2),
                    early_orders=int(orders * rng.uniform(0.5, 1)),
                    early_revenue=round(revenue * rng.uniform(0.5, 1), 2),
                )
            )
    return rows


def _comma(number: float, digits: int = 2, thousands: str = "") -> str:
    text = f"{number:,.{digits}f}"
    return text.replace(",", "|").replace(".", ",").replace("|", thousands)


def _maybe(number: float | None, digits: int = 4) -> str | None:
    return None if number is None else f"{number:.{digits}f}"


def _kroger_like() -> list[Column]:
    pages = ("Search", "Savings Center", "Product Detail Page", "Cart")
    return [
        Column("Date", "date", lambda r: r.day.strftime("%m/%d/%Y")),
        Column("Campaign Name", None, lambda r: f"Q1 pantry {r.campaign % 10}"),
        Column("Campaign ID", None, lambda r: str(r.campaign), "campaign_id"),
        Column("Line Item ID", None, lambda r: str(r.group), "ad_group_id"),
        Column("UPC", "sku_id", lambda r: "0" + r.product.gtin13),
        Column("Product Description", "sku_dim.name", lambda r: r.product.title),
        Column("Brand", "sku_dim.brand", lambda r: r.product.brand),
        Column("Placement", "placement_type", lambda r: pages[r.place]),
        Column("Impressions", "impressions", lambda r: f"{r.impressions:,}"),
        Column("Viewable Impressions", None, lambda r: f"{int(r.impressions * 0.7):,}"),
        Column("Clicks", "clicks", lambda r: f"{r.clicks:,}"),
        Column("CTR", None, lambda r: f"{r.ctr:.2%}"),
        Column("Spend", "cost", lambda r: f"${r.cost:,.2f}"),
        Column("Avg. CPC", None, lambda r: f"${r.cpc:.2f}" if r.cpc else "--"),
        Column("Attributed Sales (14 Day)", "revenue", lambda r: f"${r.revenue:,.2f}"),
        Column("Attributed Orders (14 Day)", "conversions", lambda r: str(r.orders)),
        Column("Attributed Units (14 Day)", None, lambda r: str(r.units)),
        Column("New-to-Brand Sales (14 Day)", None, lambda r: f"${r.new_revenue:,.2f}"),
        Column("ROAS", None, lambda r: _maybe(r.roas, 2) or "--"),
    ]


def _citrus_like() -> list[Column]:
    return [
        Column("ingressedDate", "date", lambda r: r.day.isoformat()),
        Column("campaignId", None, lambda r: f"c-{r.campaign}", "campaign_id"),
        Column("campaignName", None, lambda r: f"always on {r.campaign % 10}"),
        Column("walletName", None, lambda r: "FY26 trade wallet"),
        Column("placementId", "placement_type", lambda r: ("search", "category", "pdp", "home")[r.place]),
        Column("productGtin", "sku_id", lambda r: r.product.gtin13),
        Column("productName", "sku_dim.name", lambda r: r.product.title),
        Column("imps", "impressions", lambda r: str(r.impressions)),
        Column("clicks", "clicks", lambda r: str(r.clicks)),
        Column("adspend", "cost", lambda r: f"{r.cost:.2f}"),
        Column("conversions", "conversions", lambda r: str(r.orders)),
        Column("unitSales", None, lambda r: str(r.units)),
        Column("salesRevenue", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("directSalesRevenue", None, lambda r: f"{r.same_revenue:.2f}"),
        Column("haloSalesRevenue", None, lambda r: f"{r.other_revenue:.2f}"),
        Column("ctr", None, lambda r: _maybe(r.ctr)),
        Column("avgCpc", None, lambda r: _maybe(r.cpc)),
        Column("returnOnAdSpend", None, lambda r: _maybe(r.roas)),
    ]


def _french_grocer() -> list[Column]:
    pages = ("Recherche", "Rayon", "Fiche produit", "Accueil")
    return [
        Column("Jour", "date", lambda r: r.day.strftime("%d/%m/%Y")),
        Column("Campagne", None, lambda r: f"Printemps {r.campaign % 10}"),
        Column("N° de campagne", None, lambda r: str(r.campaign), "campaign_id"),
        Column("Libellé produit", "sku_dim.name", lambda r: r.product.title),
        Column("EAN", "sku_id", lambda r: r.product.gtin13),
        Column("Rayon", "sku_dim.category", lambda r: r.product.category),
        Column("Marque", "sku_dim.brand", lambda r: r.product.brand),
        Column("Emplacement", "placement_type", lambda r: pages[r.place]),
        Column("Affichages", "impressions", lambda r: f"{r.impressions:,}".replace(",", "\u202f")),
        Column("Clics", "clicks", lambda r: str(r.clicks)),
        Column("Taux de clic", None, lambda r: f"{_comma(r.ctr * 100)} %"),
        Column("Dépenses (€ HT)", "cost", lambda r: _comma(r.cost, thousands="\u202f")),
        Column("CA attribué (€)", "revenue", lambda r: _comma(r.revenue, thousands="\u202f")),
        Column("CA halo (€)", None, lambda r: _comma(r.other_revenue, thousands="\u202f")),
        Column("Commandes", "conversions", lambda r: str(r.orders)),
        Column("Unités vendues", None, lambda r: str(r.units)),
        Column("Devise", "currency", lambda r: "EUR"),
    ]


def _indian_marketplace() -> list[Column]:
    return [
        Column("Date", "date", lambda r: r.day.strftime("%d-%m-%Y")),
        Column("Campaign ID", None, lambda r: f"ZX{r.campaign}", "campaign_id"),
        Column("AdGroup Name", None, lambda r: f"group {r.group % 10}"),
        Column("Listing ID", "sku_id", lambda r: f"LSTBKS{r.product.number}XQ"),
        Column("Product Name", "sku_dim.name", lambda r: r.product.title),
        Column("Views", "impressions", lambda r: str(r.impressions)),
        Column("Clicks", "clicks", lambda r: str(r.clicks)),
        Column("CTR", None, lambda r: _maybe(r.ctr * 100, 2)),
        Column("Ad Spend", "cost", lambda r: f"{r.cost:.2f}"),
        Column("CVR", None, lambda r: _maybe(r.orders / r.clicks * 100 if r.clicks else None, 2)),
        Column("Direct Units Sold", None, lambda r: str(r.same_units)),
        Column("Indirect Units Sold", None, lambda r: str(r.other_units)),
        Column("Total converted units", "conversions", lambda r: str(r.units)),
        Column("Direct Revenue", None, lambda r: f"{r.same_revenue:.2f}"),
        Column("Indirect Revenue", None, lambda r: f"{r.other_revenue:.2f}"),
        Column("Total Revenue (Rs.)", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("ROI", None, lambda r: _maybe(r.roas, 2)),
    ]


def _shopping_engine() -> list[Column]:
    return [
        Column("TimePeriod", "date", lambda r: r.day.isoformat()),
        Column("AccountName", None, lambda r: "House of samples"),
        Column("CampaignId", None, lambda r: str(r.campaign), "campaign_id"),
        Column("CampaignName", None, lambda r: f"shopping {r.campaign % 10}"),
        Column("AdGroupId", None, lambda r: str(r.group), "ad_group_id"),
        Column("MerchantProductId", "sku_id", lambda r: f"online:en:US:{r.product.number}"),
        Column("Title", "sku_dim.name", lambda r: r.product.title),
        Column("Brand", "sku_dim.brand", lambda r: r.product.brand),
        Column("ProductCategory1", "sku_dim.category", lambda r: r.product.category),
        Column("CurrencyCode", "currency", lambda r: "USD"),
        Column("Impressions", "impressions", lambda r: str(r.impressions)),
        Column("Clicks", "clicks", lambda r: str(r.clicks)),
        Column("Ctr", None, lambda r: f"{r.ctr * 100:.2f}%"),
        Column("AverageCpc", None, lambda r: _maybe(r.cpc, 2)),
        Column("Spend", "cost", lambda r: f"{r.cost:.2f}"),
        Column("Conversions", "conversions", lambda r: str(r.orders)),
        Column("Assists", None, lambda r: str(r.other_units)),
        Column("Revenue", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("ReturnOnAdSpend", None, lambda r: _maybe(r.roas, 2)),
    ]


def _british_grocer() -> list[Column]:
    pages = ("Search results", "Aisle", "Favourites", "Checkout")
    return [
        Column("Report Date", "date", lambda r: r.day.strftime("%d/%m/%y")),
        Column("Campaign", None, lambda r: f"Spring {r.campaign % 10}"),
        Column("TPNB", "sku_id", lambda r: f"{r.product.number:09d}"),
        Column("Product", "sku_dim.name", lambda r: r.product.title),
        Column("Pack Size", "sku_dim.size", lambda r: r.product.size),
        Column("Page Location", "placement_type", lambda r: pages[r.place]),
        Column("Ad Impressions", "impressions", lambda r: f"{r.impressions:,}"),
        Column("Ad Clicks", "clicks", lambda r: str(r.clicks)),
        Column("Media Spend (£)", "cost", lambda r: f"{r.cost:,.2f}"),
        Column("Attributed Revenue - Featured SKU (£)", None, lambda r: f"{r.same_revenue:,.2f}"),
        Column("Attributed Revenue - Halo (£)", None, lambda r: f"{r.other_revenue:,.2f}"),
        Column("Attributed Revenue - Total (£)", "revenue", lambda r: f"{r.revenue:,.2f}"),
        Column("Attributed Units - Total", "conversions", lambda r: str(r.units)),
        Column("Attributed Units - Featured SKU", None, lambda r: str(r.same_units)),
        Column("ROAS", None, lambda r: _maybe(r.roas, 1)),
    ]


def _delivery_app() -> list[Column]:
    return [
        Column("day_of", "date", lambda r: f"{r.day.isoformat()} 00:00:00"),
        Column("ad_account_id", None, lambda r: "5f1c2d3e-1111-4222-8333-444455556666"),
        Column("campaign_id", None, lambda r: f"5f1c2d3e-0000-4222-8333-{r.campaign:012d}", "campaign_id"),
        Column("ad_group_id", None, lambda r: f"5f1c2d3e-0001-4222-8333-{r.group:012d}", "ad_group_id"),
        Column("item_gtin", "sku_id", lambda r: "0" + r.product.gtin13),
        Column("currency_code", "currency", lambda r: "USD"),
        Column(
            "placement_l1", "placement_type", lambda r: ("Browse", "Search", "Browse", "Checkout")[r.place]
        ),
        Column("impressions", "impressions", lambda r: str(r.impressions)),
        Column("clicks", "clicks", lambda r: str(r.clicks)),
        Column("ad_spend", "cost", lambda r: f"{r.cost:.2f}"),
        Column("units_sold_14d", "conversions", lambda r: str(r.units)),
        Column("sales_14d", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("roas_14d", None, lambda r: _maybe(r.roas)),
        Column("cost_per_click", None, lambda r: _maybe(r.cpc)),
        Column("click_through_rate", None, lambda r: _maybe(r.ctr)),
    ]


def _auction_site() -> list[Column]:
    return [
        Column("day", "date", lambda r: r.day.isoformat()),
        Column("campaign_id", None, lambda r: str(10**9 + r.campaign), "campaign_id"),
        Column("campaign_name", None, lambda r: f"listing push {r.campaign % 10}"),
        Column("ad_group_id", None, lambda r: str(10**8 + r.group), "ad_group_id"),
        Column("listing_id", "sku_id", lambda r: str(11 * 10**10 + r.product.number)),
        Column("listing_title", "sku_dim.name", lambda r: r.product.title),
        Column("cpc_impressions", "impressions", lambda r: str(r.impressions)),
        Column("cpc_clicks", "clicks", lambda r: str(r.clicks)),
        Column("cpc_attributed_sales", "conversions", lambda r: str(r.orders)),
        Column("cpc_ad_fees_listingsite_currency", "cost", lambda r: f"{r.cost:.2f}"),
        Column("cpc_sale_amount_listingsite_currency", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("cpc_cost_per_sale", None, lambda r: _maybe(r.cost / r.orders if r.orders else None, 2)),
        Column("cpc_return_on_ad_spend", None, lambda r: _maybe(r.roas, 2)),
        Column("cpc_ctr", None, lambda r: _maybe(r.ctr)),
    ]


def _latin_marketplace() -> list[Column]:
    return [
        Column("date", "date", lambda r: r.day.isoformat()),
        Column("campaign_id", None, lambda r: str(r.campaign), "campaign_id"),
        Column("item_id", "sku_id", lambda r: f"MLM{r.product.number}"),
        Column("title", "sku_dim.name", lambda r: r.product.title),
        Column("price", None, lambda r: f"{r.product.price:.2f}"),
        Column("currency_id", "currency", lambda r: "MXN"),
        Column("status", None, lambda r: "active"),
        Column("prints", "impressions", lambda r: str(r.impressions)),
        Column("clicks", "clicks", lambda r: str(r.clicks)),
        Column("ctr", None, lambda r: _maybe(r.ctr)),
        Column("cost", "cost", lambda r: f"{r.cost:.2f}"),
        Column("cpc", None, lambda r: _maybe(r.cpc)),
        Column("acos", None, lambda r: _maybe(r.acos)),
        Column("organic_units_quantity", None, lambda r: str(r.units * 3 + 1)),
        Column("organic_units_amount", None, lambda r: f"{r.revenue * 3.1 + 20:.2f}"),
        Column("advertising_items_quantity", "conversions", lambda r: str(r.orders)),
        Column("direct_units_quantity", None, lambda r: str(r.same_units)),
        Column("indirect_units_quantity", None, lambda r: str(r.other_units)),
        Column("units_quantity", None, lambda r: str(r.units)),
        Column("direct_amount", None, lambda r: f"{r.same_revenue:.2f}"),
        Column("indirect_amount", None, lambda r: f"{r.other_revenue:.2f}"),
        Column("total_amount", "revenue", lambda r: f"{r.revenue:.2f}"),
    ]


def _german_fashion() -> list[Column]:
    pages = ("Suche", "Katalog", "Produktdetailseite", "Startseite")
    return [
        Column("Tag", "date", lambda r: r.day.strftime("%d.%m.%Y")),
        Column("Kampagnen-ID", None, lambda r: f"K{r.campaign}", "campaign_id"),
        Column("Kampagnenname", None, lambda r: f"Frühjahr {r.campaign % 10}"),
        Column("Config SKU", "sku_id", lambda r: f"AB1{r.product.number:X}-Q11"),
        Column("Artikelbezeichnung", "sku_dim.name", lambda r: r.product.title),
        Column("Marke", "sku_dim.brand", lambda r: r.product.brand),
        Column("Warengruppe", "sku_dim.category", lambda r: r.product.category),
        Column("Platzierung", "placement_type", lambda r: pages[r.place]),
        Column("Sichtkontakte", "impressions", lambda r: f"{r.impressions:,}".replace(",", ".")),
        Column("Klicks", "clicks", lambda r: str(r.clicks)),
        Column("Klickrate", None, lambda r: f"{_comma(r.ctr * 100)} %"),
        Column("Ausgaben (EUR)", "cost", lambda r: _comma(r.cost, thousands=".")),
        Column("Tagesbudget (EUR)", None, lambda r: "250,00"),
        Column("Kosten pro Klick", None, lambda r: _comma(r.cpc) if r.cpc else None),
        Column("Bestellungen", "conversions", lambda r: str(r.orders)),
        Column("Verkaufte Artikel", None, lambda r: str(r.units)),
        Column("Umsatz gesamt (EUR)", "revenue", lambda r: _comma(r.revenue, thousands=".")),
        Column("Umsatz beworbener Artikel (EUR)", None, lambda r: _comma(r.same_revenue, thousands=".")),
        Column("Währung", "currency", lambda r: "EUR"),
    ]


def _russian_marketplace() -> list[Column]:
    return [
        Column("date", "date", lambda r: r.day.strftime("%d.%m.%Y")),
        Column("saleCampaignId", None, lambda r: str(r.campaign), "campaign_id"),
        Column("saleCampaignName", None, lambda r: f"boost {r.campaign % 10}"),
        Column("offerId", "sku_id", lambda r: f"of-{r.product.number}"),
        Column("offerName", "sku_dim.name", lambda r: r.product.title),
        Column("categoryName", "sku_dim.category", lambda r: r.product.category),
        Column("shows", "impressions", lambda r: str(r.impressions)),
        Column("coverage", None, lambda r: str(int(r.impressions * 0.6))),
        Column("clicks", "clicks", lambda r: str(r.clicks)),
        Column("ctr", None, lambda r: _maybe(r.ctr * 100, 2)),
        Column("showsFrequency", None, lambda r: "1.7"),
        Column("cartAddition", None, lambda r: str(r.orders * 2 + 1)),
        Column("orderedCount", "conversions", lambda r: str(r.units)),
        Column("orderedAmount", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("cpo", None, lambda r: _maybe(r.cost / r.units if r.units else None, 2)),
        Column("cost", "cost", lambda r: f"{r.cost:.2f}"),
    ]


def _search_engine() -> list[Column]:
    return [
        Column("segments.date", "date", lambda r: r.day.isoformat()),
        Column("campaign.id", None, lambda r: str(r.campaign), "campaign_id"),
        Column("campaign.name", None, lambda r: f"pmax {r.campaign % 10}"),
        Column("ad_group.id", None, lambda r: str(r.group), "ad_group_id"),
        Column("segments.product_item_id", "sku_id", lambda r: f"shopify_us_{r.product.number}"),
        Column("segments.product_title", "sku_dim.name", lambda r: r.product.title),
        Column("segments.product_brand", "sku_dim.brand", lambda r: r.product.brand),
        Column("segments.product_type_l1", "sku_dim.category", lambda r: r.product.category),
        Column("customer.currency_code", "currency", lambda r: "CAD"),
        Column("metrics.impressions", "impressions", lambda r: str(r.impressions)),
        Column("metrics.clicks", "clicks", lambda r: str(r.clicks)),
        Column("metrics.cost_micros", "cost", lambda r: str(round(r.cost * 1e6))),
        Column("metrics.average_cpc", None, lambda r: _maybe(r.cpc * 1e6 if r.cpc else None, 1)),
        Column("metrics.ctr", None, lambda r: _maybe(r.ctr, 6)),
        Column("metrics.conversions", "conversions", lambda r: f"{r.orders:.1f}"),
        Column("metrics.conversions_value", "revenue", lambda r: f"{r.revenue:.2f}"),
        Column("metrics.all_conversions", None, lambda r: f"{r.orders * 1.2:.2f}"),
        Column("metrics.all_conversions_value", None, lambda r: f"{r.revenue * 1.15:.2f}"),
    ]


def _dutch_marketplace() -> list[Column]:
    return [
        Column("Datum", "date", lambda r: r.day.strftime("%d-%m-%Y")),
        Column("Campagne", None, lambda r: f"voorjaar {r.campaign % 10}"),
        Column("Advertentiegroep", None, lambda r: f"groep {r.group % 10}"),
        Column("EAN", "sku_id", lambda r: r.product.gtin13),
        Column("Producttitel", "sku_dim.name", lambda r: r.product.title),
        Column("Vertoningen", "impressions", lambda r: str(r.impressions)),
        Column("Kliks", "clicks", lambda r: str(r.clicks)),
        Column("Doorklikratio", None, lambda r: f"{_comma(r.ctr * 100)}%"),
        Column("Gemiddelde CPC", None, lambda r: f"€ {_comma(r.cpc)}" if r.cpc else "-"),
        Column("Kosten", "cost", lambda r: f"€ {_comma(r.cost, thousands='.')}"),
        Column("Bestellingen (7 dagen)", None, lambda r: str(r.early_orders)),
        Column("Omzet (7 dagen)", None, lambda r: f"€ {_comma(r.early_revenue, thousands='.')}"),
        Column("Bestellingen (14 dagen)", "conversions", lambda r: str(r.orders)),
        Column("Omzet (14 dagen)", "revenue", lambda r: f"€ {_comma(r.revenue, thousands='.')}"),
        Column("ACOS", None, lambda r: f"{_comma(r.acos * 100)}%" if r.acos else "-"),
    ]


def _brazilian_retailer() -> list[Column]:
    pages = ("Busca", "Categoria", "Página de produto", "Página inicial")
    return [
        Column("Dia", "date", lambda r: r.day.strftime("%d/%m/%Y")),
        Column("Anunciante", None, lambda r: "Casa de amostras"),
        Column("ID da campanha", None, lambda r: str(r.campaign), "campaign_id"),
        Column("Nome da campanha", None, lambda r: f"outono {r.campaign % 10}"),
        Column("Código do produto", "sku_id", lambda r: f"{r.product.number}"),
        Column("Nome do produto", "sku_dim.name", lambda r: r.product.title),
        Column("Marca", "sku_dim.brand", lambda r: r.product.brand),
        Column("Posicionamento", "placement_type", lambda r: pages[r.place]),
        Column("Impressões", "impressions", lambda r: f"{r.impressions:,}".replace(",", ".")),
        Column("Cliques", "clicks", lambda r: str(r.clicks)),
        Column("Taxa de cliques", None, lambda r: f"{_comma(r.ctr * 100)}%"),
        Column("Investimento (R$)", "cost", lambda r: f"R$ {_comma(r.cost, thousands='.')}"),
        Column("Receita direta (R$)", None, lambda r: f"R$ {_comma(r.same_revenue, thousands='.')}"),
        Column("Receita indireta (R$)", None, lambda r: f"R$ {_comma(r.other_revenue, thousands='.')}"),
        Column("Receita total (R$)", "revenue", lambda r: f"R$ {_comma(r.revenue, thousands='.')}"),
        Column("Pedidos", "conversions", lambda r: str(r.orders)),
        Column("Itens vendidos", None, lambda r: str(r.units)),
    ]


_TEA = ("Tea", "Green", "Mint", "Lemon", "Organic", "Classic")
_CARE = ("Care", "Shampoo", "Aloe", "Sensitive", "Daily", "Repair")
_SHOE = ("Schuhe", "Laufschuh", "Leder", "Damen", "Herren", "Leicht")
_FOOD = ("Épicerie", "Biscuit", "Chocolat", "Noisette", "Bio", "Nature")
_BRANDS = ("Alderly", "Bonhof", "Cresta", "Dunmore")

_REPORTS: tuple[tuple[str, str, Split, Callable[[], list[Column]], tuple[str, ...]], ...] = (
    ("kroger_like", "en", "tuned", _kroger_like, _TEA),
    ("citrus_like", "en", "tuned", _citrus_like, _CARE),
    ("french_grocer", "fr", "tuned", _french_grocer, _FOOD),
    ("indian_marketplace", "en", "tuned", _indian_marketplace, _CARE),
    ("shopping_engine", "en", "tuned", _shopping_engine, _TEA),
    ("british_grocer", "en", "tuned", _british_grocer, _TEA),
    ("delivery_app", "en", "held_out", _delivery_app, _TEA),
    ("auction_site", "en", "held_out", _auction_site, _CARE),
    ("latin_marketplace", "en", "held_out", _latin_marketplace, _CARE),
    ("german_fashion", "de", "held_out", _german_fashion, _SHOE),
    ("russian_marketplace", "en", "held_out", _russian_marketplace, _CARE),
    ("search_engine", "en", "held_out", _search_engine, _TEA),
    ("dutch_marketplace", "nl", "held_out", _dutch_marketplace, _CARE),
    ("brazilian_retailer", "pt", "held_out", _brazilian_retailer, _CARE),
)


def _build(
    seed: int, name: str, language: str, split: Split, columns: list[Column], words: tuple[str, ...]
) -> HeaderSet:
    rows = _rows(seed, words, _BRANDS)
    frame = pl.DataFrame(
        {column.header: [column.cell(row) for row in rows] for column in columns},
        schema=dict.fromkeys((column.header for column in columns), pl.String),
    )
    return HeaderSet(
        name=name,
        language=language,
        split=split,
        frame=frame,
        truth={column.header: column.target for column in columns},
        keys={column.header: column.key for column in columns if column.key},
    )


def header_sets(split: Split) -> list[HeaderSet]:
    """The composed reports of one split."""
    return [
        _build(seed, name, language, part, columns(), words)
        for seed, (name, language, part, columns, words) in enumerate(_REPORTS, start=1)
        if part == split
    ]
