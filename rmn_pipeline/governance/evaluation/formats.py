"""How people write personal data: one maker per format, each marked as seen in development or held out.

Belongs here: values and nothing around them. The held-out formats were fixed before any recognizer was written and
are never looked at when recognizers are changed; a format moves from one list to the other only with a new set.
All values are drawn at random; none belongs to a person.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal
from urllib.parse import quote

Split = Literal["development", "held_out"]
Maker = Callable[[Random], str]

# Per type the formats of both splits.
Formats = Mapping[str, Mapping[Split, tuple[Maker, ...]]]

_FIRST = (
    "anna", "ben", "carla", "david", "elena", "farid", "grace", "hugo", "ines", "jonas", "kira", "liam",
    "maya", "noah", "olga", "paul", "quinn", "rosa", "sam", "tara", "umar", "vera", "will", "xenia", "yusuf", "zoe",
)  # fmt: skip
_LAST = (
    "adler", "baker", "costa", "dubois", "evans", "fischer", "garcia", "hansen", "ito", "jensen", "kowalski",
    "lopez", "meyer", "novak", "olsen", "park", "rossi", "silva", "turner", "usman", "vogel", "weber", "young",
)  # fmt: skip
_HOSTS = (
    "gmail", "yahoo", "outlook", "mailbox", "proton", "example", "northmail", "bluepost", "inboxly", "harbor",
    "qpost", "acme-foods", "fieldworks", "sunmail",
)  # fmt: skip
_TLDS: Mapping[Split, tuple[str, ...]] = {
    "development": ("com", "net", "org", "de", "co.uk", "io", "fr"),
    "held_out": ("com", "shop", "com.au", "edu", "pl", "photography", "co.jp", "info", "us"),
}


def digits(rng: Random, count: int) -> str:
    """Draw `count` decimal digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


def hexadecimal(rng: Random, count: int) -> str:
    """Draw `count` lower-case hexadecimal digits."""
    return "".join(rng.choice("0123456789abcdef") for _ in range(count))


def uuid_text(rng: Random) -> str:
    """Draw a lower-case UUID of version 4."""
    raw = hexadecimal(rng, 32)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{rng.choice('89ab')}{raw[17:20]}-{raw[20:]}"


