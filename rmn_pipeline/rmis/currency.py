"""Currency conversion through a dated table of rates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import ReportFormat, read_report
from rmn_pipeline.rmis.errors import HarmonizeError
from rmn_pipeline.rmis.faults import Fault
from rmn_pipeline.rmis.mapping import CurrencyConversion
from rmn_pipeline.rmis.raw_rows import Headers

_COLUMNS = ("date", "currency_from", "currency_to", "rate")
NO_RATE = "no_rate.currency"


@dataclass(frozen=True)
class Converter:
    """A declared conversion and its rates: columns currency_from, stated (date), rate, sorted by date."""

    rule: CurrencyConversion
    rates: pl.DataFrame

    def convert(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, Fault | None]:
        """Rows with their amounts in the target currency, and the rows for which there is no rate."""
        foreign = (rows["currency"] != self.rule.to) & rows["date"].is_not_null()
        if not foreign.any():
            return rows, None
        pairs = rows.filter(foreign).select("currency", "date").unique()
        keys = ["currency", "date"]
        rated = rows.join(self._rated(pairs), on=keys, how="left", maintain_order="left")
        missing = (rated["rate"].is_null() & foreign.fill_null(False)).arg_true()
        converted = rated.with_columns(
            *(pl.col(name) * pl.col("rate").fill_null(1.0) for name in self.rule.fields),
            pl.when(pl.col("rate").is_not_null()).then("currency").alias("original_currency"),
            pl.col("rate").alias("exchange_rate"),
            pl.when(pl.col("rate").is_not_null())
            .then(pl.lit(self.rule.to))
            .otherwise("currency")
            .alias("currency"),
        )
        return converted.drop("rate"), self._no_rate(rated, missing)

    def _rated(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The last rate of each currency on or before each day."""
        return (
            pairs.sort("date")
            .join_asof(
                self.rates,
                left_on="date",
                right_on="stated",
                by_left="currency",
                by_right="currency_from",
                strategy="backward",
                tolerance=f"{self.rule.max_age_days}d",
                check_sortedness=False,
            )
            .select("currency", "date", "rate")
        )

    def _no_rate(self, rated: pl.DataFrame, missing: pl.Series) -> Fault | None:
        if missing.is_empty():
            return None
        said = rated[missing.to_list()].select(
            pl.format(
                "no rate {} to {} on {} or in the {} days before",
                "currency",
                pl.lit(self.rule.to),
                "date",
                pl.lit(str(self.rule.max_age_days)),
            ).alias("message")
        )
        return Fault(NO_RATE, missing, said["message"])


def load_converter(rule: CurrencyConversion, report: Path) -> Converter:
    """The rates that lie beside a report. HarmonizeError where a line of the table cannot be used."""
    path = (report.parent / rule.rates).resolve()
    frame = read_report(path, ReportFormat("csv"))
    headers = Headers(path, frame.columns)
    names = {column: headers.demand([column], "the exchange rates") for column in _COLUMNS}
    table = frame.select(
        pl.col(names["date"]).str.strip_chars().str.to_date("%Y-%m-%d", strict=False).alias("stated"),
        pl.col(names["currency_from"]).str.strip_chars(),
        pl.col(names["currency_to"]).str.strip_chars(),
        pl.col(names["rate"]).str.strip_chars().cast(pl.Float64, strict=False).alias("rate"),
        "source_row",
    ).rename({names["currency_from"]: "currency_from", names["currency_to"]: "currency_to"})
    _refuse_unusable(path, table)
    return Converter(rule, _towards(rule.to, table, path))


def _refuse_unusable(path: Path, table: pl.DataFrame) -> None:
    code = r"^[A-Z]{3}$"
    usable = (
        pl.col("stated").is_not_null()
        & pl.col("currency_from").str.contains(code).fill_null(False)
        & pl.col("currency_to").str.contains(code).fill_null(False)
        & (pl.col("rate").is_finite() & (pl.col("rate") > 0)).fill_null(False)
    )
    bad = table.filter(~usable)
    if not bad.is_empty():
        raise HarmonizeError(
            f"{path}: row {bad['source_row'][0]} is no rate: it wants a date (YYYY-MM-DD), two currency codes "
            "such as EUR, and a number above 0 with a decimal point"
        )


def _towards(target: str, table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """One rate into the target for each currency and day: as stated, else the inverse of the other direction."""
    columns = ("currency_from", "stated", "rate")
    direct = table.filter(pl.col("currency_to") == target).select(columns).unique()
    inverse = (
        table.filter(pl.col("currency_from") == target)
        .select(pl.col("currency_to").alias("currency_from"), "stated", (1 / pl.col("rate")).alias("rate"))
        .unique()
        .join(direct, on=["currency_from", "stated"], how="anti")
    )
    rates = pl.concat([direct, inverse]).filter(pl.col("currency_from") != target)
    twice = rates.filter(pl.struct("currency_from", "stated").is_duplicated())
    if not twice.is_empty():
        currency, day, _ = twice.sort("currency_from", "stated").row(0)
        raise HarmonizeError(f"{path}: several rates between {currency} and {target} on {day}")
    return rates.sort("stated")


def conversions(events: pl.DataFrame) -> dict[str, int]:
    """How many events were converted, by 'GBP to EUR'."""
    converted = events.filter(pl.col("original_currency").is_not_null())
    counted = converted.group_by("original_currency", "currency").len().sort("original_currency", "currency")
    return {f"{old} to {new}": int(count) for old, new, count in counted.iter_rows()}
