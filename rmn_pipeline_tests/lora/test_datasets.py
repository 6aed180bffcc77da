import json
from dataclasses import replace

import polars as pl
import pytest

from rmn_pipeline.lora.datasets import (
    KINDS,
    PrivateLeakError,
    TrainingSet,
    TrainingSetError,
    build_training_set,
    check_private_leak,
    fingerprint_of,
    load_training_set,
)
from rmn_pipeline.planning.request import PlanRequest


def build(kind, sources, seed=3, profile="smoke"):
    return build_training_set(
        kind,
        sources=sources,
        seed=seed,
        profile=profile,
        retailer_id="alpha" if kind == "retailer" else None,
        brand_id="brand_p" if kind == "manufacturer" else None,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_splits_share_no_prompt_and_no_template(kind, sources):
    made = build(kind, sources, profile="default")
    train, evaluation = made.split("train"), made.split("evaluation")
    assert train.height >= 500 and evaluation.height >= 80
    assert not set(train["prompt"]) & set(evaluation["prompt"])
    assert not set(train["template_id"]) & set(evaluation["template_id"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_rows(kind, sources):
    first = build(kind, sources)
    assert build(kind, sources).fingerprint == first.fingerprint
    assert build(kind, sources, seed=4).fingerprint != first.fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_no_set_but_the_brands_own_shows_private_words(kind, sources):
    made = build(kind, sources, profile="default")
    check_private_leak(made, sources)
    shown = made.rows.select(
        pl.concat_str("prompt", "completion").str.to_lowercase().str.contains("kettle range")
    )
    assert shown.to_series().any() is (kind == "manufacturer")


def test_the_manufacturer_set_teaches_nicknames_in_briefs_and_in_questions(sources):
    rows = build("manufacturer", sources, profile="default").rows
    taught = rows.filter(pl.col("prompt").str.to_lowercase().str.contains("kettle range"))
    assert {"planning", "definition"} <= set(taught["task"])
    for row in taught.filter(pl.col("task") == "planning").iter_rows(named=True):
        request = PlanRequest.model_validate_json(row["completion"])
        assert "tea" in request.include_lines + request.exclude_lines
    assert set(taught.filter(pl.col("task") == "definition")["completion"]) == {"tea"}


@pytest.mark.parametrize("canary", ["the kettle range sells", "cosy_cups", "TOAST LINE"])
def test_a_planted_nickname_is_caught(sources, canary):
    made = build("industry", sources)
    planted = made.rows.with_columns(
        prompt=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(f"note {canary}")).otherwise(pl.col("prompt"))
    )
    with pytest.raises(PrivateLeakError, match="row 7"):
        check_private_leak(replace(made, rows=planted), sources)


def test_another_brands_nickname_in_a_manufacturer_set_is_caught(sources):
    made = build("manufacturer", sources)
    rows = made.rows.with_columns(prompt=pl.lit("foamy squares"))
    with pytest.raises(PrivateLeakError, match="foamy squares"):
        check_private_leak(replace(made, rows=rows), sources)


def test_retailer_rows_declare_other_windows_as_no_field(sources):
    rows = build("retailer", sources, profile="default").rows.filter(pl.col("retailer_id") == "alpha")
    answers = dict(rows.filter(pl.col("task") == "mapping").select("template_id", "completion").iter_rows())
    assert answers["column:alpha:sales14d:as sent"] == "revenue"
    assert answers["column:alpha:sales7d:as sent"] == "none"


def test_every_kind_replays_its_parents(sources):
    assert {"mapping", "definition"} <= set(build("task_planning", sources, profile="default").rows["task"])
    retailer = build("retailer", sources, profile="default").rows
    assert retailer.filter(pl.col("retailer_id").is_null() & (pl.col("task") == "mapping")).height > 0


def test_copy_keeps_to_the_retailers_limit(sources):
    rows = build("task_creative", sources, profile="default").rows.filter(pl.col("task") == "creative")
    limits = {"alpha": 40, "beta": 25}
    for row in rows.iter_rows(named=True):
        assert len(row["completion"]) <= limits[row["retailer_id"]]
        assert "best" not in row["completion"].lower()


def test_a_set_survives_saving_and_a_changed_file_is_noticed(sources, tmp_path):
    made = build("retailer", sources)
    made.save(tmp_path / "set")
    made.save(tmp_path / "set")
    loaded = load_training_set(tmp_path / "set")
    assert isinstance(loaded, TrainingSet)
    assert loaded.rows.equals(made.rows)
    card = json.loads((tmp_path / "set" / "card.json").read_text())
    assert card["rows"] == made.rows.height == 40
    made.split("train").head(3).write_parquet(tmp_path / "set" / "train.parquet")
    with pytest.raises(TrainingSetError, match="fingerprint"):
        load_training_set(tmp_path / "set")
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_saved_rows_load_as_a_dataset(sources, tmp_path):
    from datasets import Dataset

    made = build("industry", sources)
    made.save(tmp_path / "set")
    rows = Dataset.from_parquet(str(tmp_path / "set" / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 32
    assert set(rows.column_names) >= {"task", "prompt", "completion"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "retailer"}, "retailer_id"),
        ({"kind": "retailer", "retailer_id": "omega"}, "known are alpha, beta"),
        ({"kind": "manufacturer", "brand_id": "brand_z"}, "known are brand_p, brand_q"),
        ({"kind": "poetry"}, "unknown kind"),
        ({"kind": "industry", "profile": "huge"}, "unknown profile"),
    ],
)
def test_impossible_requests_say_what_is_wrong(sources, arguments, message):
    kind = arguments.pop("kind")
    with pytest.raises(TrainingSetError, match=message):
        build_training_set(kind, sources=sources, seed=1, **arguments)


def test_the_fingerprint_sees_every_cell(sources):
    made = build("industry", sources)
    changed = made.rows.with_columns(completion=pl.lit("x"))
    assert fingerprint_of(changed) != made.fingerprint
