import json
from dataclasses import replace

import pytest
import torch

from rmn_pipeline.lora.base import BaseModelError, BaseShape, load_base_model, read_manifest, verify_base
from rmn_pipeline.lora.base_evaluation import score_planning
from rmn_pipeline.lora.corpus import row_at
from rmn_pipeline.lora.pretrain import PretrainConfig, PretrainError, cut_batches, main, pretrain, read_log
from rmn_pipeline.lora.tokenizer import load_tokenizer
from rmn_pipeline.planning.request import PlanRequest


def quiet(_text):
    pass


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrain")
    config = PretrainConfig.smoke(folder / "run", folder / "base" / "toy")
    return config, pretrain(config, quiet)


def test_a_smoke_run_lowers_the_loss_and_writes_a_base_that_verifies(finished):
    config, result = finished
    losses = [record["loss"] for record in read_log(config.run_dir) if "loss" in record]
    assert losses[-1] < losses[0] - 0.3
    assert result.tokens >= config.tokens
    manifest = verify_base(config.base_dir)
    assert manifest["status"] == "final"
    assert manifest["tokens"] == result.tokens
    model = load_base_model(config.base_dir, "bfloat16")
    assert model.dtype == torch.bfloat16
    assert model.config.hidden_size % 64 == 0 and model.config.vocab_size % 64 == 0
    assert len(load_tokenizer(config.base_dir)) <= model.config.vocab_size


def test_the_card_shows_only_figures_of_the_run(finished):
    config, result = finished
    card = (config.base_dir / "MODEL_CARD.md").read_text()
    assert f"{result.tokens:,} tokens" in card
    last = [record for record in read_log(config.run_dir) if "loss" in record][-1]
    assert f"| {last['step']} | {last['tokens']:,} | {last['loss']:.4f} |" in card


def test_a_run_in_two_parts_ends_in_the_same_weights(finished, tmp_path):
    config, _ = finished
    # The learning rate follows the whole run's bound, so the first part is ended from outside.
    parted = replace(config, run_dir=tmp_path / "run", base_dir=tmp_path / "base")

    class StoppedError(Exception):
        pass

    def stop_at_half(text):
        if '"step": 8,' in text:
            raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(replace(parted, checkpoint_minutes=0.0), stop_at_half)
    assert not parted.base_dir.exists()
    pretrain(parted, quiet)
    once, twice = load_base_model(config.base_dir), load_base_model(parted.base_dir)
    for (name, first), (_, second) in zip(once.named_parameters(), twice.named_parameters(), strict=True):
        assert torch.equal(first, second), name


def test_a_checkpoint_of_another_configuration_is_refused(finished):
    config, _ = finished
    with pytest.raises(PretrainError, match="another configuration"):
        pretrain(replace(config, seed=99), quiet)


def test_held_out_texts_are_never_trained_on(tmp_path):
    from rmn_pipeline.lora.pretrain import _Run

    config = PretrainConfig.smoke(tmp_path / "run", tmp_path / "base")
    texts = {row_at(config.seed, position).prompt for position in range(config.pool_rows)}
    run = _Run(replace(config, held_out_texts=tuple(texts - {""})), quiet)
    left = sum(len(batch) for batch in run._pool(0))
    unprompted = sum(row_at(config.seed, position).prompt == "" for position in range(config.pool_rows))
    assert left == unprompted


def test_prompts_weigh_less_than_answers_and_padding_weighs_nothing(tokenizer):
    from rmn_pipeline.lora.pretrain import _padded

    short = tokenizer("<|begin|><|mapping|>a<|answer|>b<|end|>")["input_ids"]
    prose = tokenizer("<|begin|><|prose|>a, b, c, d, e, f<|end|>")["input_ids"]
    ids, weights = _padded([short, prose], tokenizer, 0.3)
    assert weights[0, : len(short)].tolist() == pytest.approx([0.3, 0.3, 0.3, 0.3, 1.0, 1.0])
    assert weights[0, len(short) :].sum() == 0
    assert weights[1].tolist() == [1.0] * len(prose)
    assert ids[0, len(short) :].tolist() == [tokenizer.pad_token_id] * (len(prose) - len(short))


def test_development_briefs_are_valid_and_no_sample_brief():
    from rmn_pipeline.lora.corpus.development import development_briefs

    briefs = development_briefs()
    assert len({text for text, _ in briefs}) == len(briefs) >= 20
    assert all(call == PlanRequest.model_validate_json(call).canonical_json() for _, call in briefs)


def test_batches_stay_near_their_token_bound_and_keep_every_row():
    rows = [[1] * length for length in sorted([5, 9, 3, 30, 12, 7, 7])]
    batches = cut_batches(rows, 30)
    assert sum(len(batch) for batch in batches) == len(rows)
    assert all(len(batch) * max(map(len, batch)) <= 30 for batch in batches)


def test_widths_that_four_bit_kernels_refuse_are_refused_early():
    with pytest.raises(BaseModelError, match="multiple of 64"):
        BaseShape(hidden=100)


def test_a_changed_weight_file_is_noticed(finished, tmp_path):
    config, _ = finished
    manifest = read_manifest(config.base_dir)
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((config.base_dir / name).read_bytes())
    (tmp_path / "base_manifest.json").write_text(json.dumps({**manifest, "weights_sha256": "0" * 64}))
    with pytest.raises(BaseModelError, match="weights_sha256"):
        verify_base(tmp_path)
    with pytest.raises(BaseModelError, match="does not exist"):
        read_manifest(tmp_path / "nowhere")


def test_planning_scores_count_exact_valid_and_equal_fields():
    row = next(row for row in (row_at(9, i) for i in range(100)) if row.task == "planning")
    wrong = json.dumps({**json.loads(row.completion), "brand_id": "someone_else"}, separators=(",", ":"))
    score = score_planning([row.completion] * 3, [row.completion, wrong, "{"])
    assert (score.exact, score.parsed) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert score.fields == pytest.approx((1 + 13 / 14) / 3)


def test_the_command_line_explains_itself(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "--minutes" in capsys.readouterr().out
