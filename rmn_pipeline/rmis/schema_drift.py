"""How a network's reports changed: columns that came, went or were renamed, and values that are written otherwise.

Reports are compared in the order in which they were made, the previous delivery with the present one, and all with
the columns that the mapping reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rmn_pipeline.rmis.column_likeness import Renaming, renamings
from rmn_pipeline.rmis.detectors import Anomaly, AnomalySeverity
from rmn_pipeline.rmis.feed_profile import Edition, FeedProfile, FileColumn, FileTraits
from rmn_pipeline.rmis.mapping import Mapping as RetailerMapping
from rmn_pipeline.rmis.mapping_columns import ColumnRule

_NAMES_TOLD = 6
# A file with fewer values says little about a column.
_LEAST_VALUES = 20
# Almost a factor of ten between the medians of two files: another unit, not another month.
_UNIT_CHANGE = 0.9
_NULL_RISE = 0.2
# One column's traits in every file that has it, in order.
_History = list[tuple[FileTraits, FileColumn]]
# What a column may become without a loss: the mapping reads both.
_HARMLESS = frozenset({("integer", "decimal"), ("decimal", "integer")})


@dataclass(frozen=True)
class ReadColumns:
    """What a mapping reads: per field the headers of which one must be there.

    Args:
        aliases: field to headers.
        optional: fields that may be missing.
    """

    aliases: Mapping[str, Sequence[str]]
    optional: frozenset[str] = frozenset()

    def fields_of(self, header: Sequence[str]) -> dict[str, str]:
        """The columns of a header that are read, each with its field."""
        known = {folded(name): field for field, names in self.aliases.items() for name in names}
        return {name: known[folded(name)] for name in header if folded(name) in known}

    def missing(self, header: Sequence[str]) -> list[str]:
        """Fields that must be there and have no column in a header."""
        present = {folded(name) for name in header}
        return [
            field
            for field, names in self.aliases.items()
            if field not in self.optional and not any(folded(name) in present for name in names)
        ]


def columns_read_by(mapping: RetailerMapping) -> ReadColumns:
    """What a retailer's mapping reads from the report itself; side files and file names are none of it."""
    elsewhere = (*(f"{name}." for name in mapping.joins), *(["file."] if mapping.source.name_pattern else []))
    rules = _column_rules(mapping)
    aliases = {field: rule.sources for field, rule in rules.items()} | {"sku_id": mapping.sku.sources}
    aliases |= {f"joins.{name}.{key}": [key] for name, join in mapping.joins.items() for key in join.key}
    aliases |= {f"dedupe_key.{name}": [name] for name in mapping.dedupe_key or []}
    in_report = {
        field: [name for name in names if not name.startswith(elsewhere)] for field, names in aliases.items()
    }
    return ReadColumns(
        {field: names for field, names in in_report.items() if names},
        frozenset(field for field, rule in rules.items() if rule.optional),
    )


def _column_rules(mapping: RetailerMapping) -> dict[str, ColumnRule]:
    sections = {"": mapping.columns, "inputs.": mapping.inputs}
    sections |= {f"families.{name}.": family.columns for name, family in mapping.families.items()}
    return {
        f"{prefix}{field}": rule
        for prefix, section in sections.items()
        for field, rule in section.items()
        if isinstance(rule, ColumnRule)
    }


def folded(name: str) -> str:
    """A header without the differences that mean nothing: case and outer blanks."""
    return name.strip().casefold()


def find_drift(current: FeedProfile, previous: FeedProfile | None, reads: ReadColumns) -> list[Anomaly]:
    """Everything in which the reports changed, or do not fit what is read from them."""
    return [
        *_missing_fields(current, reads),
        *_header_changes(current, previous, reads),
        *_file_changes(current, previous, reads),
        *_unread_columns(current, reads),
    ]


def _files_of(profile: FeedProfile, edition: int) -> list[FileTraits]:
    return [file for file in profile.files if file.edition == edition]


def _told_names(names: Sequence[str]) -> str:
    told = ", ".join(map(repr, names[:_NAMES_TOLD]))
    return told if len(names) <= _NAMES_TOLD else f"{told} and {len(names) - _NAMES_TOLD} more"


def _missing_fields(current: FeedProfile, reads: ReadColumns) -> Iterator[Anomaly]:
    for index, edition in enumerate(current.editions):
        for name in reads.missing(edition.header):
            files = _files_of(current, index)
            yield Anomaly(
                f"missing_column.{name}",
                "error",
                f"{files[0].name} has no column for {name}: the mapping knows "
                f"{_told_names(list(reads.aliases[name]))}"
                + (f" ({len(files)} files with this header)" if len(files) > 1 else ""),
                rows=sum(file.rows for file in files),
            )


def _unread_columns(current: FeedProfile, reads: ReadColumns) -> Iterator[Anomaly]:
    if current.editions:
        header = current.editions[-1].header
        unread = [name for name in header if name not in reads.fields_of(header)]
        if unread:
            yield Anomaly(
                "unread_columns",
                "info",
                f"{len(unread)} of {len(header)} columns are not read by the mapping: {_told_names(unread)}",
            )


def _header_changes(
    current: FeedProfile, previous: FeedProfile | None, reads: ReadColumns
) -> Iterator[Anomaly]:
    """Every edition against the one before it; what the previous delivery did not have is news."""
    known = {edition.header for edition in previous.editions} if previous else set()
    chain = [(edition, index) for index, edition in enumerate(current.editions)]
    before = previous.editions[-1] if previous and previous.editions else None
    if before is not None and before.header in {edition.header for edition in current.editions}:
        before = None
    for edition, index in chain:
        if before is not None and before.header != edition.header:
            yield from _header_change(
                before, edition, _files_of(current, index), reads, is_news=edition.header not in known
            )
        before = edition


