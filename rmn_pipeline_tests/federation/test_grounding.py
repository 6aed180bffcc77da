import json
from random import Random

import pytest

from rmn_pipeline.federation.grounding import GroundingContext, ground_plan_call, states_budget
from rmn_pipeline.lora.corpus.planning import NamePool, generate_brief

BRIEF = (
    "Plan the next 26 weeks for brand_x across all retailers with a budget of $2.5 million. Maximize incremental "
    "margin, keep ROAS at 3.0 or better and set aside 10% for experiments. Leave out products that are out of stock."
)
UNSET = {
    "brand_id": "brand_x",
    "retailers": [],
    "budget_usd": 2_500_000,
    "weeks": None,
    "objective": None,
    "min_roas": None,
    "roas_basis": None,
    "max_cpa": None,
    "experiment_share": None,
    "max_retailer_share": None,
    "placements": [],
    "include_lines": [],
    "exclude_lines": [],
    "exclude_out_of_stock": None,
}
RIGHT = {
    **UNSET,
    "weeks": 26,
    "objective": "incremental_margin",
    "min_roas": 3,
    "experiment_share": 0.1,
    "exclude_out_of_stock": True,
}
LINES = {
    "granola": ("the breakfast range",),
    "fruit_bars": ("grab and go bars",),
    "sparkling": ("the bubbles",),
}
CONTEXT = GroundingContext("brand_x", ("alpha", "beta", "gamma", "delta"), LINES)


def _messages(brief, call, context=CONTEXT):
    return ground_plan_call(brief, call, context).messages


def test_the_right_call_of_the_sample_brief_is_grounded():
    assert _messages(BRIEF, RIGHT) == ()


@pytest.mark.parametrize(
    ("changes", "concern"),
    [
        ({"budget_usd": 250_000}, "budget_usd = 250000"),
        ({"budget_usd": 25_000_000}, "$2.5 million"),
        ({"weeks": 18}, "weeks = 18"),
        ({"weeks": None}, "26 weeks"),
        ({"min_roas": 3.5}, "min_roas = 3.5"),
        ({"min_roas": None}, "3.0"),
        ({"experiment_share": 0.2}, "experiment_share = 0.2"),
        ({"experiment_share": None}, "10%"),
        ({"experiment_share": None, "max_retailer_share": 0.1}, "max_retailer_share = 0.1"),
        ({"max_cpa": 3}, "max_cpa = 3"),
        ({"max_retailer_share": 0.4}, "max_retailer_share = 0.4"),
        ({"retailers": ["alpha"]}, "retailers = alpha"),
        ({"placements": ["search"]}, "placements = search"),
        ({"include_lines": ["granola"]}, "include_lines = granola"),
        ({"exclude_lines": ["granola"]}, "exclude_lines = granola"),
        ({"objective": "roas"}, "objective = roas"),
        ({"objective": None}, "Maximize incremental margin"),
        ({"roas_basis": "attributed"}, "roas_basis = attributed"),
        ({"exclude_out_of_stock": None}, "Leave out products that are out of stock"),
        ({"brand_id": "brand_y"}, "brand_id = brand_y"),
    ],
)
def test_every_wrong_value_of_a_call_is_caught_with_its_span(changes, concern):
    messages = _messages(BRIEF, {**RIGHT, **changes})
    assert any(concern in message for message in messages), messages


@pytest.mark.parametrize(
    ("brief", "values"),
    [
        ("Spend 400k for brand_x over half a year.", {"budget_usd": 400_000, "weeks": 26}),
        ("Two and a half million dollars, a quarter, ROAS of three to one.", {"weeks": 13, "min_roas": 3}),
        ("$2.5M. Only alpha and beta.", {"retailers": ["alpha", "beta"]}),
        ("$2.5M everywhere except gamma.", {"retailers": ["alpha", "beta", "delta"]}),
        ("$2.5M, no retailer other than gamma.", {"retailers": ["gamma"]}),
        (
            "$2.5M. No retailer above 40%, and 15 percent for test and learn.",
            {"max_retailer_share": 0.4, "experiment_share": 0.15},
        ),
        ("$2.5M in search and on product pages only.", {"placements": ["search", "product_detail"]}),
        ("$2.5M. Stay out of offsite.", {"placements": ["search", "category", "product_detail", "home"]}),
        (
            "$2.5M. Focus on the breakfast range and grab and go bars.",
            {"include_lines": ["granola", "fruit_bars"]},
        ),
        ("$2.5M. Leave out the bubbles.", {"exclude_lines": ["sparkling"]}),
        (
            "$2.5M. Keep CPA under $12 and attributed ROAS at 4.",
            {"max_cpa": 12, "min_roas": 4, "roas_basis": "attributed"},
        ),
        ("$2.5M. Last year we spent $3 million. No experiments.", {"experiment_share": 0}),
        ("$2.5M. Out-of-stock items may stay in.", {"exclude_out_of_stock": False}),
        ("Budget: $2.5M\nWeeks: 26\nOOS: leave out", {"weeks": 26, "exclude_out_of_stock": True}),
        ("$2.5M. There is no ROAS floor. Any placement is fine.", {}),
    ],
)
def test_right_calls_pass_in_many_wordings(brief, values):
    assert _messages(brief, {**UNSET, **values}) == ()