def luhn_complete(body: str) -> str:
    """Append the digit that makes `body` pass the Luhn check (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(body)):
        value = int(char) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def gtin_complete(body: str) -> str:
    """Append the GS1 check digit to `body` (weights 3 and 1 from the right)."""
    total = sum(int(char) * (3 if place % 2 == 0 else 1) for place, char in enumerate(reversed(body)))
    return body + str(-total % 10)


# --- e-mail ----------------------------------------------------------------------------------------------------


def _host(rng: Random, split: Split) -> str:
    return f"{rng.choice(_HOSTS)}.{rng.choice(_TLDS[split])}"


def _label(rng: Random) -> str:
    return rng.choice(_HOSTS).replace("-", "")


def _plain_email(rng: Random, split: Split = "development") -> str:
    return f"{rng.choice(_FIRST)}{rng.choice(('.', '_', '', '-'))}{rng.choice(_LAST)}@{_host(rng, split)}"


_EMAIL_DEVELOPMENT: tuple[Maker, ...] = (
    _plain_email,
    lambda rng: f"{rng.choice(_FIRST)[0]}{rng.choice(_LAST)}{rng.randint(1, 99)}@{_host(rng, 'development')}",
    lambda rng: f"{rng.choice(_FIRST)}+{rng.choice(('news', 'shop', 'deals'))}@{_host(rng, 'development')}",
    lambda rng: f"{rng.choice(_FIRST)}@mail.{_host(rng, 'development')}",
    lambda rng: _plain_email(rng).upper(),
)
_EMAIL_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: _plain_email(rng, "held_out"),
    lambda rng: f"o'{rng.choice(_LAST)}@{_host(rng, 'held_out')}",
    lambda rng: f"{rng.choice(string.ascii_lowercase)}@{_host(rng, 'held_out')}",
    lambda rng: f"{digits(rng, 9)}@{rng.choice(('163', 'qq', '126'))}.com",
    lambda rng: f"{rng.choice(_FIRST).title()}{rng.choice(_LAST).title()}@{_host(rng, 'held_out')}",
    lambda rng: (
        f"{rng.choice(_FIRST)}.{rng.choice(string.ascii_lowercase)}.{rng.choice(_LAST)}@{_host(rng, 'held_out')}"
    ),
    lambda rng: f"_{rng.choice(_LAST)}_@{_host(rng, 'held_out')}",
    lambda rng: f"{rng.choice(_FIRST)}@xn--{_label(rng)}-{hexadecimal(rng, 3)}.{rng.choice(('com', 'de'))}",
    lambda rng: f"{rng.choice(_FIRST)}@a.b.{_host(rng, 'held_out')}",
    lambda rng: f"{rng.choice(_FIRST)}.{rng.choice(_LAST)}@bücher{rng.randint(1, 9)}.de",
)

_CYRILLIC = {
    "a": "а",
    "e": "е",
    "o": "о",
    "c": "с",
    "p": "р",
    "x": "х",
    "y": "у",
    "i": "і",
    "s": "ѕ",
    "j": "ј",
}
_GREEK = {"o": "ο", "a": "α", "v": "ν", "p": "ρ", "i": "ι", "k": "κ", "t": "τ", "u": "υ", "n": "η"}


def _swap(rng: Random, text: str, table: Mapping[str, str], most: int = 4) -> str:
    """Replace one to `most` letters by look-alikes; at least one where there is any."""
    places = [place for place, char in enumerate(text) if char in table]
    for place in rng.sample(places, min(len(places), rng.randint(1, most))):
        text = text[:place] + table[text[place]] + text[place + 1 :]
    return text


def _insert(rng: Random, text: str, mark: str) -> str:
    place = rng.randint(1, len(text) - 1)
    return text[:place] + mark + text[place:]


def _math_letters(text: str) -> str:
    return "".join(chr(0x1D400 + ord(char) - 97 + 26) if "a" <= char <= "z" else char for char in text)


def _spelled(rng: Random, at: str, dot: str, split: Split) -> str:
    return _plain_email(rng, split).replace("@", at).replace(".", dot)


_OBFUSCATED_DEVELOPMENT: tuple[Maker, ...] = (
    lambda rng: _plain_email(rng).replace("@", "%40"),
    lambda rng: _plain_email(rng).replace("@", "%2540"),
    lambda rng: _swap(rng, _plain_email(rng), _CYRILLIC),
    lambda rng: _plain_email(rng).replace("@", "＠"),
    lambda rng: _insert(rng, _plain_email(rng), "\u200b"),
    lambda rng: _spelled(rng, " [at] ", " [dot] ", "development"),
    lambda rng: _plain_email(rng).replace("@", "(at)"),
)
_OBFUSCATED_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: _swap(rng, _plain_email(rng, "held_out"), _GREEK),
    lambda rng: _math_letters(f"{rng.choice(_FIRST)}{rng.choice(_LAST)}") + "@" + _host(rng, "held_out"),
    lambda rng: quote(_plain_email(rng, "held_out"), safe="").replace(".", "%2E"),
    lambda rng: f"{rng.choice(_FIRST)}%2B{rng.choice(('list', 'vip'))}%40{_host(rng, 'held_out')}",
    lambda rng: _insert(rng, _plain_email(rng, "held_out"), "\u00ad"),
    lambda rng: _insert(rng, _plain_email(rng, "held_out"), "\u2060"),
    lambda rng: _plain_email(rng, "held_out").replace("@", rng.choice(("&#64;", "&#x40;", "&commat;"))),
    lambda rng: _spelled(rng, " at ", " dot ", "held_out"),
    lambda rng: _spelled(rng, " AT ", " DOT ", "held_out"),
    lambda rng: _spelled(rng, "{at}", "{dot}", "held_out"),
    lambda rng: _plain_email(rng, "held_out").replace("@", "<at>"),
    lambda rng: _plain_email(rng, "held_out").replace("@", "﹫"),
    lambda rng: _plain_email(rng, "held_out").replace("@", " @ "),
    lambda rng: "".join(
        chr(ord(char) + 0xFEE0) if char.isalpha() else char for char in _plain_email(rng, "held_out")
    ),
    lambda rng: _insert(rng, _swap(rng, _plain_email(rng, "held_out"), _CYRILLIC, 8), "\u200d"),
)

# --- cards -----------------------------------------------------------------------------------------------------


def _card(rng: Random, prefix: str, length: int) -> str:
    return luhn_complete(prefix + digits(rng, length - 1 - len(prefix)))


def _grouped(number: str, sizes: tuple[int, ...], mark: str) -> str:
    parts, start = [], 0
    for size in sizes:
        parts.append(number[start : start + size])
        start += size
    return mark.join(part for part in [*parts, number[start:]] if part)


def _by_four(number: str, mark: str) -> str:
    return _grouped(number, (4,) * (len(number) // 4), mark)


_CARD_DEVELOPMENT: tuple[Maker, ...] = (
    lambda rng: _card(rng, "4", 16),
    lambda rng: _by_four(_card(rng, "4", 16), " "),
    lambda rng: _by_four(_card(rng, "4", 16), "-"),
    lambda rng: _by_four(_card(rng, str(rng.randint(51, 55)), 16), rng.choice(" -")),
    lambda rng: _grouped(_card(rng, rng.choice(("34", "37")), 15), (4, 6, 5), rng.choice(" -")),
    lambda rng: _card(rng, rng.choice(("34", "37")), 15),
    lambda rng: _by_four(_card(rng, rng.choice(("6011", "65")), 16), " "),
    lambda rng: _card(rng, str(rng.randint(2221, 2720)), 16),
    lambda rng: _card(rng, rng.choice(("5018", "5020", "6304")), 12),
)
_CARD_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: _by_four(_card(rng, str(rng.randint(2221, 2720)), 16), rng.choice((" ", "-", "."))),
    lambda rng: _card(rng, str(rng.randint(3528, 3589)), 16),
    lambda rng: _card(rng, rng.choice(("2131", "1800")), 15),
    lambda rng: _card(rng, rng.choice(("5018", "5038", "6759", "6763")), 12),
    lambda rng: _card(rng, rng.choice(("5020", "5893", "6304", "6761")), rng.choice((13, 14, 16, 18, 19))),
    lambda rng: _grouped(
        _card(rng, rng.choice(("300", "305", "36", "38")), 14), (4, 6, 4), rng.choice(("", " ", "-"))
    ),
    lambda rng: _by_four(_card(rng, "62", rng.choice((16, 19))), rng.choice(("", " "))),
    lambda rng: _by_four(_card(rng, "4", 19), rng.choice(("", " "))),
    lambda rng: _card(rng, "4", 13),
    lambda rng: _by_four(_card(rng, str(rng.randint(51, 55)), 16), "\u00a0"),
    lambda rng: _by_four(_card(rng, "4", 16), "  "),
    lambda rng: _grouped(_card(rng, rng.choice(("34", "37")), 15), (4, 6, 5), "."),
    lambda rng: _by_four(_card(rng, "644", 16), rng.choice(("", "-", " "))),
)

# --- phones ----------------------------------------------------------------------------------------------------


def _us_parts(rng: Random) -> tuple[str, str, str]:
    area = f"{rng.randint(2, 9)}{rng.randint(0, 8)}{rng.randint(2, 9)}"
    return area, f"{rng.randint(2, 9)}{digits(rng, 2)}", digits(rng, 4)


def _us(form: str) -> Maker:
    return lambda rng: form.format(*_us_parts(rng), x=rng.randint(2, 9999))


def _shaped(form: str) -> Maker:
    """Fill every `#` of a form with a digit and every `*` with one from 1 to 9."""

    def make(rng: Random) -> str:
        drawn = (
            digits(rng, 1) if char == "#" else str(rng.randint(1, 9)) if char == "*" else char
            for char in form
        )
        return "".join(drawn)

    return make


_PHONE_DEVELOPMENT: tuple[Maker, ...] = (
    _us("({}) {}-{}"),
    _us("{}-{}-{}"),
    _us("{}.{}.{}"),
    _us("+1 {} {} {}"),
    _us("+1-{}-{}-{}"),
    _us("1-{}-{}-{}"),
    _us("{}-{}-{} x{x}"),
    _us("{}{}{}"),
    _shaped("+44 20 7### ####"),
    _shaped("+49 30 9#####"),
    _shaped("+33 1 4# ## ## ##"),
)
_PHONE_HELD_OUT: tuple[Maker, ...] = (
    _us("001-{}-{}-{}"),
    _us("+1 ({}) {}-{} ext. {x}"),
    _us("({}){}{}"),
    _us("({}){}-{}"),
    _us("{}/{}-{}"),
    _us("{} {} {}"),
    _us("{}\u2011{}\u2011{}"),
    _us("tel:+1{}{}{}"),
    _us("+1{}{}{}"),
    _us("1 ({}) {}-{}"),
    _us("{}.{}.{} ext {x}"),
    _us("{}{}{}"),
    _shaped("07#00 9####*"),
    _shaped("030 9*####"),
    _shaped("0*#1 4###-###"),
    _shaped("01 4# ## ## ##"),
    _shaped("+33 (0)1 4# ## ## ##"),
    _shaped("04*# ### ###"),
    _shaped("+91 98### #####"),
    _shaped("03-3###-####"),
    _shaped("+34 6## ## ## ##"),
    _shaped("(11) 9####-####"),
    _shaped("+86 138 #### ####"),
    _shaped("+52 55 #### ####"),
    _shaped("+44 (0) 161 4## ####"),
    _shaped("0044 20 7### ####"),
)

# --- social security numbers -----------------------------------------------------------------------------------


def _ssn_parts(rng: Random) -> tuple[str, str, str]:
    area = rng.choice(
        [number for number in (rng.randint(1, 899), rng.randint(1, 665)) if number != 666] or [123]
    )
    return f"{area:03d}", f"{rng.randint(1, 99):02d}", f"{rng.randint(1, 9999):04d}"


def _ssn(mark: str) -> Maker:
    return lambda rng: mark.join(_ssn_parts(rng))


def _ocr(table: Mapping[str, str], most: int) -> Maker:
    def make(rng: Random) -> str:
        for _ in range(1000):
            clean = "-".join(_ssn_parts(rng))
            damaged = _swap(rng, clean, table, most)
            if damaged != clean:
                return damaged
        raise ValueError("no digit of the table was drawn")

    return make


_SSN_DEVELOPMENT: tuple[Maker, ...] = (_ssn("-"), _ssn("-"), _ssn(" "))
_SSN_HELD_OUT: tuple[Maker, ...] = (_ssn("-"), _ssn(" "), _ssn("."), _ssn("\u2013"), _ssn(" - "))
# Nine bare digits are also an item id: a person too needs the word beside them, so they only appear with it.
_SSN_CUED_DEVELOPMENT: tuple[Maker, ...] = (_ssn(""),)
_SSN_CUED_HELD_OUT: tuple[Maker, ...] = (_ssn(""), lambda rng: "{}{}-{}".format(*_ssn_parts(rng)))
_OCR_DEVELOPMENT: tuple[Maker, ...] = (
    _ocr({"1": "l", "0": "O"}, 3),
    _ocr({"1": "I"}, 2),
    _ocr({"0": "o", "5": "S"}, 2),
)
_OCR_HELD_OUT: tuple[Maker, ...] = (
    _ocr({"8": "B"}, 3),
    _ocr({"2": "Z", "5": "s"}, 3),
    _ocr({"1": "|"}, 3),
    _ocr({"6": "G", "9": "g"}, 2),
    _ocr({"1": "l", "0": "O", "5": "S", "8": "B"}, 4),
    _ocr({"0": "D"}, 2),
)

# --- addresses on the net, accounts, streets, devices ------------------------------------------------------------


def _ipv4(rng: Random) -> str:
    return ".".join(
        str(part)
        for part in (rng.choice((23, 66, 81, 172, 192, 203)), *(rng.randint(0, 255) for _ in range(3)))
    )


def _ipv6(rng: Random, groups: int = 8) -> str:
    return ":".join(["2001", *(hexadecimal(rng, 4) for _ in range(groups - 1))])


_IP_DEVELOPMENT: tuple[Maker, ...] = (_ipv4, _ipv4, _ipv6)
_IP_HELD_OUT: tuple[Maker, ...] = (
    _ipv4,
    lambda rng: _ipv6(rng, 4) + "::" + hexadecimal(rng, 4),
    lambda rng: "fe80::" + _ipv6(rng, 4)[5:],
    lambda rng: _ipv6(rng).upper(),
    lambda rng: "::ffff:" + _ipv4(rng),
)


def _iban(rng: Random, country: str, body: str) -> str:
    filled = "".join(
        digits(rng, 1) if char == "#" else rng.choice(string.ascii_uppercase) if char == "@" else char
        for char in body
    )
    number = "".join(str(int(char, 36)) for char in filled + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{filled}"


_IBAN_DEVELOPMENT: tuple[Maker, ...] = (
    lambda rng: _iban(rng, "DE", "#" * 18),
    lambda rng: _by_four(_iban(rng, "GB", "@@@@" + "#" * 14), " "),
    lambda rng: _by_four(_iban(rng, "FR", "#" * 23), " "),
)
_IBAN_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: _iban(rng, "NL", "@@@@" + "#" * 10),
    lambda rng: _by_four(_iban(rng, "ES", "#" * 20), " "),
    lambda rng: _iban(rng, "IT", "@" + "#" * 22),
    lambda rng: _by_four(_iban(rng, "CH", "#" * 17), " "),
    lambda rng: _iban(rng, "NO", "#" * 11),
    lambda rng: _by_four(_iban(rng, "AT", "#" * 16), "-"),
    lambda rng: _iban(rng, "PL", "#" * 24).lower(),
)

_STREET_NAMES = (
    "Oak",
    "Maple",
    "Cedar Hill",
    "Washington",
    "Lake View",
    "Elm",
    "Park",
    "Sunset",
    "River",
    "Mill",
)


def _street(rng: Random, suffixes: tuple[str, ...]) -> str:
    return f"{rng.randint(1, 9999)} {rng.choice(_STREET_NAMES)} {rng.choice(suffixes)}"


_STREET_DEVELOPMENT: tuple[Maker, ...] = (
    lambda rng: _street(rng, ("Street", "Avenue", "Road", "Drive")),
    lambda rng: _street(rng, ("St", "Ave", "Rd.", "Blvd")) + f", Apt {rng.randint(1, 40)}",
    lambda rng: f"{rng.randint(100, 9999)} NW {rng.randint(3, 99)}th St",
    lambda rng: f"PO Box {rng.randint(10, 9999)}",
)
_STREET_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: _street(rng, ("Lane", "Court", "Place", "Terrace", "Way", "Pkwy", "Cir")),
    lambda rng: _street(rng, ("Ln", "Ct.", "Pl")) + f" Unit {rng.randint(1, 40)}{rng.choice('ABC')}",
    lambda rng: f"{rng.randint(1, 299)}B {rng.choice(_STREET_NAMES)} Street",
    lambda rng: f"{rng.randint(1, 299)} rue de la {rng.choice(('Paix', 'Gare', 'Poste'))}",
    lambda rng: (
        f"{rng.choice(('Haupt', 'Bahnhof', 'Garten'))}{rng.choice(('straße', 'strasse'))} {rng.randint(1, 120)}"
    ),
    lambda rng: f"P.O. Box {rng.randint(10, 9999)}",
    lambda rng: f"{rng.randint(100, 9999)} {rng.choice(_STREET_NAMES)} Ave NW",
    lambda rng: (
        f"{rng.choice(('Calle', 'Via'))} {rng.choice(('Mayor', 'Roma', 'Alcala', 'Verdi'))} {rng.randint(1, 90)}"
    ),
    lambda rng: f"{rng.randint(100, 9999)} S. {rng.choice(_STREET_NAMES)} Hwy",
)


def _mac(rng: Random, mark: str) -> str:
    return mark.join(hexadecimal(rng, 2) for _ in range(6))


def _imei(rng: Random) -> str:
    return luhn_complete("35" + digits(rng, 12))


_DEVICE_DEVELOPMENT: tuple[Maker, ...] = (
    lambda rng: "idfa=" + uuid_text(rng).upper(),
    lambda rng: "gaid: " + uuid_text(rng),
    lambda rng: _mac(rng, ":"),
    lambda rng: "IMEI " + _imei(rng),
)
_DEVICE_HELD_OUT: tuple[Maker, ...] = (
    lambda rng: "advertising id " + uuid_text(rng),
    lambda rng: "AAID=" + uuid_text(rng),
    lambda rng: _mac(rng, "-").upper(),
    lambda rng: "device_id: " + hexadecimal(rng, 32),
    lambda rng: "imei: " + _grouped(_imei(rng), (2, 6, 6), "-"),
    lambda rng: "maid:" + uuid_text(rng).upper(),
    lambda rng: _grouped(hexadecimal(rng, 11) + "a", (4, 4), "."),
)
# What of a device format is context and not the value itself.
DEVICE_CUES = ("idfa=", "gaid: ", "IMEI ", "advertising id ", "AAID=", "device_id: ", "imei: ", "maid:")

FORMATS: Formats = {
    "EMAIL_ADDRESS": {"development": _EMAIL_DEVELOPMENT, "held_out": _EMAIL_HELD_OUT},
    "EMAIL_ADDRESS/obfuscated": {"development": _OBFUSCATED_DEVELOPMENT, "held_out": _OBFUSCATED_HELD_OUT},
    "CREDIT_CARD": {"development": _CARD_DEVELOPMENT, "held_out": _CARD_HELD_OUT},
    "PHONE_NUMBER": {"development": _PHONE_DEVELOPMENT, "held_out": _PHONE_HELD_OUT},
    "US_SSN": {"development": _SSN_DEVELOPMENT, "held_out": _SSN_HELD_OUT},
    "US_SSN/cued": {"development": _SSN_CUED_DEVELOPMENT, "held_out": _SSN_CUED_HELD_OUT},
    "US_SSN/ocr": {"development": _OCR_DEVELOPMENT, "held_out": _OCR_HELD_OUT},
    "IP_ADDRESS": {"development": _IP_DEVELOPMENT, "held_out": _IP_HELD_OUT},
    "IBAN_CODE": {"development": _IBAN_DEVELOPMENT, "held_out": _IBAN_HELD_OUT},
    "STREET_ADDRESS": {"development": _STREET_DEVELOPMENT, "held_out": _STREET_HELD_OUT},
    "DEVICE_ID": {"development": _DEVICE_DEVELOPMENT, "held_out": _DEVICE_HELD_OUT},
}


@dataclass(frozen=True)
class DrawnValue:
    """A value as it stands in a text: what comes before it that is not part of it, and the value."""

    lead: str
    value: str


def draw_value(rng: Random, group: str, split: Split) -> DrawnValue:
    """Draw a value of a group (a type, or a type with a variant after a slash) in one of the split's formats."""
    text = rng.choice(FORMATS[group][split])(rng)
    for lead in (*DEVICE_CUES, "tel:"):
        if text.startswith(lead):
            return DrawnValue(lead, text.removeprefix(lead))
    return DrawnValue("", text)