def _header_change(
    old: Edition, new: Edition, files: Sequence[FileTraits], reads: ReadColumns, *, is_news: bool
) -> Iterator[Anomaly]:
    gone = [column for column in old.columns if column.name not in new.header]
    added = [column for column in new.columns if column.name not in old.header]
    since = f"from {files[0].name} on" if files else "now"
    if not gone and not added:
        moved = [name for name, other in zip(new.header, old.header, strict=True) if name != other]
        yield Anomaly(
            "columns_reordered", "info", f"{len(moved)} columns stand elsewhere {since}: {_told_names(moved)}"
        )
        return
    severity: AnomalySeverity = "warn" if is_news else "info"
    pairs = renamings(gone, added)
    if pairs:
        yield Anomaly("columns_renamed", severity, f"renamed {since}? {_told_pairs(pairs, reads, old)}")
    paired = {name for pair in pairs for name in (pair.old, pair.new)}
    for code, columns in (("columns_gone", gone), ("columns_added", added)):
        names = [column.name for column in columns if column.name not in paired]
        if names:
            what = "are gone" if code == "columns_gone" else "are new"
            yield Anomaly(code, severity, f"{len(names)} columns {what} {since}: {_told_names(names)}")


def _told_pairs(pairs: Sequence[Renaming], reads: ReadColumns, old: Edition) -> str:
    fields = reads.fields_of(old.header)
    ordered = sorted(pairs, key=lambda pair: (pair.old not in fields, -pair.score))
    told = [
        f"{pair.old!r} to {pair.new!r}"
        + (f" for {fields[pair.old]}" if pair.old in fields else "")
        + f" (likeness {pair.score:.2f}: name {pair.name_score:.2f}, values {pair.value_score:.2f})"
        for pair in ordered[: 2 * _NAMES_TOLD]
    ]
    rest = len(pairs) - len(told)
    return "; ".join(told) + (f"; and {rest} more" if rest else "")


def _file_changes(
    current: FeedProfile, previous: FeedProfile | None, reads: ReadColumns
) -> Iterator[Anomaly]:
    """Changes from one file to the next: how it is written, and what its columns hold."""
    present = {file.name for file in current.files}
    earlier = [file for file in (previous.files if previous else ()) if file.name not in present]
    files = [*earlier, *current.files]
    for trait in ("format", "encoding", "delimiter"):
        yield from _trait_changes(trait, files)
    known = {file.name for file in previous.files} if previous else set()
    is_read = {name for edition in current.editions for name in reads.fields_of(edition.header)}
    for name, history in _histories(files).items():
        severity: AnomalySeverity = "warn" if name in is_read else "info"
        yield from _kind_changes(name, history, severity)
        yield from _unit_changes(name, history, severity)
        yield from _emptied(name, history, known, severity)


def _histories(files: Sequence[FileTraits]) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    for file in files:
        for column in file.columns:
            histories.setdefault(column.name, []).append((file, column))
    return histories


def _trait_changes(trait: str, files: Sequence[FileTraits]) -> Iterator[Anomaly]:
    given = [(file, getattr(file, trait)) for file in files if getattr(file, trait) is not None]
    for (_, before), (file, now) in pairwise(given):
        if before != now:
            yield Anomaly(
                f"changed_{trait}", "warn", f"{trait} is {now!r} from {file.name} on, {before!r} before"
            )


def _kind_changes(name: str, history: _History, severity: AnomalySeverity) -> Iterator[Anomaly]:
    given = [
        (file, f"{column.kind} {column.date_form}".strip())
        for file, column in history
        if column.values >= _LEAST_VALUES
    ]
    for (_, before), (file, now) in pairwise(given):
        if before != now and (before, now) not in _HARMLESS:
            yield Anomaly(
                f"changed_type.{name}",
                severity,
                f"{name!r} holds {now} values from {file.name} on, {before} before",
            )


def _unit_changes(name: str, history: _History, severity: AnomalySeverity) -> Iterator[Anomaly]:
    """Magnitudes that jump by a power of ten: cents for dollars, percent points for fractions, micros."""
    given = [
        (file, column.log10_median)
        for file, column in history
        if column.values >= _LEAST_VALUES and column.log10_median is not None
    ]
    for (_, before), (file, now) in pairwise(given):
        if abs(now - before) >= _UNIT_CHANGE:
            yield Anomaly(
                f"changed_unit.{name}",
                severity,
                f"values of {name!r} are about {10.0 ** round(now - before):,g} times as large from {file.name} on "
                f"(median {10**now:,.4g}, {10**before:,.4g} before): another unit?",
            )


def _emptied(name: str, history: _History, known: set[str], severity: AnomalySeverity) -> Iterator[Anomaly]:
    """Files new to us in which a column is empty far more often than in the others."""
    for file, column in history:
        others = [other.null_share for its, other in history if its.name != file.name and its.rows]
        if file.name in known or file.rows < _LEAST_VALUES or not others:
            continue
        usual = float(np.median(others))
        if column.null_share - usual > _NULL_RISE:
            yield Anomaly(
                f"emptied_column.{name}",
                severity,
                f"{name!r} is empty in {column.null_share:.0%} of the {file.rows} rows of {file.name}, in "
                f"{usual:.0%} of a file usually",
                rows=file.rows - column.values,
            )
