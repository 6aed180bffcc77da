"""What the columns of a report hold, accumulated batch by batch in bounded memory.

Exact over all rows: counts, empty values, totals, and two random projections of every number column. Columns whose
projections agree are equal in every row (the chance of anything else is nil), and projections add up as the columns
do, so sums of columns can be told without keeping a row. Everything else is read from an even sample of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from rmn_pipeline.rmis.proposals.notation import (
    DecimalMark,
    NumberNotation,
    decimal_votes,
    given_values,
    notation_of,
    number_share,
    to_numbers,
)

Floats = npt.NDArray[np.float64]

# Added by the readers; nothing that the network sent.
READER_COLUMNS = frozenset({"source_file", "source_row", "source_line", "source_total", "source_problem"})
DEFAULT_NULL_VALUES = ("", "-", "--")
SAMPLE_ROWS = 2048
# Inside, headers are prefixed: to Polars, one that is * or ^a.*$ would stand for many columns.
_PREFIX = "sent:"
_PROJECTIONS = 2
_PROJECTION_SEED = 90_210
_NUMBER_SHARE = 0.9
_LARGEST = 1e18
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_DATE_SHARE = 0.9
_SKETCH_VALUES = 128
_SHAPES = 4
# Magnitudes in quarters of a decade, from a thousandth of a cent to a trillion.
_BIN_EDGES = np.arange(-5.0, 12.25, 0.25)
_PLAIN = NumberNotation(".", None, has_currency=False, has_percent=False)


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a report.

    Args:
        name: the header as sent.
        rows: rows that were read.
        nulls: rows in which it is empty.
        kind: integer, decimal, date, text, or empty.
        date_form: how most dates are written, with Y for a year of four digits and 9 for the rest: Y-9-9.
        total: sum over all rows, for numbers.
        log10_median: median magnitude of the numbers that are not zero.
        decimals: digits after the decimal mark, at most.
        bins: share of the numbers per quarter of a decade; the first two are zero and negative.
        shapes: the commonest patterns (letters a, digits 9) with their shares, for what is no number.
        sketch: the smallest hashes of the distinct values, by which two columns' values can be compared.
    """

    name: str
    rows: int
    nulls: int
    kind: str
    date_form: str = ""
    total: float | None = None
    log10_median: float | None = None
    decimals: int = 0
    bins: tuple[float, ...] = ()
    shapes: tuple[tuple[str, float], ...] = ()
    sketch: tuple[str, ...] = ()

    @property
    def null_share(self) -> float:
        """Share of the rows in which the column is empty."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.kind in ("integer", "decimal")


@dataclass(frozen=True)
class NumberTable:
    """The number columns: an even sample of their rows, and their projections over all rows."""

    names: tuple[str, ...]
    sample: Floats
    totals: Floats
    projections: Floats
    rows: int


@dataclass
class _Tally:
    """What is counted of one column over all rows."""

    nulls: int = 0
    notation: NumberNotation | None = None
    total: float = 0.0
    projection: Floats = field(default_factory=lambda: np.zeros(_PROJECTIONS))


class ReportProfile:
    """The profile of one report, or of several with the same columns.

    Args:
        null_values: texts that stand for nothing, beside empty ones.
    """

    def __init__(self, null_values: Iterable[str] = DEFAULT_NULL_VALUES) -> None:
        self._null_values = sorted({"", *null_values})
        self._longest_null = max(len(value.encode()) for value in self._null_values)
        self._rows = 0
        self._tallies: dict[str, _Tally] = {}
        self._sample = pl.DataFrame()
        self._stride = 1
        self._seen = 0
        self._random = np.random.default_rng(_PROJECTION_SEED)

    @property
    def header(self) -> tuple[str, ...]:
        """The columns as sent, in order."""
        return tuple(_header(name) for name in self._tallies)

    @property
    def rows(self) -> int:
        """Rows read so far, total rows left out."""
        return self._rows

    def update(self, batch: pl.DataFrame) -> None:
        """Take in some rows of the report, as a reader gave them. Rows that it marked as totals are left out."""
        if "source_total" in batch.columns:
            batch = batch.filter(~pl.col("source_total").fill_null(False))
        values = pl.DataFrame([_as_text(column) for column in batch if column.name not in READER_COLUMNS])
        for name in values.columns:
            self._tallies.setdefault(name, _Tally(nulls=self._rows))
        self._count_nulls(values)
        self._take_sample(values)
        self._add_numbers(values)
        self._rows += values.height

    def merge(self, other: ReportProfile) -> None:
        """Take in another report's profile."""
        for name, theirs in other._tallies.items():
            mine = self._tallies.setdefault(name, _Tally(nulls=self._rows))
            mine.nulls += theirs.nulls
            mine.notation = mine.notation or theirs.notation
            mine.total += theirs.total
            mine.projection = mine.projection + theirs.projection
        for name in self._tallies.keys() - other._tallies.keys():
            self._tallies[name].nulls += other._rows
        stride = max(self._stride, other._stride)
        samples = [part._sample.gather_every(stride // part._stride) for part in (self, other)]
        self._sample, self._stride = _joined(*samples), stride
        self._rows += other._rows
        self._thin_sample()

    def columns(self) -> tuple[ColumnProfile, ...]:
        """The profile of every column, in the order in which they were sent."""
        return tuple(self._column(name) for name in self._tallies)

    def numbers(self) -> NumberTable:
        """The number columns, for comparing them with one another."""
        names = tuple(name for name, tally in self._tallies.items() if tally.notation is not None)
        sampled = [self._sampled_numbers(name) for name in names]
        return NumberTable(
            tuple(_header(name) for name in names),
            np.column_stack(sampled) if sampled else np.empty((self._sample.height, 0)),
            np.array([self._tallies[name].total for name in names]),
            np.array([self._tallies[name].projection for name in names]).reshape(len(names), _PROJECTIONS),
            self._rows,
        )

    def _count_nulls(self, values: pl.DataFrame) -> None:
        for column in values:
            # Only the shortest texts can stand for nothing: comparing all of them would cost five times as much.
            short = column.filter(column.str.len_bytes() <= self._longest_null)
            nulls = column.null_count() + int(short.is_in(self._null_values).sum())
            self._tallies[column.name].nulls += nulls
        for name in self._tallies.keys() - set(values.columns):
            self._tallies[name].nulls += values.height

    def _take_sample(self, values: pl.DataFrame) -> None:
        first = -self._seen % self._stride
        self._seen += values.height
        self._sample = _joined(self._sample, values.gather_every(self._stride, first))
        self._thin_sample()

    def _thin_sample(self) -> None:
        while self._sample.height > SAMPLE_ROWS:
            self._sample = self._sample.gather_every(2)
            self._stride *= 2

    def _add_numbers(self, values: pl.DataFrame) -> None:
        table_mark = _table_mark(values)
        weights = self._random.standard_normal((values.height, _PROJECTIONS))
        for name in values.columns:
            tally = self._tallies[name]
            if tally.notation is None:
                tally.notation = _notation(self._given(values[name].head(SAMPLE_ROWS)), table_mark)
            if tally.notation is not None and values.height:
                numbers = np.nan_to_num(_numbers(values[name], tally.notation))
                tally.total += float(numbers.sum())
                tally.projection = tally.projection + numbers @ weights

    def _given(self, values: pl.Series) -> pl.Series:
        return given_values(values.filter(~values.is_in(self._null_values).fill_null(True)))

    def _sampled_numbers(self, name: str) -> Floats:
        notation = self._tallies[name].notation
        return _numbers(self._sample[name], notation or _PLAIN)

    def _column(self, name: str) -> ColumnProfile:
        tally = self._tallies[name]
        given = self._given(self._sample[name])
        if given.is_empty():
            return ColumnProfile(_header(name), self._rows, tally.nulls, "empty")
        if tally.notation is None:
            form = _date_form(given)
            return ColumnProfile(
                _header(name),
                self._rows,
                tally.nulls,
                "date" if form else "text",
                date_form=form,
                shapes=_shapes(given),
                sketch=_sketch(given),
            )
        numbers = self._sampled_numbers(name)
        numbers = numbers[np.isfinite(numbers)]
        decimals = _decimals(given, tally.notation)
        return ColumnProfile(
            _header(name),
            self._rows,
            tally.nulls,
            "integer" if decimals == 0 else "decimal",
            total=tally.total,
            log10_median=_log10_median(numbers),
            decimals=decimals,
            bins=_bins(numbers),
            sketch=_sketch(given),
        )


def _as_text(column: pl.Series) -> pl.Series:
    """A column as text: typed formats come typed, and lists and structures have a text form of their own."""
    name, values = _PREFIX + column.name, column.alias("value")
    if values.dtype.is_nested():
        return values.to_frame().select(pl.struct("value").struct.json_encode()).to_series().alias(name)
    return values.cast(pl.String, strict=False).alias(name)


def _header(name: str) -> str:
    return name.removeprefix(_PREFIX)


def _joined(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([left, right], how="diagonal") if left.width else right


def _table_mark(values: pl.DataFrame) -> DecimalMark:
    """How the table writes decimals, where one column alone leaves it open: 1.234 or 1,234."""
    votes = [decimal_votes(given_values(values[name].head(100))) for name in values.columns]
    return "," if sum(comma for _, comma in votes) > sum(point for point, _ in votes) else "."


def _notation(given: pl.Series, table_mark: DecimalMark) -> NumberNotation | None:
    """How a column writes numbers; None where it holds something else, or nothing yet."""
    if given.is_empty() or number_share(given) < _NUMBER_SHARE:
        return None
    return notation_of(given, table_mark)


def _numbers(values: pl.Series, notation: NumberNotation) -> Floats:
    is_plain = notation.decimal_mark == "." and notation.thousands_mark is None
    if is_plain and not (notation.has_currency or notation.has_percent):
        numbers = values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    else:
        numbers = to_numbers(values, notation)
    # Larger than any amount: a fault, which would drown all sums.
    return np.where(np.abs(numbers) <= _LARGEST, numbers, np.nan)


def _date_form(given: pl.Series) -> str:
    """The commonest form of dates; empty where the values are none. Days that do not exist have the form too."""
    days = given.str.extract(rf"^({_DATE})(?:[ T].*)?$")
    if days.null_count() > (1 - _DATE_SHARE) * len(given):
        return ""
    forms = days.drop_nulls().str.replace(r"\d{4}", "Y").str.replace_all(r"\d+", "9")
    return str(forms.value_counts(sort=True)[forms.name][0])


def _decimals(given: pl.Series, notation: NumberNotation) -> int:
    """Digits after the decimal mark, trailing zeros not counted; an integer written 3.0 is an integer."""
    mark = "[.]" if notation.decimal_mark == "." else ","
    digits = given.str.extract(rf"{mark}(\d*?)0*\D*$").str.len_chars()
    return int(digits.fill_null(0).quantile(0.99, "higher") or 0)


def _log10_median(numbers: Floats) -> float | None:
    size = np.abs(numbers[numbers != 0])
    return round(float(np.median(np.log10(size))), 3) if len(size) else None


def _bins(numbers: Floats) -> tuple[float, ...]:
    if len(numbers) == 0:
        return ()
    positive = np.clip(np.log10(numbers[numbers > 0]), _BIN_EDGES[0], _BIN_EDGES[-1])
    counts = np.concatenate(
        [[(numbers == 0).sum(), (numbers < 0).sum()], np.histogram(positive, _BIN_EDGES)[0]]
    )
    return tuple(np.round(counts / len(numbers), 4).tolist())


def _shapes(given: pl.Series) -> tuple[tuple[str, float], ...]:
    """Runs of letters and digits written as one a and as many 9s, at most four."""
    shape = (
        given.str.replace_all(r"\p{L}+", "a").str.replace_all(r"\d", "9").str.replace_all("9{5,}", "99999")
    )
    counted = shape.alias("shape").value_counts(sort=True, normalize=True, name="share").head(_SHAPES)
    return tuple((text[:40], round(share, 4)) for text, share in counted.iter_rows())


def _sketch(given: pl.Series) -> tuple[str, ...]:
    hashes = sorted(
        hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=6).hexdigest()
        for value in given.unique()
    )
    return tuple(hashes[:_SKETCH_VALUES])


def sketch_overlap(left: Sequence[str], right: Sequence[str]) -> float:
    """Share of the smaller set's values that the other holds too, estimated from the smallest hashes of both."""
    if not left or not right:
        return 0.0
    # Beyond the largest hash that a full sketch kept, nothing is known of its column.
    limits = [part[-1] for part in (left, right) if len(part) == _SKETCH_VALUES]
    known = [{value for value in part if all(value <= limit for limit in limits)} for part in (left, right)]
    smaller = min(len(part) for part in known)
    return len(known[0] & known[1]) / smaller if smaller else 0.0
