import json
import subprocess
import sys
from pathlib import Path

import pytest

from rmn_pipeline.federation import BriefError, Federation, FederationError
from rmn_pipeline.federation.generate import Sampling, generate_samples
from rmn_pipeline.lora.base import default_base_dir
from rmn_pipeline.lora.manifest import AdapterError
from rmn_pipeline_tests.federation.tiny_models import make_tiny_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp())


@pytest.fixture
def federation(tree, tmp_path):
    return Federation.load(
        tree.adapters_dir, base_dir=tree.base_dir, log_path=tmp_path / "log" / "composition.jsonl"
    )


def test_the_room_imports_without_torch_or_mlflow():
    code = (
        "import sys, rmn_pipeline.federation, rmn_pipeline.evaluation, rmn_pipeline.lora.train;"
        "print([name for name in ('torch', 'transformers', 'peft', 'mlflow', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_call_that_fails_its_checks_is_retried_and_never_passed_off_as_sure(federation):
    answer = federation.infer(
        "Plan 3 weeks with $2.5 million.", task="planning", brand_id="brand_x", max_new_tokens=24
    )
    assert answer.adapters_used == ("industry_retail_media", "manufacturer_brand_x", "task_planning")
    assert answer.attempts == 7
    assert answer.needs_confirmation
    again = federation.infer(
        "Plan 3 weeks with $2.5 million.", task="planning", brand_id="brand_x", max_new_tokens=24
    )
    assert (again.text, again.needs_confirmation) == (answer.text, answer.needs_confirmation)
    assert again.composition.cached


def test_samples_are_the_same_for_a_seed_and_leave_the_global_generator_alone(federation):
    import torch

    prompt = "<|begin|><|planning|>Plan 3 weeks<|answer|>"
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = generate_samples(federation.stack, prompt, Sampling(count=3, seed=1), max_new_tokens=12)
    assert torch.equal(torch.rand(1), expected)
    assert first == generate_samples(federation.stack, prompt, Sampling(count=3, seed=1), max_new_tokens=12)
    assert first != generate_samples(federation.stack, prompt, Sampling(count=3, seed=2), max_new_tokens=12)


def test_clean_room_answers_without_the_manufacturer_and_refuses_it_when_asked_for(federation):
    answer = federation.infer(
        "header: a", task="planning", brand_id="brand_x", mode="clean_room", max_new_tokens=4
    )
    assert answer.adapters_used == ("industry_retail_media", "task_planning")
    with pytest.raises(AdapterError, match="clean_room mode may not load manufacturer_brand_x"):
        federation.infer("a", task="planning", mode="clean_room", adapters=["manufacturer_brand_x"])


def test_a_free_text_answer_is_no_tool_call(federation):
    answer = federation.infer("What is ROAS?", task="definition", max_new_tokens=6)
    assert (answer.tool_call, answer.attempts > 0) == (None, True)


def test_the_log_holds_what_answered_and_no_text(federation):
    federation.infer(
        "SECRETWORD 3 weeks with $2.5 million", task="planning", brand_id="brand_x", max_new_tokens=8
    )
    federation.infer("SECRETWORD again", task="definition", max_new_tokens=4)
    text = federation.log_path.read_text()
    first, second = [json.loads(line) for line in text.splitlines()]
    assert "SECRETWORD" not in text
    assert first["adapters"] == ["industry_retail_media", "manufacturer_brand_x", "task_planning"]
    assert len(first["adapter_digests"]) == 3
    assert (first["attempts"], first["mode"]) == (7, "full_data")
    assert first["seconds"] > 0
    assert second["task"] == "definition"
    assert not second["is_tool_call"]


@pytest.mark.parametrize("brand_id", ["brand_x", "brand_y"])
def test_the_shipped_base_reads_the_sample_brief_into_a_grounded_call(brand_id, tmp_path):
    federation = Federation.load(tmp_path, base_dir=default_base_dir(ROOT))
    brief = (ROOT / "data" / "briefs" / f"{brand_id}.txt").read_text().strip()
    answer = federation.infer(brief, task="planning", brand_id=brand_id, adapters=[])
    assert answer.needs_confirmation == ()
    set_fields = {name: value for name, value in (answer.tool_call or {}).items() if value not in (None, [])}
    assert set_fields == {
        "brand_id": brand_id,
        "budget_usd": 2_500_000,
        "weeks": 26,
        "objective": "incremental_margin",
        "min_roas": 3,
        "experiment_share": 0.1,
        "exclude_out_of_stock": True,
    }


def test_a_brief_without_money_is_refused_before_any_generation(federation):
    with pytest.raises(BriefError, match="names no budget"):
        federation.plan_request("Plan brand_x for 26 weeks with ROAS 3.", brand_id="brand_x")
    assert not federation.log_path.exists()


def test_a_brief_that_is_not_understood_is_refused_with_what_to_clear_up(federation):
    with pytest.raises(BriefError, match="after 7 attempts") as caught:
        federation.plan_request("Plan 3 weeks for brand_x with $2.5 million.", brand_id="brand_x")
    assert caught.value.spans


def test_unknown_adapters_and_empty_prompts_are_refused(federation):
    with pytest.raises(AdapterError, match="retailer_beta"):
        federation.infer("a", task="mapping", retailer_id="beta")
    with pytest.raises(FederationError, match="empty"):
        federation.infer("  ", task="planning")
    with pytest.raises(FederationError, match="shorten it"):
        federation.infer("word " * 400, task="definition")
