import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from rmn_pipeline.evaluation import (
    EvaluationError,
    champion_score,
    decide,
    evaluate_adapter,
    evaluate_and_track,
    evaluate_stack,
    log_evaluation,
)
from rmn_pipeline.federation.generate import generate_greedy
from rmn_pipeline.lora.manifest import load_manifest
from rmn_pipeline.lora.stack import AdapterStack
from rmn_pipeline_tests.federation.tiny_models import make_tiny_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tiny_tree(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def evaluation(tree):
    return evaluate_adapter(
        tree.path("task_planning"),
        tree.sets["task_planning"],
        adapters_dir=tree.adapters_dir,
        base_dir=tree.base_dir,
        own_rows=3,
        replay_rows=5,
    )


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'store' / 'mlflow.db'}"


def test_batched_answers_are_those_of_single_prompts(tree):
    stack = AdapterStack.open(tree.base_dir)
    stack.activate([tree.path("industry_retail_media")])
    prompts = ["<|begin|><|mapping|>a<|answer|>", "<|begin|><|planning|>plan many weeks of it<|answer|>"]
    together = generate_greedy(stack, prompts, max_new_tokens=8)
    alone = [generate_greedy(stack, [prompt], max_new_tokens=8)[0] for prompt in prompts]
    assert together == alone


def test_rows_keep_their_order_whatever_stack_they_are_judged_in(tree):
    stack = AdapterStack.open(tree.base_dir)
    rows = tree.sets["task_planning"].rows.filter(pl.col("split") == "evaluation")
    paths = (tree.path("industry_retail_media"),)
    mixed = evaluate_stack(stack, rows, lambda row: paths if row["task"] == "mapping" else ())
    stack.activate(paths)
    first = rows.filter(pl.col("task") == "mapping").row(0, named=True)
    index = rows["prompt"].to_list().index(first["prompt"])
    alone = generate_greedy(stack, [f"<|begin|><|mapping|>{first['prompt']}<|answer|>"], max_new_tokens=12)
    assert mixed[index] == alone[0].text
    assert len(mixed) == rows.height


def test_a_task_is_scored_on_its_own_rows_and_parents_tasks_are_replayed(evaluation):
    assert evaluation.score.rows == 3
    assert evaluation.replay_rows == 5
    assert {figure.name.split(".")[0] for figure in evaluation.metrics} == {"mapping", "planning"}
    assert evaluation.stacks == ("industry_retail_media + manufacturer_brand_x + task_planning",)
    for figure in (evaluation.score, *evaluation.metrics):
        assert 0 <= figure.stack_low <= figure.stack <= figure.stack_high <= 1
        assert 0 <= figure.base <= 1


def test_wrong_answers_show_what_was_expected_and_what_both_said(evaluation):
    wrong = evaluation.wrong_answers
    assert wrong.columns == ["task", "prompt", "expected", "stack_answer", "base_answer", "template_id"]
    correct = evaluation.score.stack * 3 + next(
        figure.stack * figure.rows for figure in evaluation.metrics if figure.name == "mapping.accuracy"
    )
    assert wrong.height == 8 - round(correct)
    assert evaluation.metrics_frame().columns == ["metric", "rows", "stack", "interval_95", "base", "chance"]


def test_an_adapter_of_another_version_of_the_set_is_not_judged_on_it(tree):
    with pytest.raises(EvaluationError, match="another version"):
        evaluate_adapter(
            tree.path("task_planning"),
            tree.sets["retailer_alpha"],
            adapters_dir=tree.adapters_dir,
            base_dir=tree.base_dir,
        )


def test_an_evaluation_is_logged_below_the_run_of_its_base(tree, evaluation, tracking_uri):
    from mlflow import MlflowClient

    adapter_dir = tree.path("task_planning")
    manifest = load_manifest(adapter_dir)
    decision = decide(score=0.5, chance=0.1)
    first = log_evaluation(evaluation, decision, adapter_dir=adapter_dir, tracking_uri=tracking_uri)
    second = log_evaluation(evaluation, decision, adapter_dir=adapter_dir, tracking_uri=tracking_uri)
    client = MlflowClient(tracking_uri=tracking_uri)
    run = client.get_run(first.run_id)
    assert first.parent_run_id == second.parent_run_id == run.data.tags["mlflow.parentRunId"]
    assert run.info.status == "FINISHED"
    assert run.data.params["rank"] == "8"
    assert run.data.params["dataset_fingerprint"] == manifest.dataset_fingerprint
    assert run.data.metrics["score.stack"] == evaluation.score.stack
    assert {"score.stack_low", "score.base", "score.chance", "training.final_loss"} <= set(run.data.metrics)
    losses = client.get_metric_history(first.run_id, "loss")
    assert [entry.value for entry in losses] == pytest.approx(manifest.losses)
    table = client.download_artifacts(first.run_id, "tables/wrong_answers.json")
    with Path(table).open() as handle:
        assert json.load(handle)["columns"] == evaluation.wrong_answers.columns


def test_the_champion_moves_only_through_the_gate(tree, evaluation, tmp_path):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    adapter_dir = tree.path("task_planning")
    assert champion_score("task_planning", uri) is None
    refused = log_evaluation(
        evaluation, decide(score=0.0, chance=0.5), adapter_dir=adapter_dir, tracking_uri=uri
    )
    assert refused.model_version is None
    assert champion_score("task_planning", uri) is None
    promoted = log_evaluation(
        evaluation, decide(score=0.9, chance=0.5), adapter_dir=adapter_dir, tracking_uri=uri
    )
    client = MlflowClient(tracking_uri=uri)
    version = client.get_model_version_by_alias("adapter.task_planning", "champion")
    assert (str(version.version), version.run_id) == (promoted.model_version, promoted.run_id)
    assert champion_score("task_planning", uri) == evaluation.score.stack


def test_a_file_store_is_refused_with_the_way_out(tree, evaluation, tmp_path):
    with pytest.raises(EvaluationError, match="sqlite:///"):
        log_evaluation(
            evaluation,
            decide(score=0.9, chance=0.5),
            adapter_dir=tree.path("task_planning"),
            tracking_uri=str(tmp_path),
        )
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_adapter_is_not_evaluated_twice(tree, tracking_uri, tmp_path):
    from rmn_pipeline.lora.datasets import TrainingSet, fingerprint_of
    from rmn_pipeline.lora.train import train_adapter
    from rmn_pipeline_tests.federation.tiny_models import tiny_config

    rows = tree.sets["industry_retail_media"].rows
    made = TrainingSet("industry", "industry_retail_media", rows, fingerprint_of(rows), 1, "smoke")
    made.save(tmp_path / "set")
    target = tmp_path / "adapters" / "industry" / made.adapter_id
    train_adapter(tiny_config(steps=2), made, parents=[], base_dir=tree.base_dir, out_dir=target)

    def track():
        return evaluate_and_track(
            target,
            tmp_path / "set",
            adapters_dir=tmp_path / "adapters",
            base_dir=tree.base_dir,
            results_dir=tmp_path / "results",
            tracking_uri=tracking_uri,
            profile="smoke",
        )

    first, second = track(), track()
    assert (first.reused, second.reused) == (False, True)
    assert (second.run_id, second.evaluation) == (first.run_id, first.evaluation)
    shutil.rmtree(tmp_path / "results")
    assert track().run_id != first.run_id
