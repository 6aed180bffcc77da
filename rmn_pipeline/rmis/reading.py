"""One value of every row, read from the cells that hold it: typed values, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from rmn_pipeline.rmis.cells import Cells, only_where
from rmn_pipeline.rmis.dates import UTC, read_dates, read_timestamps
from rmn_pipeline.rmis.faults import Fault, fault_at, fault_for_all
from rmn_pipeline.rmis.mapping import ColumnRule, ColumnType, Mapping
from rmn_pipeline.rmis.models import EVENTS_SCHEMA, RMISRecord, enumerated_values, value_pattern
from rmn_pipeline.rmis.numbers import NUMERIC_TYPES, NumberStyle, number_style, read_numbers, to_whole
from rmn_pipeline.rmis.values import clean_text, extract_part, map_values, read_booleans

_TYPE_OF: dict[pl.DataType, ColumnType] = {
    pl.String(): "text",
    pl.Int64(): "int",
    pl.Float64(): "decimal",
    pl.Date(): "date",
    pl.Boolean(): "bool",
    pl.Datetime("us", UTC): "timestamp",
}
_DTYPE_OF: dict[ColumnType, pl.DataType] = {
    "text": pl.String(),
    "int": pl.Int64(),
    "decimal": pl.Float64(),
    "money": pl.Float64(),
    "percent": pl.Float64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", UTC),
}
_TEXT = pl.col("text")


def column_type(name: str, column: ColumnRule) -> ColumnType:
    """The declared type, or the one that the RMIS field asks for; an input without a type is text."""
    if column.type is not None:
        return column.type
    return _TYPE_OF[EVENTS_SCHEMA[name]] if name in EVENTS_SCHEMA else "text"


def value_dtype(name: str, column: ColumnRule) -> pl.DataType:
    """What a field or an input holds in the end."""
    return EVENTS_SCHEMA[name] if name in EVENTS_SCHEMA else _DTYPE_OF[column_type(name, column)]


def is_required(name: str) -> bool:
    """Does RMIS demand a value here?"""
    return name in RMISRecord.model_fields and RMISRecord.model_fields[name].is_required()


def admissible_only(name: str, values: pl.Series) -> pl.Series:
    """The values, null where RMIS does not know them: neither listed nor fitting the field's pattern."""
    if name not in RMISRecord.model_fields:
        return values
    allowed, pattern = enumerated_values(RMISRecord, name), value_pattern(RMISRecord, name)
    if allowed:
        return only_where(values.is_in(list(allowed)), values)
    return values if pattern is None else only_where(values.str.contains(pattern), values)


@dataclass(frozen=True)
class Read:
    """One value per row, and the faults found on the way; a row with a fault has no value."""

    values: pl.Series
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class _Step:
    """Values of a step on the way, and how the step calls what it could not read."""

    values: pl.Series
    rule: str
    # What stands before and behind the text in the message.
    said: tuple[str, str]


