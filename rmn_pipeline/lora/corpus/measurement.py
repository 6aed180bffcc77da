"""Questions about ad effects and the measurement design that answers each of them.

The design follows from what can be varied: regions or stores (geo), time (switchback) or single shoppers (ab).
"""

import json
from dataclasses import dataclass
from random import Random

from rmn_pipeline.lora.corpus import values
from rmn_pipeline.lora.corpus.phrases import view
from rmn_pipeline.lora.prompts import MEASUREMENT_DESIGNS, MEASUREMENT_METRICS

LEADS: tuple[str, ...] = (
    "Did the {what} work?",
    "How do we measure {what} at {retailer}?",
    "We want to know what {what} really adds.",
    "Design a test for {what}.",
    "Is {what} at {retailer} worth the money?",
    "Set up a measurement of {what}.",
    "{brand} asks whether {what} pays off.",
    "What test shows the effect of {what}?",
    "Please plan an experiment on {what} for {brand}.",
    "Find out if {what} is incremental.",
    "Prove that {what} works for {brand}.",
    "I doubt {what}. Test it.",
    "Which design fits {what}?",
    "Measure {what}, please.",
)
WHAT: tuple[str, ...] = (
    "search ads",
    "offsite ads",
    "the home page banner",
    "our display ads",
    "sponsored search",
    "the new creative",
    "category ads",
    "the video test",
    "retargeting",
    "the launch campaign",
    "product page ads",
    "the loyalty audience",
    "bidding higher",
    "the summer push",
)
DESIGN: dict[str, tuple[str, ...]] = {
    "geo": (
        "we can turn ads off in some regions",
        "regions can be switched separately",
        "some cities can be kept dark",
        "ads can be targeted by DMA",
        "we can hold out a few states",
        "stores can be split by area",
        "only whole markets can be varied",
        "the network lets us choose regions",
        "half of the zip codes could get no ads",
        "we may leave out some metro areas",
        "geography is the only lever",
        "no user ids, but regions are available",
        "treat some markets and compare with the others",
        "postal codes can be excluded",
    ),
    "switchback": (
        "we can only turn ads on and off over time",
        "regions cannot be separated, but days can",
        "everything is on or off for all shoppers at once",
        "alternate weeks are possible",
        "the whole network switches at once",
        "we could run it every other day",
        "only the schedule can be changed",
        "on one week, off the next is fine",
        "no regions and no users can be split",
        "time is the only lever",
        "we may pause all ads for some days",
        "it can be toggled by day",
        "the effect fades within a day and we can toggle",
        "flipping it by week is all we can do",
    ),
    "ab": (
        "shoppers can be randomized",
        "the network can split users at random",
        "we can assign each customer to a group",
        "user level holdouts are available",
        "a random half of shoppers sees no ads",
        "individual randomization is possible",
        "loyalty members can be split by coin flip",
        "the retailer offers user-level control groups",
        "each visitor can be assigned to a variant",
        "we can show ghost ads to a control group",
        "households can be randomized one by one",
        "an audience split at random is supported",
        "customer ids can be put into two random groups",
        "visitors can be divided at random",
    ),
}
METRIC: dict[str, tuple[str, ...]] = {
    "incremental_revenue": (
        "incremental revenue",
        "added sales",
        "extra revenue",
        "incremental sales",
        "sales lift",
        "the revenue it adds",
        "lift in sales",
    ),
    "iroas": (
        "iROAS",
        "incremental ROAS",
        "incremental return on ad spend",
        "return on the extra sales per dollar",
        "the true return per ad dollar",
        "incremental return",
        "iroas",
    ),
    "conversions": (
        "conversions",
        "orders",
        "purchases",
        "number of orders",
        "order count",
        "how many orders come in",
        "completed purchases",
    ),
    "new_to_brand": (
        "new-to-brand customers",
        "first-time buyers",
        "new buyers",
        "new to brand",
        "new customers",
        "shoppers who never bought us",
        "people new to the brand",
    ),
}
METRIC_CLAUSES: tuple[str, ...] = (
    "we care about {metric}",
    "the metric is {metric}",
    "look at {metric}",
    "we judge it by {metric}",
    "{metric} matters",
    "read out {metric}",
    "measure {metric}",
)
WEEKS_CLAUSES: tuple[str, ...] = (
    "we have {weeks}",
    "it may run {weeks}",
    "run it for {weeks}",
    "the test can last {weeks}",
    "{weeks} at most",
    "there are {weeks} for it",
    "give it {weeks}",
)
EFFECT_CLAUSES: tuple[str, ...] = (
    "we want to see effects of {share}",
    "a lift of {share} should be detectable",
    "detect {share}",
    "expect about {share} lift",
    "an effect of {share} matters",
    "smallest effect of interest {share}",
    "we hope for {share}",
)


@dataclass(frozen=True)
class MeasurementExample:
    """One question with its design call."""

    prompt: str
    completion: str
    template_id: str


def generate_measurement(
    rng: Random, split: str = "train", retailer_ids: tuple[str, ...] = (), brand_ids: tuple[str, ...] = ()
) -> MeasurementExample:
    """Draw one question about an effect and the design call that fits what it says can be varied."""
    design = rng.choice(MEASUREMENT_DESIGNS)
    metric = rng.choice(MEASUREMENT_METRICS)
    weeks = rng.randint(2, 26) if rng.random() < 0.75 else None
    effect = rng.randint(1, 40) / 100 if rng.random() < 0.65 else None
    lead = rng.choice(view(LEADS, split))
    clauses = [
        rng.choice(view(DESIGN[design], split)),
        rng.choice(view(METRIC_CLAUSES, split)).replace("{metric}", rng.choice(METRIC[metric])),
    ]
    if weeks:
        clauses.append(
            rng.choice(view(WEEKS_CLAUSES, split)).replace("{weeks}", values.weeks_text(rng, weeks))
        )
    if effect:
        share = values.share_text(rng, effect, fractions=False)
        clauses.append(rng.choice(view(EFFECT_CLAUSES, split)).replace("{share}", share))
    rng.shuffle(clauses)
    text = lead.replace("{what}", rng.choice(WHAT))
    text = text.replace(
        "{retailer}", rng.choice(retailer_ids) if retailer_ids else values.sample_retailers(rng)[0]
    )
    text = text.replace("{brand}", rng.choice(brand_ids) if brand_ids else values.sample_brand_id(rng))
    prompt = f"{text} {_joined(rng, clauses)}"
    call = {"design": design, "metric": metric, "weeks": weeks, "effect": effect}
    return MeasurementExample(prompt, json.dumps(call, separators=(",", ":")), f"lead:{lead}")


def _joined(rng: Random, clauses: list[str]) -> str:
    if rng.random() < 0.5:
        return " ".join(f"{clause[:1].upper()}{clause[1:]}." for clause in clauses)
    text = rng.choice((", ", "; ")).join(clauses)
    return f"{text[:1].upper()}{text[1:]}."
