"""The export gate: what may not be in a table or file that leaves the pipeline, and the refusal if it is.

Looked for are personal data in texts, counts of customers that are too small to show, columns that never leave by
their name, and private values by what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from rmn_pipeline.governance.errors import ExportRefused
from rmn_pipeline.governance.export.contents import Part, read_contents
from rmn_pipeline.governance.export.private_data import PrivateData
from rmn_pipeline.governance.pii.scan import scan_named_texts

FindingKind = Literal["personal_data", "small_cell", "blocked_field", "private_value"]

DEFAULT_K = 100
PLACES_SHOWN = 3
FINDINGS_SHOWN = 12
# What names persons or places by the column itself, whatever stands in it.
PERSONAL_FIELDS: tuple[str, ...] = (
    "customer_id",
    "customer_email",
    "customer_name",
    "date_of_birth",
    "email",
    "email_address",
    "first_name",
    "geo_detail",
    "household_id",
    "ip_address",
    "last_name",
    "loyalty_id",
    "phone",
    "phone_number",
    "postal_address",
    "ssn",
    "street_address",
)
_PEOPLE = frozenset(
    {"customer", "customers", "shopper", "shoppers", "household", "households", "buyer", "buyers"}
    | {"user", "users", "people", "persons"}
)
# A share, a limit or an id of customers is no count of them.
_NO_COUNT = frozenset(
    {
        "id",
        "ids",
        "key",
        "name",
        "share",
        "rate",
        "ratio",
        "percent",
        "pct",
        "per",
        "min",
        "max",
        "minimum",
        "maximum",
    }
    | {
        "limit",
        "threshold",
        "k",
        "cost",
        "revenue",
        "usd",
        "value",
        "note",
        "notes",
        "type",
        "segment",
        "new",
    }
)

_HOW: Mapping[FindingKind, str] = {
    "personal_data": "redact the texts (rmn_pipeline.governance.pii.redact) or drop the column",
    "small_cell": "merge the cells into larger ones, or leave them out together with one more, so that no total tells",
    "blocked_field": "drop the column",
    "private_value": "take it out, or keep the export with the owner of the value",
}


@dataclass(frozen=True)
class ExportRules:
    """What an export is held to.

    `blocked_fields` are names of columns and keys, compared without regard to case and word marks; a name's tail
    counts too, as in `product.margin`. Counts of customers from 1 to `k` - 1 are too small to show. `private` is
    everybody's private data but the receiver's. Columns in `unchecked_texts` are not searched for personal data:
    for ids that look like it.
    """

    blocked_fields: tuple[str, ...] = PERSONAL_FIELDS
    k: int = DEFAULT_K
    private: tuple[PrivateData, ...] = ()
    unchecked_texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that may not leave: what, where, how often, and how to mend it. Values are never shown."""

    kind: FindingKind
    what: str
    where: str
    count: int
    how: str

    def __str__(self) -> str:
        often = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.what} in {self.where}{often}: {self.how}"


def check_export(export: pl.DataFrame | Path | str, rules: ExportRules) -> list[Finding]:
    """Everything in a table or file that may not leave.

    Raises:
        ExportRefused: the file is missing, broken, or of a kind that cannot be looked into.
        GovernanceDependencyError: Presidio is not installed.
    """
    tally: dict[tuple[FindingKind, str, str], _Tally] = {}
    for part in read_contents(export):
        for sight in _sights(part, rules):
            tally.setdefault((sight.kind, sight.what, sight.group), _Tally()).add(sight.place)
    return [
        Finding(kind, what, counted.where, counted.count, _HOW[kind])
        for (kind, what, _), counted in sorted(tally.items())
    ]


def require_clean_export(
    export: pl.DataFrame | Path | str, rules: ExportRules, *, name: str | None = None
) -> None:
    """Let an export pass, or refuse it.

    Raises:
        ExportRefused: something in it may not leave; says what, where and how to mend it.
    """
    findings = check_export(export, rules)
    if findings:
        shown = name or ("the table" if isinstance(export, pl.DataFrame) else str(export))
        raise ExportRefused(refusal_text(shown, findings))


def refusal_text(name: str, findings: list[Finding]) -> str:
    """A refusal as it is told: the first findings in full, the others as a number."""
    lines = [f"  {finding}" for finding in findings[:FINDINGS_SHOWN]]
    if len(findings) > FINDINGS_SHOWN:
        lines.append(f"  and {len(findings) - FINDINGS_SHOWN} more")
    return "\n".join([f"{name} may not leave the pipeline:", *lines])


