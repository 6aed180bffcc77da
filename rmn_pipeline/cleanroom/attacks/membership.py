"""Membership: everyone but one person is known; is that person in the log?

The worst case that ε speaks about. The room's own release function answers, one cell per trial, because ten thousand
rooms would measure the same draw ten thousand times more slowly.
"""

from __future__ import annotations

import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult, best_accuracy, slack
from rmn_pipeline.cleanroom.attacks.targets import one_cell_per_customer, shipped_policy, sku_ids
from rmn_pipeline.cleanroom.enforcement import privatize
from rmn_pipeline.cleanroom.request import Domains, parse_request

OTHERS = 400
#: The first decides; the others show what larger ε permit, up to what one shipped request may cost.
EPSILONS = (0.1, 1.0, 6.0)


def membership(*, trials: int = 10_000) -> AttackResult:
    """Guess from one noisy count whether one more person is in it.

    Args:
        trials: half with the person, half without.
    """
    accuracy = {epsilon: _accuracy(epsilon, trials) for epsilon in EPSILONS}
    control = _right_guesses(_people(trials), _people(trials))
    deciding = EPSILONS[0]
    limits = {epsilon: best_accuracy(epsilon) + slack(best_accuracy(epsilon), trials) for epsilon in EPSILONS}
    return AttackResult(
        name="membership",
        what="All but one person known, one count asked",
        measure=f"share of right guesses whether the person is in the log, at ε {deciding:g}; chance is 0.5",
        control_success=control,
        protected_success=accuracy[deciding],
        pass_line="at most e^ε / (1 + e^ε) + 3 standard errors",
        limit=limits[deciding],
        passed=accuracy[deciding] <= limits[deciding],
        control_passed=control == 1.0,
        sizes={"trials": trials},
        details={
            "control": "the exact count",
            **{
                f"ε {epsilon:g}: accuracy (best possible {best_accuracy(epsilon):.4f})": accuracy[epsilon]
                for epsilon in EPSILONS
            },
        },
    )


def _accuracy(epsilon: float, trials: int) -> float:
    policy = shipped_policy(**one_cell_per_customer())
    skus = sku_ids(trials)
    domains = Domains.of(policy, skus)
    request = parse_request(
        {"dimensions": ["sku_id"], "metrics": ["customers"], "epsilon": epsilon}, policy, domains
    )
    found = _people(trials)
    return _right_guesses(found, privatize(found, request, policy, domains).rows)


def _people(trials: int) -> pl.DataFrame:
    """The exact counts: every second cell has the person in it."""
    counts = [OTHERS + number % 2 for number in range(trials)]
    return pl.DataFrame({"sku_id": sku_ids(trials), "customers": counts})


def _right_guesses(truth: pl.DataFrame, answers: pl.DataFrame) -> float:
    """Share of cells guessed right; a suppressed one speaks for the smaller count."""
    seen = truth.join(answers.select("sku_id", answer="customers"), on="sku_id", how="left")
    right = (seen["answer"].fill_null(0) > OTHERS) == (seen["customers"] > OTHERS)
    return float(right.sum()) / truth.height
