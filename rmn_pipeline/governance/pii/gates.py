"""What a text must hold before a recognizer looks at it, in patterns that Python and Polars read alike.

A gate is a choice of conditions; a condition is a set of patterns that must all be found. No look-around and no
back-references: Polars' engine has neither and needs linear time for all of them. Recognizers only ever run behind
their gate, so a text at which every gate stays shut holds nothing that they would find.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from rmn_pipeline.governance.pii.normalize import ENCODED

# A digit as scanners misread it: one of its look-alikes, or itself.
DIGIT_LIKE = r"[0-9OoQDIl|!iZzSsGbBgq]"

STREET_WORDS = (
    r"street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|pl|terrace|ter|way|parkway|pkwy|"
    r"circle|cir|highway|hwy|square|sq|trail|trl|alley|crescent|cres|close|loop|plaza"
)
FOREIGN_STREET_WORDS = r"rue|chemin|impasse|quai|allee|calle|avenida|avda|paseo|via|viale|piazza|corso|rua"
STREET_ENDINGS = r"strasse|str\.|weg|platz|gasse|allee"


@dataclass(frozen=True)
class Gate:
    """Opens for a text in which all patterns of any one condition are found."""

    conditions: tuple[tuple[str, ...], ...]
    _compiled: tuple[tuple[re.Pattern[str], ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled = tuple(tuple(re.compile(pattern) for pattern in patterns) for patterns in self.conditions)
        object.__setattr__(self, "_compiled", compiled)

    def opens(self, text: str) -> bool:
        """Whether a recognizer behind this gate has to look at the (plain) text."""
        return any(all(pattern.search(text) for pattern in patterns) for patterns in self._compiled)

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
# Nine digits, each at most three other signs away from the next: the shortest phone, a bare SSN, any card.
NUMBER_GATE = Gate(((r"(?:[0-9][^0-9A-Za-z]{0,3}){8}[0-9]",),))
SSN_GATE = Gate(
    (
        (rf"{DIGIT_LIKE}{{3}}[ .-]{{1,3}}{DIGIT_LIKE}{{2}}[ .-]{{1,3}}{DIGIT_LIKE}{{4}}", r"[0-9]"),
        (r"[0-9]{9}",),
    )
    + ((r"[0-9]{5}-[0-9]{4}",),)
)
IBAN_GATE = Gate(((r"[A-Za-z]{2}[0-9]{2}[ -]?(?:[A-Za-z0-9]{4}[ -]?){2}[A-Za-z0-9]{3}",),))
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
        (rf"(?i)\b(?:{STREET_WORDS}|{FOREIGN_STREET_WORDS})\b", r"[0-9]"),
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


def candidate_expression(column: str, gates: Iterable[Gate] = GATES) -> pl.Expr:
    """Which texts of a column have to be looked at by `detect_pii`; all others hold nothing that it would find."""
    texts = pl.col(column)
    return pl.any_horizontal(
        texts.str.contains(_NOT_PLAIN), *(gate.expression(texts) for gate in gates)
    ).fill_null(False)