@dataclass
class _Tally:
    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """Count one more, and remember where the first ones are."""
        self.count += 1
        if len(self.places) < PLACES_SHOWN:
            self.places.append(place)

    @property
    def where(self) -> str:
        """The first places."""
        return "; ".join(self.places) + ("; …" if self.count > len(self.places) else "")


@dataclass(frozen=True)
class _Sight:
    """One thing seen; `group` is what it is counted together with."""

    kind: FindingKind
    what: str
    group: str
    place: str


def _sights(part: Part, rules: ExportRules) -> Iterator[_Sight]:
    yield from _blocked_fields(part, rules.blocked_fields)
    yield from _small_cells(part, rules.k)
    yield from _personal_data(part, rules.unchecked_texts)
    for private in rules.private:
        yield from _private_values(part, private)


def _blocked_fields(part: Part, blocked: Iterable[str]) -> Iterator[_Sight]:
    forbidden = {"_".join(words_of(name)) for name in blocked}
    for column in part.frame.columns:
        words = words_of(column)
        tails = {"_".join(words[place:]) for place in _tail_places(column, words)}
        if tails & forbidden and part.frame.height:
            yield _Sight(
                "blocked_field", f"the blocked field {column!r}", column, _header_place(part, column)
            )


def _tail_places(column: str, words: list[str]) -> list[int]:
    """Where a name's own part begins: at its beginning, and after every dot."""
    places, passed = [0], 0
    for part in column.split(".")[:-1]:
        passed += len(words_of(part))
        places.append(passed)
    return [place for place in places if place < len(words)]


def _header_place(part: Part, column: str) -> str:
    return f"column {column}" if part.places is None else part.places[0]


def words_of(name: str) -> list[str]:
    """The words of a column's name, in lower case, whatever marks or capitals separate them."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z]+|\d+", spaced.lower())


def is_customer_count(name: str) -> bool:
    """Whether a column's name says that it counts persons."""
    words = set(words_of(name))
    return bool(words & _PEOPLE) and not words & _NO_COUNT


def _small_cells(part: Part, k: int) -> Iterator[_Sight]:
    for column in filter(is_customer_count, part.frame.columns):
        numbers = part.frame[column].cast(pl.String).str.replace_all(",", "").cast(pl.Float64, strict=False)
        for row in ((numbers > 0) & (numbers < k)).arg_true():
            yield _Sight("small_cell", f"a count of customers below {k}", column, part.place(row, column))


def _personal_data(part: Part, unchecked: Iterable[str]) -> Iterator[_Sight]:
    skipped = set(unchecked)
    for column, dtype in part.frame.schema.items():
        if column in skipped or dtype not in (pl.String, pl.Categorical, pl.Enum):
            continue
        for row, spans in scan_named_texts(part.frame[column]):
            for entity_type in sorted({span.entity_type for span in spans}):
                yield _Sight(
                    "personal_data", f"personal data ({entity_type})", column, part.place(row, column)
                )


def _private_values(part: Part, private: PrivateData) -> Iterator[_Sight]:
    """Private values in rows as a whole: a figure is told by what stands beside it."""
    if part.frame.is_empty() or not part.frame.columns:
        return
    rows = part.frame.select(
        pl.concat_str(
            [pl.col(name).cast(pl.String) for name in part.frame.columns], separator="\n", ignore_nulls=True
        )
    ).to_series()
    for row in _worth_reading(rows, private):
        for match in private.matches(rows[row]):
            yield _Sight("private_value", match.what, match.what, part.place(row))


def _worth_reading(rows: pl.Series, private: PrivateData) -> Iterator[int]:
    """Rows in which a private value may stand; in plain ASCII rows a needle has to be there word for word."""
    if not private.needles:
        yield from range(rows.len() if private.figures else 0)
        return
    # A needle's first word: the blanks between words may be written otherwise.
    first_words = sorted({re.split(r"[\s_-]+", needle)[0] for needle in private.needles})
    may = rows.str.contains_any(first_words, ascii_case_insensitive=True) | rows.str.contains(
        r"[^\x00-\x7F]|%|&"
    )
    yield from may.arg_true()
