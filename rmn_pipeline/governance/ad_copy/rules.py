"""The language that a network's rules are written in: one pydantic model per kind of rule.

A rule says what it forbids, since when and where that stands. It is data: a new rule is a new entry in a YAML file.
"""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from rmn_pipeline.governance.ad_copy.violations import WORDED_FIELDS, ClaimClass, TextField, ViolationCode

# Where a rule comes from: the network's or the law's own words, somebody's report of them, or this project.
Basis = Literal["published", "secondary", "house"]
Terms = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class RuleModel(BaseModel):
    """What all parts of a rule file share: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rule(RuleModel):
    code: ViolationCode
    source: Annotated[str, Field(min_length=3)]
    #: When the source was read; a retailer's own section has no date.
    as_of: datetime.date | None = None
    basis: Basis = "published"
    message: Annotated[str, Field(min_length=1)]
    fields: Annotated[list[TextField], Field(min_length=1)] = list(WORDED_FIELDS)
    #: None: every placement, category or language of the network.
    placements: list[str] | None = None
    categories: list[str] | None = None


class LengthRule(_Rule):
    """How long a field may be and has to be; some languages have limits of their own."""

    kind: Literal["length"]
    code: ViolationCode = ViolationCode.TOO_LONG
    max_characters: PositiveInt
    max_by_language: dict[str, PositiveInt] = Field(default_factory=dict)


class RequiredRule(_Rule):
    """A field that has to say something."""

    kind: Literal["required"]
    code: ViolationCode = ViolationCode.TOO_SHORT


class _WordingRule(_Rule):
    claim: ClaimClass | None = None
    #: The words are fine where the brand names a proof for them.
    accepts_proof: bool = False
    #: What to put instead; "" takes the words out, None leaves them to a person.
    replace_with: str | None = None


class TermsRule(_WordingRule):
    """Words and phrases that may not stand in the copy; `cure*` also means cures, cured and curing."""

    kind: Literal["terms"]
    terms: Terms


class PatternsRule(_WordingRule):
    """The same by regular expressions, matched without regard to case unless `case_matters`."""

    kind: Literal["patterns"]
    patterns: Terms
    case_matters: bool = False

    @field_validator("patterns")
    @classmethod
    def _compiles(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return patterns


class CharactersRule(_Rule):
    """Characters that may not stand in the copy, each with what stands in for it ("" takes it out)."""

    kind: Literal["characters"]
    forbidden: Annotated[dict[Annotated[str, Field(min_length=1, max_length=1)], str], Field(min_length=1)]


class EmojiRule(_Rule):
    """No pictures among the letters."""

    kind: Literal["emoji"]
    code: ViolationCode = ViolationCode.EMOJI


class CapitalsRule(_Rule):
    """Words in capitals, and a field that is mostly capitals."""

    kind: Literal["capitals"]
    code: ViolationCode = ViolationCode.CAP_WORDS
    #: A word in capitals may have fewer letters than this.
    least_letters: PositiveInt = 4
    acronyms: list[str] = Field(default_factory=list)
    #: At most this share of a field's letters, where the field is longer than `longer_than` characters.
    max_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    longer_than: PositiveInt = 10


class CompetitorsRule(_Rule):
    """The names that the copy itself lists as competitors."""

    kind: Literal["competitors"]
    code: ViolationCode = ViolationCode.COMPETITOR_NAME


class SponsorRule(_Rule):
    """The field has to name the brand that the copy is for."""

    kind: Literal["sponsor"]
    code: ViolationCode = ViolationCode.SPONSOR_NAME_MISMATCH


class DisclaimerRule(_Rule):
    """What has to be said about products of some categories: any of `any_of`, in any field, else `text`."""

    kind: Literal["disclaimer"]
    code: ViolationCode = ViolationCode.DISCLAIMER_MISSING
    categories: Annotated[list[str], Field(min_length=1)]
    any_of: Terms
    text: Annotated[str, Field(min_length=1)]


class CallToActionRule(_Rule):
    """What a button may say."""

    kind: Literal["call_to_action"]
    code: ViolationCode = ViolationCode.AMBIGUOUS_CTA
    fields: list[TextField] = ["call_to_action"]
    allowed: Terms


class LanguageRule(_Rule):
    """Languages that copy may be written in."""

    kind: Literal["language"]
    code: ViolationCode = ViolationCode.LANGUAGE_UNSUPPORTED
    allowed: Terms


class FixedDay(RuleModel):
    """A feast on the same day each year."""

    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]


class NthWeekday(RuleModel):
    """A feast on the n-th weekday (0 is Monday) of a month, or some days after it."""

    month: Annotated[int, Field(ge=1, le=12)]
    weekday: Annotated[int, Field(ge=0, le=6)]
    nth: Annotated[int, Field(ge=1, le=5)]
    plus_days: int = 0


class EasterDay(RuleModel):
    """Easter Sunday, or some days after it."""

    easter_plus_days: int


class SeasonalEvent(RuleModel):
    """A feast: how copy names it, and when it is."""

    terms: Terms
    when: FixedDay | NthWeekday | EasterDay


class SeasonalRule(_Rule):
    """Words of a season are fine until some days after it."""

    kind: Literal["seasonal"]
    code: ViolationCode = ViolationCode.SEASONAL_EVENTS_WORD
    days_after: Annotated[int, Field(ge=0)] = 1
    events: Annotated[list[SeasonalEvent], Field(min_length=1)]


class CategoryRule(_Rule):
    """Products that may not be advertised at all."""

    kind: Literal["prohibited_category"]
    code: ViolationCode = ViolationCode.PROHIBITED_CATEGORY
    categories: Annotated[list[str], Field(min_length=1)]


Rule = Annotated[
    LengthRule
    | RequiredRule
    | TermsRule
    | PatternsRule
    | CharactersRule
    | EmojiRule
    | CapitalsRule
    | CompetitorsRule
    | SponsorRule
    | DisclaimerRule
    | CallToActionRule
    | LanguageRule
    | SeasonalRule
    | CategoryRule,
    Field(discriminator="kind"),
]


class RuleFile(RuleModel):
    """One network's file, or a file that networks include."""

    version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    placements: list[str] = Field(default_factory=list)
    include: list[str] = Field(default_factory=list)
    rules: Annotated[list[Rule], Field(min_length=1)]

    @field_validator("rules")
    @classmethod
    def _dated(cls, rules: list[Rule]) -> list[Rule]:
        for number, rule in enumerate(rules):
            if rule.as_of is None:
                raise ValueError(f"rule {number} ({rule.code}) has no as_of: say when its source was read")
        return rules


class RetailerCopySection(RuleModel):
    """The section `copy` of a retailer's policy.yaml."""

    max_title_characters: PositiveInt
    max_headline_characters: PositiveInt
    max_body_characters: PositiveInt
    banned_terms: list[Annotated[str, Field(min_length=1)]]
