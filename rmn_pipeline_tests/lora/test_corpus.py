import json
from pathlib import Path
from random import Random

import pytest

from rmn_pipeline.lora.corpus import NamePool, generate_brief, generate_row, phrases, row_at
from rmn_pipeline.lora.corpus.creative import generate_creative, headline
from rmn_pipeline.lora.corpus.mapping import generate_mapping, reserved_header
from rmn_pipeline.lora.corpus.measurement import generate_measurement
from rmn_pipeline.lora.corpus.planning import reserved_for_evaluation
from rmn_pipeline.lora.corpus.stream import DRILL_SHARES, ROW_SHARES
from rmn_pipeline.lora.corpus.values import money_text, number_words, share_text, weeks_text
from rmn_pipeline.lora.prompts import MEASUREMENT_DESIGNS, NO_FIELD, candidate_fields
from rmn_pipeline.planning.request import PlanRequest

PROJECT = Path(__file__).parents[2]


def test_every_planning_answer_is_a_canonical_plan_request_with_all_keys():
    for position in range(300):
        row = generate_row("planning", Random(position))
        request = PlanRequest.model_validate_json(row.completion)
        assert request.canonical_json() == row.completion
        assert len(json.loads(row.completion)) == 14


def test_rows_depend_on_seed_and_position_alone():
    first = [row_at(3, position).text for position in range(50)]
    assert [row_at(3, position).text for position in range(50)] == first
    assert [row_at(4, position).text for position in range(50)] != first


def test_a_brief_names_its_brand_and_every_retailer_and_budget_digits_are_recoverable():
    for position in range(300):
        brief = generate_brief(Random(position))
        text = brief.text.lower()
        assert brief.request.brand_id in text
        assert all(retailer in text for retailer in brief.request.retailers)


def test_training_and_evaluation_share_no_budget_and_no_lead_sentence():
    train = [generate_brief(Random(position), "train") for position in range(400)]
    held = [generate_brief(Random(position), "evaluation") for position in range(400)]
    assert not any(reserved_for_evaluation(int(brief.request.budget_usd)) for brief in train)
    assert all(reserved_for_evaluation(int(brief.request.budget_usd)) for brief in held)
    leads = {brief.template_id for brief in train if brief.template_id.startswith("lead:")}
    assert not leads & {brief.template_id for brief in held}
    assert len(leads) > 60


def test_every_bank_names_a_phrase_once_so_that_what_is_held_out_stays_out():
    banks = [phrases.LEADS, phrases.BUDGET, phrases.MIN_ROAS, phrases.EXPERIMENTS, phrases.OUT_OF_STOCK]
    banks += [
        *phrases.OBJECTIVE.values(),
        *phrases.TAILS.values(),
        phrases.EXCLUDE_LINES,
        phrases.INCLUDE_LINES,
    ]
    for bank in banks:
        assert len({phrase.lower() for phrase in bank}) == len(bank)
        assert not set(phrases.view(bank, "train")) & set(phrases.view(bank, "evaluation"))


def test_the_sample_briefs_are_not_in_the_corpus_but_their_words_are():
    held_out = {
        " ".join(path.read_text().split()).lower() for path in (PROJECT / "data" / "briefs").glob("*.txt")
    }
    assert held_out
    rows = [generate_row("planning", Random(f"held:{position}")) for position in range(2000)]
    prompts = [" ".join(row.prompt.split()).lower() for row in rows]
    assert not held_out & set(prompts)
    for words in ("across all retailers", "out of stock", "incremental margin", "set aside", "or better"):
        assert any(words in prompt for prompt in prompts)


def test_negated_placements_become_the_others_in_fixed_order():
    negated = [
        brief
        for position in range(3000)
        if len((brief := generate_brief(Random(position))).request.placements) >= 3
        and any(word in brief.text.lower() for word in ("stay out of ", "avoid home", "no offsite"))
    ]
    assert negated
    assert all(len(brief.request.placements) in (3, 4) for brief in negated)


def test_a_name_pool_limits_names():
    pool = NamePool(("brand_p",), ("alpha", "beta"), {"tea": ("cosy cups",)}, line_share=1.0)
    for position in range(60):
        brief = generate_brief(Random(position), pool=pool)
        assert brief.request.brand_id == "brand_p"
        assert set(brief.request.retailers) <= {"alpha", "beta"}
        lines = brief.request.include_lines + brief.request.exclude_lines
        assert set(lines) <= {"tea"}
        assert not lines or "cosy cups" in brief.text.lower()


def test_spoken_values_read_as_people_say_them():
    assert number_words(427_030) == "four hundred twenty-seven thousand thirty"
    assert {weeks_text(Random(i), 26) for i in range(60)} >= {"26 weeks", "half a year", "two quarters"}
    assert {"$2.5 million", "$2,500,000", "2.5m"} <= {money_text(Random(i), 2_500_000) for i in range(400)}
    assert {"10%", "a tenth", "ten percent"} <= {share_text(Random(i), 0.1) for i in range(200)}


def test_mapping_examples_offer_their_answer_and_reserve_headers():
    for position in range(300):
        example = generate_mapping(Random(position))
        choices = example.prompt.rsplit("fields: ", 1)[1].split(", ")
        assert example.field in choices
        assert choices[-1] == NO_FIELD
        assert len(choices) == example.choices == len(set(choices))
        assert not reserved_header(example.header)
    assert all(reserved_header(generate_mapping(Random(i), "evaluation").header) for i in range(50))


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("advertisedAsin", "sku_id"),
        ("event.impressions", "impressions"),
        ("Total Spend", "cost"),
        ("click_count", "clicks"),
    ],
)
def test_the_candidate_list_contains_the_likely_field(header, field):
    assert field in candidate_fields(header)


def test_measurement_calls_have_a_known_design():
    for position in range(100):
        call = json.loads(generate_measurement(Random(position)).completion)
        assert list(call) == ["design", "metric", "weeks", "effect"]
        assert call["design"] in MEASUREMENT_DESIGNS


def test_headlines_keep_to_limit_and_banned_words():
    for position in range(200):
        example = generate_creative(Random(position))
        assert 0 < len(example.completion) <= 100
    assert "free" not in headline(Random(1), "Hill Tea", ["free refill", "calm"], 40, ["free"]).lower()
    assert len(headline(Random(1), "Hill Tea", ["for busy mornings"], 12, [])) <= 12


def test_a_drill_gives_every_value_that_it_asks_for():
    for position in range(200):
        said, _, members = generate_row("drill", Random(position)).completion.partition('\n"')
        if ":" not in members:
            continue
        for value in json.loads('{"' + members + "}").values():
            assert str(value[0] if isinstance(value, list) else value) in said


def test_drill_pools_hold_drills_alone_and_the_mix_holds_every_task():
    assert {row_at(3, position, shares=DRILL_SHARES).task for position in range(40)} == {"drill"}
    assert {row_at(3, position).task for position in range(400)} == {name for name, _ in ROW_SHARES}


def test_an_unknown_task_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="planning"):
        generate_row("poetry", Random(1))