@pytest.mark.parametrize(
    ("brief", "values", "concern"),
    [
        (
            "$2.5M. No retailer above 40%, and 15% for tests.",
            {"max_retailer_share": 0.15, "experiment_share": 0.4},
            "max_retailer_share = 0.15",
        ),
        ("$2.5M. CPA under 12, ROAS at least 3.", {"max_cpa": 3, "min_roas": 12}, "max_cpa = 3"),
        ("$2.5M everywhere except gamma.", {"retailers": ["gamma"]}, "retailers = gamma"),
        ("$2.5M. Leave out granola.", {"include_lines": ["granola"]}, "include_lines = granola"),
        ("$2.5M. Only alpha and beta.", {"retailers": ["alpha"]}, "beta"),
        ("$2.5M or $3M, we are not sure.", {}, "$3M"),
        ("$2.5M. Leave out the velvet range.", {}, "Leave out the velvet range."),
        ("$2.5M. Reported ROAS of 4 or more.", {"min_roas": 4}, "Reported ROAS"),
        ("Last year we spent $2.5M. Spend 3 million.", {}, "budget_usd = 2500000"),
    ],
)
def test_swapped_dropped_and_stale_values_are_asked_back(brief, values, concern):
    messages = _messages(brief, {**UNSET, **values})
    assert any(concern in message for message in messages), messages


def test_a_brands_own_words_are_accounted_for_only_where_they_are_known():
    call = {**UNSET, "include_lines": ["granola"]}
    assert _messages("$2.5M. Focus on the breakfast range.", call) == ()
    blind = GroundingContext("brand_x", CONTEXT.retailer_ids)
    assert any(
        "granola" in message for message in _messages("$2.5M. Focus on the breakfast range.", call, blind)
    )
    assert any(
        "breakfast range" in message
        for message in _messages("$2.5M. Focus on the breakfast range.", UNSET, blind)
    )


@pytest.mark.parametrize(
    ("brief", "stated"),
    [
        (BRIEF, True),
        ("Half a million for the next quarter.", True),
        ("brand_x, budget 400, 9w", True),
        ("Plan brand_x for 26 weeks, 10% for experiments, ROAS 3.", False),
        ("Plan brand_x and keep CPA under $12.", False),
        ("Last year we spent $2 million. Plan the next quarter.", False),
        ("Please plan brand_x.", False),
    ],
)
def test_a_brief_states_a_budget_or_it_does_not(brief, stated):
    assert states_budget(brief) is stated


def test_wrong_numbers_of_generated_briefs_are_caught_and_most_right_calls_pass():
    pool = NamePool(brand_ids=("brand_x",), retailer_ids=CONTEXT.retailer_ids, line_names=LINES)
    passed, wrong, caught = 0, 0, 0
    for seed in range(150):
        brief = generate_brief(Random(seed), "train", pool)
        call = json.loads(brief.request.canonical_json())
        passed += ground_plan_call(brief.text, call, CONTEXT).grounded
        for name in ("budget_usd", "weeks", "min_roas", "max_cpa", "experiment_share", "max_retailer_share"):
            if call[name]:
                changed = {**call, name: call[name] + 1 if name == "weeks" else call[name] * 1.1}
                wrong += 1
                caught += not ground_plan_call(brief.text, changed, CONTEXT).grounded
    assert caught / wrong >= 0.99
    assert passed / 150 >= 0.75
