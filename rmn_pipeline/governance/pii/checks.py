"""Check digits and number plans: what makes a run of digits a card, a product code, an IBAN or a device."""

from __future__ import annotations

from stdnum import ean, luhn
from stdnum.exceptions import ValidationError

# Card schemes by the first digits (inclusive ranges of equal length) and the lengths they issue.
# Source: the issuers' published identification numbers under ISO/IEC 7812.
_SCHEMES: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 19})),
    ("51", "55", frozenset({16})),
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),
    ("37", "37", frozenset({15})),
    ("6011", "6011", frozenset(range(16, 20))),
    ("644", "659", frozenset(range(16, 20))),
    ("3528", "3589", frozenset(range(16, 20))),
    ("35", "35", frozenset({16})),
    ("2131", "2131", frozenset({15})),
    ("1800", "1800", frozenset({15})),
    ("300", "305", frozenset(range(14, 20))),
    ("3095", "3095", frozenset(range(14, 20))),
    ("36", "36", frozenset(range(14, 20))),
    ("38", "39", frozenset(range(14, 20))),
    ("62", "62", frozenset(range(16, 20))),
    ("2200", "2204", frozenset(range(16, 20))),
    ("60", "60", frozenset({16})),
    ("81", "82", frozenset({16})),
    ("5018", "5018", frozenset(range(12, 20))),
    ("5020", "5020", frozenset(range(12, 20))),
    ("5038", "5038", frozenset(range(12, 20))),
    ("5612", "5612", frozenset(range(12, 20))),
    ("5893", "5893", frozenset(range(12, 20))),
    ("56", "58", frozenset(range(16, 20))),
    ("6304", "6304", frozenset(range(12, 20))),
    ("6390", "6390", frozenset(range(12, 20))),
    ("6759", "6759", frozenset(range(12, 20))),
    ("6761", "6763", frozenset(range(12, 20))),
)
_GTIN_LENGTHS = frozenset({12, 13, 14})

# Country and length of its IBANs. Source: the IBAN registry that SWIFT publishes for ISO 13616.
_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
    "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
    "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
IBAN_LENGTHS: dict[str, int] = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}


def passes_luhn(digits: str) -> bool:
    """Whether the digits pass the Luhn check and are not one digit throughout."""
    return len(set(digits)) > 1 and luhn.is_valid(digits)


def is_card_number(digits: str) -> bool:
    """Whether a card scheme issues numbers that begin so and are so long, and the check digit is right."""
    issued = any(
        low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _SCHEMES
    )
    return issued and passes_luhn(digits)


def is_product_code(digits: str) -> bool:
    """Whether the digits are a UPC, EAN or GTIN-14 with a right check digit."""
    if len(digits) not in _GTIN_LENGTHS:
        return False
    try:
        ean.validate(digits.zfill(14))
    except ValidationError:
        return False
    return True


def is_iban(compact: str) -> bool:
    """Whether a compact upper-case text is an IBAN: known country, its length, right check digits (mod 97-10)."""
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact[2:4].isdigit():
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1
