"""What a retailer's reports looked like: editions of the header, each column's values, each file's traits.

Kept beside the inventory of landed files, so that the next delivery can be compared with this one. Files with the
same header are one edition and share a profile; of each file only what can drift is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rmn_pipeline.feeds import ReportFacts, ReportSource
from rmn_pipeline.rmis.errors import LakeError
from rmn_pipeline.rmis.report_profile import DEFAULT_NULL_VALUES, ColumnProfile, ReportProfile
from rmn_pipeline.rmis.twin_columns import SumOfParts, Twins, find_sums, find_twins

# A feed whose header changes with every file has no editions; the rest goes into the last one.
_MOST_EDITIONS = 40


@dataclass(frozen=True)
class FileColumn:
    """What can drift in one column of one file."""

    name: str
    kind: str
    null_share: float
    values: int
    date_form: str = ""
    log10_median: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class FileTraits:
    """One report as it was read: when it was made, its edition, how it was written, its columns."""

    name: str
    as_of: date | None
    rows: int
    edition: int
    format: str
    encoding: str | None
    delimiter: str | None
    columns: tuple[FileColumn, ...]


@dataclass(frozen=True)
class Edition:
    """All reports with one header: the columns' profiles, and which of them tell an amount twice."""

    header: tuple[str, ...]
    columns: tuple[ColumnProfile, ...]
    twins: tuple[Twins, ...]
    sums: tuple[SumOfParts, ...]


class FeedProfile(BaseModel):
    """A retailer's reports; editions and files in the order in which the network made them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retailer_id: str
    editions: tuple[Edition, ...]
    files: tuple[FileTraits, ...]


@dataclass(frozen=True)
class _Read:
    source: ReportSource
    as_of: date | None
    facts: ReportFacts
    header: tuple[str, ...]
    columns: tuple[ColumnProfile, ...]


@dataclass
class FeedProfiler:
    """Reads reports to their end and profiles them on the way, a batch at a time.

    Args:
        null_values: texts that stand for nothing.
    """

    null_values: Iterable[str] = DEFAULT_NULL_VALUES
    _profiles: dict[tuple[str, ...], ReportProfile] = field(default_factory=dict)
    _read: list[_Read] = field(default_factory=list)

    def read(self, source: ReportSource, as_of: date | None = None) -> ReportFacts:
        """Read one report; what the reader found out about it."""
        profile = ReportProfile(self.null_values)
        for batch in source.batches():
            profile.update(batch)
        header = profile.header
        if header not in self._profiles and len(self._profiles) >= _MOST_EDITIONS:
            header = next(reversed(self._profiles))
        self._read.append(_Read(source, as_of, source.facts, header, profile.columns()))
        if header in self._profiles:
            self._profiles[header].merge(profile)
        else:
            self._profiles[header] = profile
        return source.facts

    def profile(self, retailer_id: str) -> FeedProfile:
        """Everything that was read."""
        ordered = sorted(self._read, key=lambda read: (read.as_of or date.min, read.source.name))
        headers = list(dict.fromkeys(read.header for read in ordered))
        return FeedProfile(
            retailer_id=retailer_id,
            editions=tuple(_edition(header, self._profiles[header]) for header in headers),
            files=tuple(_traits(read, headers.index(read.header)) for read in ordered),
        )


def _edition(header: tuple[str, ...], profile: ReportProfile) -> Edition:
    numbers = profile.numbers()
    twins = find_twins(numbers)
    return Edition(header, profile.columns(), tuple(twins), tuple(find_sums(numbers, twins)))


def _traits(read: _Read, edition: int) -> FileTraits:
    return FileTraits(
        name=read.source.name,
        as_of=read.as_of,
        rows=read.facts.rows,
        edition=edition,
        format=read.facts.format or read.source.spec.format,
        encoding=read.facts.encoding,
        delimiter=read.facts.delimiter,
        columns=tuple(
            FileColumn(
                column.name,
                column.kind,
                round(column.null_share, 4),
                column.rows - column.nulls,
                column.date_form,
                column.log10_median,
                column.total,
            )
            for column in read.columns
        ),
    )


def _paths(folder: Path, retailer_id: str) -> tuple[Path, Path]:
    return folder / f"{retailer_id}.profile.json", folder / f"{retailer_id}.previous.json"


def write_feed_profile(folder: Path, profile: FeedProfile) -> None:
    """Keep a profile; the one that it replaces stays as the previous one, unless it is the same."""
    current, previous = _paths(folder, profile.retailer_id)
    text = profile.model_dump_json()
    folder.mkdir(parents=True, exist_ok=True)
    if current.is_file():
        kept = current.read_text()
        if kept == text:
            return
        _replace(previous, kept)
    _replace(current, text)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".writing")
    temporary.write_text(text)
    temporary.replace(path)


def read_feed_profile(folder: Path, retailer_id: str) -> FeedProfile:
    """A retailer's profile.

    Raises:
        LakeError: there is none, or it cannot be read.
    """
    path = _paths(folder, retailer_id)[0]
    if not path.is_file():
        raise LakeError(f"{path}: no profile of the feed; materialize raw_feed for '{retailer_id}' first")
    return _parsed(path)


def read_previous_feed_profile(folder: Path, retailer_id: str) -> FeedProfile | None:
    """The profile before the last change; None where nothing has changed yet.

    Raises:
        LakeError: it cannot be read.
    """
    path = _paths(folder, retailer_id)[1]
    return _parsed(path) if path.is_file() else None


def _parsed(path: Path) -> FeedProfile:
    try:
        return FeedProfile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise LakeError(
            f"{path}: is no profile of a feed ({error.error_count()} faults); delete it and materialize raw_feed"
        ) from error
