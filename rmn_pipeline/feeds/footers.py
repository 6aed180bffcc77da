"""Lines after the last row that are no rows: '-- end of report --', 'Downloaded at …', notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from rmn_pipeline.feeds.totals import is_total_label

# More lines than this after the last row are no footer but a second table or a broken file.
MOST_FOOTER_RECORDS = 50
MOST_DECLARED_RECORDS = 1000

_USUAL_FOOTER = re.compile(
    r"\W{2,}|#|\*|©|\(c\)|copyright|(?:-+\s*)?end\b|eof\b|downloaded|generated|created|exported|report|"
    r"fine\b|fin\b|ende\b|scaricato|généré|erstellt|total (?:number of )?rows|rows?:|note",
    re.IGNORECASE,
)


def footer_start(
    count: int,
    cells_of: Callable[[int], Sequence[str]],
    width: int,
    ends_with_line_end: bool,
    pattern: str | None,
    total_labels: tuple[str, ...] | None,
) -> int:
    """Which of `count` records, the last of a file, is the first that belongs to the footer; `count` if none.

    Declared: the first line that the pattern finds. Found: lines of one cell at the very end, and shorter lines
    than the table's after a blank one. A file's last line without a line end may be a row that was cut off, so
    it must begin as footers do.
    """
    if pattern is not None:
        return _declared(count, cells_of, pattern)
    run = _short_run(count, cells_of, width, total_labels)
    if run is None or run == count:
        return count
    blank = next((index for index in range(run, count) if not any(cells_of(index))), None)
    start = _single_cell_run(run, count if blank is None else blank, cells_of)
    if blank is None and not ends_with_line_end and not _USUAL_FOOTER.match(cells_of(count - 1)[0].strip()):
        return count
    return start


def _declared(count: int, cells_of: Callable[[int], Sequence[str]], pattern: str) -> int:
    wanted = re.compile(pattern)
    first = max(count - MOST_DECLARED_RECORDS, 0)
    return next(
        (index for index in range(first, count) if any(map(wanted.search, cells_of(index)))),
        count,
    )


def _short_run(
    count: int, cells_of: Callable[[int], Sequence[str]], width: int, total_labels: tuple[str, ...] | None
) -> int | None:
    """Where the records begin that are all shorter than the table, up to the end; None if they are too many."""
    first = count
    while first:
        cells = cells_of(first - 1)
        if len(cells) >= width or is_total_label(next(filter(None, cells), None), total_labels):
            break
        first -= 1
        if count - first > MOST_FOOTER_RECORDS:
            return None
    return first


def _single_cell_run(first: int, end: int, cells_of: Callable[[int], Sequence[str]]) -> int:
    """Where, before `end`, the records begin that have one cell each."""
    start = end
    while start > first and len(cells_of(start - 1)) == 1:
        start -= 1
    return start
