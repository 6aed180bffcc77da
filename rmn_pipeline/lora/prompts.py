"""What the model reads and writes: role markers, one prompt form per task, candidate fields for mapping.

Training, inference and evaluation all render through here, so that a model never meets a form that it was
not trained on.
"""

import re
from collections.abc import Sequence

BEGIN_TOKEN = "<|begin|>"
ANSWER_TOKEN = "<|answer|>"
END_TOKEN = "<|end|>"
PAD_TOKEN = "<|pad|>"
# Plain domain text in pretraining has its own marker, so that the task markers stay reserved for tasks.
PROSE_TOKEN = "<|prose|>"

TASKS: tuple[str, ...] = ("mapping", "planning", "creative", "measurement", "definition")
TASK_TOKENS: dict[str, str] = {task: f"<|{task}|>" for task in TASKS}
ROLE_TOKENS: tuple[str, ...] = (
    PAD_TOKEN,
    BEGIN_TOKEN,
    ANSWER_TOKEN,
    END_TOKEN,
    PROSE_TOKEN,
    *TASK_TOKENS.values(),
)

PLAN_REQUEST_TOOL = "plan_request"
MEASUREMENT_TOOL = "measurement_design"
MEASUREMENT_KEYS: tuple[str, ...] = ("design", "metric", "weeks", "effect")
MEASUREMENT_DESIGNS: tuple[str, ...] = ("geo", "switchback", "ab")
MEASUREMENT_METRICS: tuple[str, ...] = ("incremental_revenue", "iroas", "conversions", "new_to_brand")

NO_FIELD = "none"
CANONICAL_FIELDS: tuple[str, ...] = (
    "date",
    "retailer_id",
    "campaign_id",
    "ad_group_id",
    "placement_type",
    "ad_type",
    "sku_id",
    "audience_id",
    "impressions",
    "clicks",
    "conversions",
    "revenue",
    "cost",
    "currency",
    "title",
    "brand_id",
    "category",
    "line_id",
    "size",
    "price",
    "stock_level",
    "promo_flag",
    "margin",
    "customer_id",
    "geo_detail",
    "creative_text",
)

# Words that hint at a field: only to pick candidates, the model decides.
_FIELD_HINTS: dict[str, str] = {
    "date": "date day time period reporting event dt start week",
    "retailer_id": "retailer merchant banner network store account retailername",
    "campaign_id": "campaign cmp order flight campaignid campaignname lineitem",
    "ad_group_id": "ad group adgroup line item lineitem set",
    "placement_type": "placement page location slot position pagetype inventory",
    "ad_type": "ad type format adtype product creative campaigntype",
    "sku_id": "sku item upc gtin ean asin product id scan code adv advertised barcode",
    "audience_id": "audience segment target shopper group cohort",
    "impressions": "impressions imps views shown impr viewable served display ads",
    "clicks": "clicks click clk taps",
    "conversions": "conversions orders purchases units quantities conv transactions sold attributed",
    "revenue": "revenue sales gmv turnover value attributed amount",
    "cost": "cost spend spent media charge fee billed ad",
    "currency": "currency curr ccy iso code money",
    "title": "title name product item description",
    "brand_id": "brand manufacturer advertiser brandname",
    "category": "category department taxonomy aisle class",
    "line_id": "line range family subbrand series",
    "size": "size pack weight volume count",
    "price": "price unit shelf retail asp",
    "stock_level": "stock inventory available on hand units availability",
    "promo_flag": "promo promotion deal discount flag coupon",
    "margin": "margin profit contribution gross",
    "customer_id": "customer shopper household user member loyalty",
    "creative_text": "creative text copy headline ad message",
    "geo_detail": "geo region zip state dma city postal market",
}


def render_prompt(task: str, prompt: str) -> str:
    """Return the text that the model continues for `task`; the completion is generated right after it."""
    if task not in TASK_TOKENS:
        raise ValueError(f"unknown task {task!r}: use one of {', '.join(TASKS)}")
    return f"{BEGIN_TOKEN}{TASK_TOKENS[task]}{prompt}{ANSWER_TOKEN}"


def render_completion(completion: str) -> str:
    """Return the completion as it is trained on: closed by the end marker."""
    return f"{completion}{END_TOKEN}"


def render_prose(text: str) -> str:
    """Return plain domain text as it is pretrained on."""
    return f"{BEGIN_TOKEN}{PROSE_TOKEN}{text}{END_TOKEN}"


def mapping_prompt(header: str, samples: Sequence[str], candidates: Sequence[str]) -> str:
    """Return the mapping question: a raw column's header, up to three of its values, the fields to choose from.

    `none` is always the last choice; the answer is one of the listed names.
    """
    choices = [field for field in candidates if field != NO_FIELD] + [NO_FIELD]
    values = " | ".join(str(sample)[:24] for sample in list(samples)[:3])
    return f"header: {header}\nvalues: {values}\nfields: {', '.join(choices)}"


def header_words(header: str) -> list[str]:
    """Split a column header into lower-case words, whatever its naming convention."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", header)
    return re.findall(r"[a-z]+|\d+", spaced.lower())


def candidate_fields(header: str, count: int = 6) -> list[str]:
    """Return the `count` canonical fields that look most like `header`, by word and character overlap.

    Deterministic; ties keep the canonical order, so frequent fields come first.
    """
    words = header_words(header)
    grams = _trigrams("".join(words))

    def score(field: str) -> float:
        hints = _FIELD_HINTS[field].split()
        overlap = sum(1.0 for word in words if word in hints)
        field_grams = _trigrams("".join(field.split("_"))) | _trigrams("".join(hints[:3]))
        shared = len(grams & field_grams) / max(1, len(grams | field_grams))
        return overlap + 2.0 * shared

    ranked = sorted(range(len(CANONICAL_FIELDS)), key=lambda index: (-score(CANONICAL_FIELDS[index]), index))
    return [CANONICAL_FIELDS[index] for index in ranked[:count]]


def _trigrams(text: str) -> set[str]:
    padded = f"^{text}$"
    return {padded[start : start + 3] for start in range(max(1, len(padded) - 2))}
