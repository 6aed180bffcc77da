"""One report sent as several files: which belong together, in which order, and whether one is missing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rmn_pipeline.feeds.byte_streams import Piece
from rmn_pipeline.feeds.errors import FeedError


@dataclass(frozen=True)
class PieceGroup:
    """The pieces of one source, in order, and the source's name: of parts, with * for the part's number."""

    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class _Part:
    piece: Piece
    stem: str
    number: int
    total: int | None


def grouped(pieces: Sequence[Piece], pattern: str | None) -> list[PieceGroup]:
    """The pieces as sources. A part that is missing or doubled is a FeedError that names it."""
    if pattern is None:
        return [PieceGroup(piece.name, (piece,)) for piece in pieces]
    groups: list[PieceGroup] = []
    stems: dict[tuple[str, str], list[_Part]] = {}
    for piece in pieces:
        part = _part(piece, re.compile(pattern))
        if part is None:
            groups.append(PieceGroup(piece.name, (piece,)))
        else:
            # Of two folders' equal names, each is a report of its own.
            stems.setdefault((str(piece.path.parent), part.stem), []).append(part)
    groups.extend(_group(stem, parts) for (_, stem), parts in stems.items())
    return groups


def _part(piece: Piece, pattern: re.Pattern[str]) -> _Part | None:
    found = pattern.search(piece.name)
    if found is None:
        return None
    number = _number(piece, found.group("part"))
    total = found.groupdict().get("total")
    start, end = found.span("part")
    stem = f"{piece.name[:start]}*{piece.name[end:]}"
    return _Part(piece, stem, number, None if total is None else _number(piece, total))


def _number(piece: Piece, text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        raise piece.error(f"its name has {text!r} where `parts` expects a number", "Correct the pattern.")
    return int(text)


def _group(stem: str, parts: list[_Part]) -> PieceGroup:
    where = parts[0].piece.path.parent / stem
    ordered = sorted(parts, key=lambda part: part.number)
    for earlier, later in itertools.pairwise(ordered):
        if earlier.number == later.number:
            names = f"{earlier.piece.name} and {later.piece.name}"
            raise FeedError(where, f"part {later.number} came twice: {names}", "Remove one of them.")
    numbers = {part.number for part in ordered}
    # Some count from 0.
    begin = min(ordered[0].number, 1)
    total = ordered[0].total
    expected = set(range(begin, ordered[-1].number + 1 if total is None else begin + total))
    if missing := sorted(expected - numbers):
        raise FeedError(
            where,
            f"part {', '.join(map(str, missing[:10]))} is missing ({len(numbers)} of {len(expected)} came)",
            "Fetch the missing part.",
        )
    if beyond := sorted(numbers - expected):
        raise FeedError(
            where,
            f"part {beyond[0]} is beyond the {len(expected)} that the names promise",
            "Remove parts of another delivery.",
        )
    return PieceGroup(stem, tuple(part.piece for part in ordered))
