"""The attack suite at the size that every commit runs, and what the suite itself must get right."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rmn_pipeline.cleanroom import CleanRoomPolicy, load_policy
from rmn_pipeline.cleanroom.attacks import SUITE, AttackResult, markdown_table, write_report
from rmn_pipeline.cleanroom.attacks.epsilon_audit import epsilon_audit
from rmn_pipeline.cleanroom.attacks.query_search import ideal_accuracy
from rmn_pipeline.cleanroom.attacks.reconstruction import decode
from rmn_pipeline.cleanroom.attacks.result import best_accuracy, epsilon_lower_bound, rate_bounds
from rmn_pipeline.cleanroom.attacks.sql_grammar import GRAMMAR, expand
from rmn_pipeline.cleanroom.attacks.targets import SHIPPED_TERMS, shipped_policy

RETAILERS = Path(__file__).parents[2] / "data" / "retailers"
EXPECTED = (
    "range_differencing",
    "averaging",
    "rewriting",
    "reconstruction",
    "tracker",
    "threshold_oracle",
    "complement",
    "membership",
    "query_search",
    "epsilon_audit",
    "error_oracle",
    "low_bits",
    "timing_oracle",
    "sql_fuzz",
)


@pytest.fixture(scope="module")
def results() -> dict[str, AttackResult]:
    return {result.name: result for result in (entry.run("ci") for entry in SUITE)}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_attack_succeeds_on_its_control_and_fails_on_the_room(
    results: dict[str, AttackResult], name: str
) -> None:
    result = results[name]
    assert result.control_passed, result
    assert result.passed, result


def test_the_suite_is_complete(results: dict[str, AttackResult]) -> None:
    assert tuple(results) == EXPECTED


def test_the_report_holds_every_result_and_stands_alone(
    results: dict[str, AttackResult], tmp_path: Path
) -> None:
    broken = dataclasses.replace(results["tracker"], name="<broken>", passed=False)
    files = write_report([*results.values(), broken], tmp_path / "clean_room", "ci")
    content = json.loads(files.json.read_text())
    assert [entry["name"] for entry in content["results"]] == [*EXPECTED, "<broken>"]
    assert content["all_hold"] is False
    assert content["terms"] == {"k": 100, "epsilon_total": 8.0, "epsilon_per_query": 6.0, "delta": 1e-9}
    page = files.html.read_text()
    assert "&lt;broken&gt;" in page and "<broken>" not in page.replace("&lt;broken&gt;", "")
    assert "Not every line holds" in page
    # Nothing is loaded from anywhere: the only addresses are the names of XML vocabularies inside the drawing.
    assert "<script" not in page and "src=" not in page and "<link" not in page
    assert sorted(path.name for path in files.json.parent.iterdir()) == ["attacks.html", "attacks.json"]
    assert "BROKEN" in markdown_table([broken]) and "holds" in markdown_table([results["tracker"]])


@pytest.mark.parametrize("retailer_id", ["alpha", "beta", "gamma", "delta"])
def test_the_target_runs_under_the_terms_that_ship(retailer_id: str) -> None:
    shipped = load_policy(RETAILERS / retailer_id / "policy.yaml").privacy_terms()
    attacked = shipped_policy().privacy_terms()
    for terms in (shipped, attacked):
        terms.pop("retailer_id")
        for name in ("placement_type", "audience_id"):
            terms["allowed_dimensions"].pop(name, None)
    assert {name: shipped[name] for name in ("k", "delta", "contribution_bounds", "epsilon_weights")} == {
        name: attacked[name] for name in ("k", "delta", "contribution_bounds", "epsilon_weights")
    }
    content = yaml.safe_load((RETAILERS / retailer_id / "policy.yaml").read_text())
    for name in ("epsilon_total", "epsilon_per_query"):
        assert content[name] == SHIPPED_TERMS[name]


def test_an_audit_of_noise_that_is_too_small_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    import rmn_pipeline.cleanroom.attacks.epsilon_audit as audit

    honest = audit.add_laplace

    def half_as_wide(values: Any, sensitivity: int, epsilon_micro: int) -> Any:
        return honest(values, sensitivity, 2 * epsilon_micro)

    monkeypatch.setattr(audit, "add_laplace", half_as_wide)
    assert not epsilon_audit(draws=10_000).passed


def test_bounds_of_rates_are_clopper_and_pearsons() -> None:
    assert rate_bounds(0, 100, 0.95) == pytest.approx((0.0, 1 - 0.05 ** (1 / 100)))
    assert rate_bounds(100, 100, 0.95) == pytest.approx((0.05 ** (1 / 100), 1.0))
    low, high = rate_bounds(50, 100, 0.975)
    assert (low, high) == pytest.approx((0.3983, 0.6017), abs=1e-4)


def test_a_proven_epsilon_needs_evidence_and_has_no_direction() -> None:
    assert epsilon_lower_bound(0, 0, 1000) == 0.0
    assert epsilon_lower_bound(500, 500, 1000) == 0.0
    assert epsilon_lower_bound(900, 100, 1000) == epsilon_lower_bound(100, 900, 1000)
    assert 1.9 < epsilon_lower_bound(900, 100, 1000) < math.log(9)
    assert epsilon_lower_bound(1000, 0, 1000) > 5


def test_the_best_accuracies_are_the_known_ones() -> None:
    assert best_accuracy(0.0) == 0.5
    assert best_accuracy(math.log(3)) == pytest.approx(0.75)
    # One answer at a small ε: total variation of two Laplace laws, by the normal approximation of many.
    assert ideal_accuracy(1, 1e-3) == pytest.approx(0.5, abs=1e-3)
    assert ideal_accuracy(100, 0.08) == pytest.approx(0.6536, abs=1e-3)
    assert ideal_accuracy(400, 0.08) > ideal_accuracy(100, 0.08)


def test_decoding_exact_subset_sums_finds_every_bit() -> None:
    rng = np.random.default_rng(0)
    secret = rng.random(40) < 0.5
    subsets = (rng.random((80, 40)) < 0.5).astype(float)
    assert ((decode(subsets, subsets @ secret) > 0.5) == secret).all()


def test_the_grammar_reaches_every_production_and_always_ends() -> None:
    rng = random.Random(0)
    texts = [expand("statement", rng) for _ in range(3000)]
    assert not any("<query>" in text or "<column>" in text for text in texts)
    assert max(map(len, texts)) < 5000
    whole = " ".join(texts)
    for fragment in (
        "UNION ALL",
        "COLUMNS(",
        "FILTER (WHERE",
        "read_csv",
        "OVER (",
        "WITH x",
        "ROLLUP",
        "SUMMARIZE",
    ):
        assert fragment in whole
    assert {"statement", "query", "predicate", "expression"} <= set(GRAMMAR)


def test_attack_policies_are_ordinary_policies() -> None:
    assert isinstance(shipped_policy(), CleanRoomPolicy)
