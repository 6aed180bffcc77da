"""What a text must hold before a recognizer looks at it, in patterns that Python and Polars read alike.

A gate is a choice of conditions; a condition is a set of patterns that must all be found. No look-around and no
back-references: Polars' engine has neither and needs linear time for all of them. Recognizers only ever run behind
their gate, so a text at which every gate stays shut holds nothing that they would find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl

from rmn_pipeline.governance.pii.street_words import (
    FRENCH_STREET_WORDS,
    SOUTHERN_STREET_WORDS,
    STREET_ENDINGS,
    STREET_WORDS,
)
from rmn_pipeline.governance.plain_text import ENCODED

# A digit as scanners misread it: one of its look-alikes, or itself.
DIGIT_LIKE = r"[0-9OoQDIl|!iZzSsGbBgq]"

_NEVER = r"(?!)"


def _scoped(pattern: str) -> str:
    """The pattern with its leading flag bound to itself, so that it can stand in an alternation."""
    return f"(?i:{pattern.removeprefix('(?i)')})" if pattern.startswith("(?i)") else pattern


@dataclass(frozen=True)
class Gate:
    """Opens for a text in which all patterns of any one condition are found."""

    conditions: tuple[tuple[str, ...], ...]
    # Conditions of one pattern are one search together; the others need one search per pattern.
    _alone: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _together: tuple[tuple[re.Pattern[str], ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        alone = "|".join(f"(?:{_scoped(patterns[0])})" for patterns in self.conditions if len(patterns) == 1)
        together = tuple(
            tuple(re.compile(pattern) for pattern in patterns)
            for patterns in self.conditions
            if len(patterns) > 1
        )
        object.__setattr__(self, "_alone", re.compile(alone or _NEVER))
        object.__setattr__(self, "_together", together)

    def opens(self, text: str) -> bool:
        """Whether a recognizer behind this gate has to look at the (plain) text."""
        if self._alone.search(text):
            return True
        return any(all(pattern.search(text) for pattern in patterns) for patterns in self._together)

    def expression(self, texts: pl.Expr) -> pl.Expr:
        """The same over a column of texts."""
        return pl.any_horizontal(
            pl.all_horizontal(texts.str.contains(pattern) for pattern in patterns)
            for patterns in self.conditions
        )


EMAIL_GATE = Gate(
    (
        (r"@",),
        (r"(?i)[\[({<_] ?at ?[\])}>_]",),
        (r"(?i)\bat\b", r"(?i)\bdot\b"),
        (r"(?i)\bat +[a-z]+\.[a-z]",),
    )
)
# Eight digits, each at most three other signs away from the next: the shortest phone; bare SSNs and cards are longer.
NUMBER_GATE = Gate(((r"(?:[0-9][^0-9A-Za-z]{0,3}){7}[0-9]",),))
SSN_GATE = Gate(
    (
        (rf"{DIGIT_LIKE}{{3}}[ .-]{{1,3}}{DIGIT_LIKE}{{2}}[ .-]{{1,3}}{DIGIT_LIKE}{{4}}", r"[0-9]"),
        (r"[0-9]{9}",),
        (r"[0-9]{5}-[0-9]{4}",),
        (r"[0-9]{3}-[0-9]{6}",),
    )
)
IBAN_GATE = Gate(((r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11}",),))
IP_GATE = Gate(
    ((r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",), (r"::",), (r"(?:[0-9A-Fa-f]{1,4}:){6}",))
)
DEVICE_GATE = Gate(
    (
        (r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",),
        (r"(?i)[0-9a-f]{32}",),
        (r"(?i)(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}",),
        (r"(?i)[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}",),
        (r"(?i)\b(?:imei|meid)", r"[0-9]{2}"),
        (r"(?i)android", r"(?i)[0-9a-f]{16}"),
    )
)
STREET_GATE = Gate(
    (
        # A house number, up to five words of a name, the kind of street …
        (rf"(?i)[0-9][a-z]?(?:-[0-9]+)?,? (?:[a-z0-9.'-]+ ){{1,5}}(?:{STREET_WORDS})\b",),
        # … or the kind first, as French and southern addresses have it.
        (rf"(?i)[0-9](?: ?(?:bis|ter))?,? (?:{FRENCH_STREET_WORDS}) ",),
        (rf"(?i)\b(?:{SOUTHERN_STREET_WORDS})\b.* [0-9]",),
        (rf"(?i)(?:{STREET_ENDINGS}) ?[0-9]",),
        (r"(?i)\bbox +[0-9]",),
    )
)
GATES: tuple[Gate, ...] = (
    EMAIL_GATE,
    NUMBER_GATE,
    SSN_GATE,
    IBAN_GATE,
    IP_GATE,
    DEVICE_GATE,
    STREET_GATE,
)
# A text that is not its own plain form is always looked at: gates are about the plain form.
_NOT_PLAIN = r"[^\x00-\x7F]|" + ENCODED


# All gates open: the mark of a text whose plain form has yet to be made.
ALL_OPEN = (1 << len(GATES)) - 1


def open_gates(text: str) -> int:
    """Which gates a plain text opens: bit i for GATES[i]."""
    return sum(1 << place for place, gate in enumerate(GATES) if gate.opens(text))


def open_gates_expression(column: str) -> pl.Expr:
    """The same over a column of texts as they are; 0 for a text in which `detect_pii` would find nothing.

    A text that is not its own plain form gets `ALL_OPEN`: what its plain form opens is not known yet.
    """
    texts = pl.col(column)
    bits = pl.sum_horizontal(
        gate.expression(texts).cast(pl.Int32) * (1 << place) for place, gate in enumerate(GATES)
    )
    is_encoded = texts.str.contains(_NOT_PLAIN)
    return pl.when(is_encoded).then(pl.lit(ALL_OPEN, pl.Int32)).otherwise(bits).fill_null(0)
