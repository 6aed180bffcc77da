"""What all network formats share: the rows to send, and the description of a network."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RawRow = dict[str, Any]


@dataclass(frozen=True)
class ReportRow:
    """One aggregate as the retailer's own books hold it, before it takes a network's shape."""

    date: str
    retailer_id: str
    brand_id: str
    brand_name: str
    placement_type: str
    audience_id: str
    native_id: str
    upc: str
    title: str
    category: str
    size: str
    impressions: int
    clicks: int
    orders: int
    units_milli: int
    revenue_cents: int
    cost_cents: int

    @property
    def campaign_name(self) -> str:
        """The naming convention of the sample's media buyers."""
        return f"{self.brand_id} | {self.placement_type} | {self.audience_id}"

    @property
    def cost_usd(self) -> float:
        """Cost in dollars."""
        return self.cost_cents / 100

    @property
    def revenue_usd(self) -> float:
        """Revenue in dollars."""
        return self.revenue_cents / 100


@dataclass(frozen=True)
class FaultColumns:
    """Where a network's row can be broken, and with which alien product id."""

    date: str
    product: str
    impressions: str
    clicks: str
    alien_products: tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """One network's report: how its files are called, what a row looks like, when history may still change."""

    file_name: str
    restatement_days: int
    raw_row: Callable[[ReportRow, np.random.Generator], RawRow]
    encode: Callable[[Sequence[RawRow]], bytes]
    fault_columns: FaultColumns

    def file_for(self, period: str, as_of: str) -> str:
        """Name of the file that covers a period as known on a date."""
        return self.file_name.format(period=period, as_of=as_of)


def add_faults(
    rows: Sequence[RawRow], columns: FaultColumns, share: float, rng: np.random.Generator
) -> list[RawRow]:
    """Strew genuinely bad rows among the good ones; none of them stands for anything in the log."""
    result = list(rows)
    if not rows or share == 0:
        return result
    wanted = max(round(share * len(rows)), 1)
    for number in range(wanted):
        row = dict(rows[int(rng.integers(len(rows)))])
        _break(row, columns, number + int(rng.integers(4)), rng)
        result.insert(int(rng.integers(len(result) + 1)), row)
    return result


def _break(row: RawRow, columns: FaultColumns, kind: int, rng: np.random.Generator) -> None:
    if kind % 4 == 0:
        row[columns.product] = columns.alien_products[int(rng.integers(len(columns.alien_products)))]
    elif kind % 4 == 1:
        row[columns.impressions] = -abs(int(row[columns.impressions]))
    elif kind % 4 == 2:
        row[columns.clicks] = int(row[columns.impressions]) + 1 + int(rng.integers(50))
    else:
        row[columns.date] = f"{row[columns.date][:5]}13-{row[columns.date][8:]}"


def encode_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Plain CSV with a header line."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def gzip_bytes(content: bytes) -> bytes:
    """Gzip without a time stamp: the same rows give the same bytes."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def ratio(top: float, bottom: float, digits: int, empty: Any) -> Any:
    """A rounded quotient, or what the network prints where it is undefined."""
    return round(top / bottom, digits) if bottom else empty