@dataclass(frozen=True)
class Reading:
    """How one field or input is read, compiled from its rule."""

    name: str
    column: ColumnRule
    kind: ColumnType
    dtype: pl.DataType
    style: NumberStyle
    clean: pl.Expr
    required: bool

    @property
    def purpose(self) -> str:
        """What a report's column is wanted for."""
        return f"the {'field' if self.name in EVENTS_SCHEMA else 'input'} '{self.name}'"

    @property
    def reads_rows(self) -> bool:
        """Numbers differ from row to row, so each is read where it stands; other texts repeat."""
        return self.kind in NUMERIC_TYPES and self.column.extract is None and self.column.values is None

    def read(self, cells: Cells) -> Read:
        """The typed values of all rows."""
        start, steps = self._texts(cells.values)
        typed = self._typed(steps[-1].values if steps else start)
        steps.append(_Step(typed, "invalid", ("'", f"' is no valid {self.name}")))
        steps += self._listed(typed)
        faults = list(self._faults(cells, start, steps))
        spread = cells.spread(steps[-1].values)
        if spread.null_count() and (self.required or self.column.default is not None):
            return self._filled(spread, faults)
        return Read(spread, tuple(faults))

    def _texts(self, values: pl.Series) -> tuple[pl.Series, list[_Step]]:
        """Cleaned text and the steps from it to the text that will be typed; numbers clean what they must."""
        extract, mapped = self.column.extract, self.column.values is not None
        if extract is None and not mapped and self._reads_uncleaned(values.dtype):
            return values, []
        text = _as_text(values).to_frame("text").select(self.clean.alias("text"))
        start, steps = text["text"], []
        if extract is not None:
            text = text.select(extract_part(_TEXT, extract).alias("text"))
            steps.append(_Step(text["text"], "extract", (f"no {self.name} in '", "'")))
        if mapped:
            text = text.select(map_values(_TEXT, self.column).alias("text"))
            steps.append(_Step(text["text"], "unmapped", ("'", f"' is no known {self.name}")))
        return start, steps

    def _reads_uncleaned(self, dtype: pl.DataType) -> bool:
        if self.kind in NUMERIC_TYPES:
            return dtype == pl.String or dtype.is_numeric()
        return self.kind in ("date", "timestamp") and dtype.is_temporal()

    def _typed(self, values: pl.Series) -> pl.Series:
        if self.kind in NUMERIC_TYPES:
            return self._cast(read_numbers(values, self.clean, self.style))
        if values.dtype.is_temporal():
            return self._of_temporal(values)
        if self.kind == "text":
            return values
        read = {
            "bool": read_booleans,
            "date": lambda text: read_dates(text, self.column),
            "timestamp": lambda text: read_timestamps(text, self.column),
        }[self.kind]
        return values.to_frame("text").select(read(_TEXT)).to_series()

    def _cast(self, numbers: pl.Series) -> pl.Series:
        if self.dtype == pl.Int64 and numbers.dtype == pl.Float64:
            return to_whole(numbers)
        return numbers.cast(self.dtype)

    def _of_temporal(self, values: pl.Series) -> pl.Series:
        """Parquet has dates and moments of its own."""
        if self.kind == "date":
            return values.cast(pl.Date, strict=False)
        moments = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None)), strict=False)
        if moments.dtype == pl.Datetime("us", None):
            ambiguous = "null" if self.column.ambiguous == "reject" else self.column.ambiguous
            zone = self.column.time_zone or UTC
            moments = moments.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
        return moments.dt.convert_time_zone(UTC)

    def _listed(self, typed: pl.Series) -> list[_Step]:
        """Fields with listed values or a pattern hold nothing else; a closed value map was checked before."""
        if self.column.values is not None and self.column.unmapped != "keep":
            return []
        admissible = admissible_only(self.name, typed)
        if admissible is typed:
            return []
        return [_Step(admissible, "in_set", ("'", f"' is no RMIS {self.name}"))]

    def _faults(self, cells: Cells, start: pl.Series, steps: list[_Step]) -> Iterator[Fault]:
        before = start
        for step in steps:
            lost = step.values.is_null() & before.is_not_null() if step.values.null_count() else None
            if lost is not None and lost.any():
                yield from self._lost(cells, before, lost.arg_true(), step)
            before = step.values

    def _lost(self, cells: Cells, before: pl.Series, chosen: pl.Series, step: _Step) -> Iterator[Fault]:
        texts = _as_text(before.gather(chosen))
        if step.rule == "invalid" and before is cells.values:
            # Not cleaned yet: what the network writes for 'nothing' is empty, not wrong.
            texts = texts.to_frame("text").select(self.clean).to_series()
            chosen, texts = chosen.filter(texts.is_not_null()), texts.drop_nulls()
        before_text, after_text = step.said
        yield fault_at(cells, f"{step.rule}.{self.name}", chosen, before_text + texts + after_text)

    def _filled(self, spread: pl.Series, faults: list[Fault]) -> Read:
        """Empty cells get the default; without one they are a fault where RMIS demands a value."""
        empty = spread.is_null()
        for fault in faults:
            empty = empty.scatter(fault.rows, False)
        if self.column.default is not None:
            default = pl.Series([self.column.default]).cast(self.dtype).new_from_index(0, spread.len())
            return Read(default.zip_with(empty, spread), tuple(faults))
        message = f"{self.name} is empty (from '{self.column.sources[0]}')"
        return Read(spread, (*faults, fault_for_all(f"not_null.{self.name}", empty.arg_true(), message)))


def _as_text(values: pl.Series) -> pl.Series:
    return values if values.dtype == pl.String else values.cast(pl.String, strict=False)


def compile_reading(mapping: Mapping, name: str, column: ColumnRule) -> Reading:
    """The reading of one field or input under a mapping's marks and words for 'nothing'."""
    kind = column_type(name, column)
    marks = NumberStyle(kind, mapping.numbers.decimal_mark, mapping.numbers.thousands_mark)
    return Reading(
        name=name,
        column=column,
        kind=kind,
        dtype=value_dtype(name, column),
        style=number_style(column, kind, marks),
        clean=clean_text(_TEXT, mapping.source.null_values),
        required=is_required(name),
    )
