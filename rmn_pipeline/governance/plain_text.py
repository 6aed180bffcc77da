"""One plain form of a text to match on, with every character's place in the original.

Undone here is what hides personal data from patterns: percent-encoding (twice over too), HTML entities, characters
that are not seen, compatibility forms (fullwidth, mathematical), accents, digits and dashes of other scripts, and
letters of other alphabets that look Latin.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

# What of a plain ASCII text is encoded; without it, an ASCII text is its own plain form.
ENCODED = r"%[0-9A-Fa-f]{2}|&#?[0-9A-Za-z]{2,8};"

_ENCODED = re.compile(ENCODED)
_PERCENT_RUN = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{2,8};")
# Twice-encoded text is common in logged URLs; deeper nesting is not followed.
_PERCENT_ROUNDS = 3

# Look-alikes of Latin letters that compatibility decomposition leaves as they are. Source: the visually identical
# pairs among Unicode's confusables (UTS #39) for the alphabets that e-mail spoofing uses.
_LOOKALIKES = {
    # Cyrillic
    "а": "a", "А": "A", "В": "B", "в": "b", "с": "c", "С": "C", "ԁ": "d", "е": "e", "Е": "E", "ё": "e", "ɡ": "g",
    "һ": "h", "Н": "H", "н": "h", "і": "i", "І": "I", "ї": "i", "ј": "j", "Ј": "J", "к": "k", "К": "K", "ӏ": "l",
    "М": "M", "м": "m", "п": "n", "о": "o", "О": "O", "р": "p", "Р": "P", "ԛ": "q", "г": "r", "ѕ": "s", "Ѕ": "S",
    "т": "t", "Т": "T", "у": "y", "У": "Y", "ѵ": "v", "ѡ": "w", "ԝ": "w", "х": "x", "Х": "X", "Ү": "Y", "ү": "y",
    # Greek
    "α": "a", "Α": "A", "Β": "B", "β": "b", "ϲ": "c", "Ε": "E", "ε": "e", "Η": "H", "η": "n", "Ι": "I", "ι": "i",
    "ϳ": "j", "Κ": "K", "κ": "k", "Μ": "M", "Ν": "N", "ν": "v", "Ο": "O", "ο": "o", "Ρ": "P", "ρ": "p", "σ": "o",
    "Τ": "T", "τ": "t", "υ": "u", "Υ": "Y", "χ": "x", "Χ": "X", "Ζ": "Z", "ω": "w", "γ": "y",
    # Armenian, Cherokee and Latin extensions
    "ո": "n", "օ": "o", "ս": "u", "հ": "h", "ց": "g", "զ": "q", "ա": "w", "Ꭺ": "A", "Ꭼ": "E", "Ꮋ": "H", "Ꮃ": "W",
    "ı": "i", "ɑ": "a", "ɩ": "i", "ʋ": "v", "ƒ": "f", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "ħ": "h",
    "ƅ": "b", "ɴ": "n", "ʀ": "r", "ꜱ": "s", "ᴀ": "a", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ᴊ": "j", "ᴋ": "k", "ᴍ": "m",
    "ᴏ": "o", "ᴘ": "p", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v", "ᴡ": "w", "ᴢ": "z", "ɪ": "i", "ʏ": "y", "ʟ": "l", "ɢ": "g",
    # Letters that stand for two
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE",
    # Signs
    "′": "'", "’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "⁄": "/", "∕": "/", "−": "-", "․": ".",
    "。": ".", "·": ".", "∣": "|", "ǀ": "l",
}  # fmt: skip


@dataclass(frozen=True)
class PlainText:
    """The plain form of a text; `starts[i]:ends[i]` is where its character i stands in the original."""

    text: str
    starts: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the original."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def plain_form(text: str) -> PlainText:
    """The plain form of `text`; the text itself where there is nothing to undo."""
    encoded = _ENCODED.search(text) is not None
    if text.isascii() and not encoded:
        return PlainText(text)
    chars = list(text)
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    if encoded:
        chars, starts, ends = _decoded(text)
    out: list[str] = []
    out_starts: list[int] = []
    out_ends: list[int] = []
    for char, start, end in zip(chars, starts, ends, strict=True):
        for plain in _plain_character(char):
            out.append(plain)
            out_starts.append(start)
            out_ends.append(end)
    return PlainText("".join(out), tuple(out_starts), tuple(out_ends))


def _decoded(text: str) -> tuple[list[str], list[int], list[int]]:
    chars, starts, ends = list(text), list(range(len(text))), list(range(1, len(text) + 1))
    for pattern, decode in ((_PERCENT_RUN, _percent_decoded),) * _PERCENT_ROUNDS + (
        (_ENTITY, html.unescape),
    ):
        chars, starts, ends = _replaced(pattern, decode, chars, starts, ends)
    return chars, starts, ends


def _replaced(
    pattern: re.Pattern[str],
    decode: Callable[[str], str],
    chars: list[str],
    starts: list[int],
    ends: list[int],
) -> tuple[list[str], list[int], list[int]]:
    """Put decoded characters in the place of every match; each of them stands for the whole match."""
    joined = "".join(chars)
    out: list[str] = []
    out_starts: list[int] = []
    out_ends: list[int] = []
    position = 0
    for found in pattern.finditer(joined):
        decoded = decode(found.group())
        if decoded == found.group():
            continue
        out += chars[position : found.start()]
        out_starts += starts[position : found.start()]
        out_ends += ends[position : found.start()]
        out += decoded
        out_starts += [starts[found.start()]] * len(decoded)
        out_ends += [ends[found.end() - 1]] * len(decoded)
        position = found.end()
    return out + chars[position:], out_starts + starts[position:], out_ends + ends[position:]


def _percent_decoded(run: str) -> str:
    content = bytes.fromhex(run.replace("%", ""))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Not URL-encoded text after all, or of another encoding: it stays as it was written.
        return run


@lru_cache(maxsize=8192)
def _plain_character(char: str) -> str:
    """What stands for one character: nothing for an unseen one, one or more ASCII characters for a look-alike."""
    if char.isascii():
        return char
    return "".join(_plain_part(part) for part in unicodedata.normalize("NFKD", _LOOKALIKES.get(char, char)))


def _plain_part(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me"):
        return ""
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    return _LOOKALIKES.get(char, char)
