"""Reports as raw text, under the mapping's names: headers matched, side files joined, nothing typed yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from rmn_pipeline.feeds import ReportFormat, ReportSource, date_in_name, read_report
from rmn_pipeline.rmis.errors import HarmonizeError, did_you_mean
from rmn_pipeline.rmis.mapping import AsOfFixed, Join, Mapping
from rmn_pipeline.rmis.values import clean_text

SOURCE_COLUMNS = ("source_file", "source_row")
SKU = "sku_id"


def raw_name(name: str) -> str:
    """Name of the text column that feeds an RMIS field."""
    return f"raw:{name}"


@dataclass(frozen=True)
class RawColumns:
    """Where a report's rows hold the raw text of each RMIS field."""

    as_of: date
    texts: tuple[pl.Expr, ...]
    joins: tuple[tuple[tuple[pl.Expr, ...], pl.DataFrame], ...]
    unmapped_columns: tuple[str, ...]

    def read(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The rows with `as_of`, and one text column per RMIS field, under the mapping's names."""
        for keys, side in self.joins:
            on = [name for name in side.columns if name.startswith("key:")]
            rows = rows.with_columns(keys).join(side.lazy(), on=on, how="left", maintain_order="left")
        kept = ("row:position", *SOURCE_COLUMNS, "source_line")
        return rows.select(*kept, pl.lit(self.as_of, pl.Date).alias("as_of"), *self.texts)


def fold_header(name: str) -> str:
    """Headers are compared without case and with blanks squeezed: networks send ' advertised_asin'."""
    return " ".join(name.replace("\ufeff", "").split()).casefold()


class _Headers:
    """Finds a report's columns by folded name."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.columns = [name for name in columns if name not in SOURCE_COLUMNS]
        self._by_folded: dict[str, list[str]] = {}
        for name in self.columns:
            self._by_folded.setdefault(fold_header(name), []).append(name)
        self.used: set[str] = set()

    def find(self, names: list[str]) -> str | None:
        """The report's own name of the first of `names` that it has."""
        for name in names:
            found = self._by_folded.get(fold_header(name), [])
            if len(found) > 1:
                raise HarmonizeError(
                    f"{self.path}: the columns {found} are the same name but for case or blanks"
                )
            if found:
                self.used.add(found[0])
                return found[0]
        return None

    def demand(self, names: list[str], purpose: str) -> str:
        """The same, where the report must have one of them."""
        found = self.find(names)
        if found is None:
            raise HarmonizeError(
                f"{self.path}: no column {' or '.join(map(repr, names))} for {purpose}; "
                f"{did_you_mean(names[0], self.columns)}"
            )
        return found


@dataclass
class SideFiles:
    """Side files, read once per harmonization."""

    _frames: dict[tuple[str, Path], pl.DataFrame] = field(default_factory=dict)

    def get(self, name: str, join: Join, report: Path) -> pl.DataFrame:
        """The side file of a report: text keys as named in the mapping, taken columns as '<join>.<column>'."""
        path = (report.parent / join.file).resolve()
        if (name, path) not in self._frames:
            self._frames[(name, path)] = self._read(name, join, path)
        return self._frames[(name, path)]

    @staticmethod
    def _read(name: str, join: Join, path: Path) -> pl.DataFrame:
        frame = read_report(path, ReportFormat(join.format, encoding=join.encoding, delimiter=join.delimiter))
        headers = _Headers(path, frame.columns)
        keys = [
            pl.col(headers.demand([key], f"the join '{name}'")).str.strip_chars().alias(f"key:{key}")
            for key in join.key
        ]
        taken = [
            pl.col(headers.demand([column], f"the join '{name}'")).alias(f"{name}.{column}")
            for column in join.take
        ]
        side = frame.select(*keys, *taken).unique(maintain_order=True)
        repeated = side.filter(pl.struct(f"key:{key}" for key in join.key).is_duplicated())
        if not repeated.is_empty():
            key = repeated.row(0)[: len(join.key)]
            raise HarmonizeError(
                f"{path}: the key {join.key} of the join '{name}' has several answers for {key}"
            )
        return side


def _as_of(mapping: Mapping, report: ReportSource) -> date:
    rule = mapping.source.as_of
    if isinstance(rule, AsOfFixed):
        return rule.fixed
    path = report.paths[0]
    found = date_in_name(path, rule.file_name)
    if found is None:
        raise HarmonizeError(
            f"{path}: the file name does not say when the report was made (pattern {rule.file_name})"
        )
    return found


def _text_of(mapping: Mapping, headers: _Headers, sources: list[str], purpose: str) -> pl.Expr:
    """The raw text of a field: from a side file where the name says so, else from the report."""
    for source in sources:
        if source.partition(".")[0] in mapping.joins:
            return pl.col(source)
    return pl.col(headers.demand(sources, purpose)).cast(pl.String)


def _texts(mapping: Mapping, headers: _Headers) -> tuple[pl.Expr, ...]:
    nulls = mapping.source.null_values
    texts = []
    for name, column in mapping.columns.items():
        from_side = any(source.partition(".")[0] in mapping.joins for source in column.sources)
        if column.optional and not from_side and headers.find(column.sources) is None:
            texts.append(pl.lit(None, pl.String).alias(raw_name(name)))
            continue
        text = _text_of(mapping, headers, column.sources, f"the field '{name}'")
        texts.append(clean_text(text, nulls).alias(raw_name(name)))
    product = _text_of(mapping, headers, mapping.sku.sources, "the product")
    texts.append(clean_text(product, nulls).alias(raw_name(SKU)))
    return tuple(texts)


def bind_columns(
    mapping: Mapping, report: ReportSource, columns: Sequence[str], sides: SideFiles
) -> RawColumns:
    """Finds a report's columns, side files and as-of date; HarmonizeError where they do not fit the mapping."""
    path = report.paths[0]
    headers = _Headers(path, list(columns))
    texts = _texts(mapping, headers)
    joins = []
    for name, join in mapping.joins.items():
        keys = tuple(
            pl.col(headers.demand([key], f"the join '{name}'"))
            .cast(pl.String)
            .str.strip_chars()
            .alias(f"key:{key}")
            for key in join.key
        )
        joins.append((keys, sides.get(name, join, path)))
    unused = tuple(name for name in headers.columns if name not in headers.used)
    return RawColumns(_as_of(mapping, report), texts, tuple(joins), unused)
