"""Rewriting: one question in many spellings, each hoping for noise of its own.

Besides reordering and relabelling, values that match nobody are added to a filter: they change the text and not the
answer. Systems that draw their noise per text give every spelling a fresh draw to average.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.statements import Question, render, structured
from rmn_pipeline.cleanroom.attacks.targets import (
    FIRST_DAY,
    PLACEMENTS,
    ProtectedTarget,
    UnprotectedTarget,
    make_log,
    shipped_policy,
    sku_ids,
)
from rmn_pipeline.cleanroom.errors import CleanRoomError

CUSTOMERS = 1_200
SOLD_SKUS = 3


def rewriting(*, rewrites: int = 50, dead_values: int = 20, seed: int = 3) -> AttackResult:
    """Ask one question in different spellings.

    Args:
        rewrites: equal statements, SQL and structured.
        dead_values: statements with a filter value added that no policy declares.
        seed: of the spellings; the room's noise has none.
    """
    rng = random.Random(seed)
    policy, skus = shipped_policy(), sku_ids(SOLD_SKUS + 1)
    numbers = np.arange(CUSTOMERS)
    log = make_log(
        numbers,
        sku_id=[skus[number % SOLD_SKUS] for number in numbers],
        placement_type=[PLACEMENTS[number % 2] for number in numbers],
    )
    question = Question(
        dimensions=("placement_type",),
        metrics=("customers",),
        first_day=FIRST_DAY,
        last_day=FIRST_DAY,
        members={"sku_id": tuple(skus[:2])},
    )
    asked = [_spelling(question, number, rng) for number in range(rewrites)]
    dead = [_with_dead_value(question, number, rng) for number in range(dead_values)]
    with tempfile.TemporaryDirectory() as name:
        target = ProtectedTarget(log, policy, skus, Path(name))
        answers = {_answer(target.room.query(request).rows) for request in asked}
        keys = {target.room.canonical_key(request) for request in asked}
        refused = sum(_is_refused(target, request) for request in dead)
        charges = target.room.account().releases
        target.close()
    control = UnprotectedTarget(log, policy, skus, minimum=policy.k, epsilon=0.01)
    fresh = {_answer(control.ask(structured(question))) for _ in asked}
    control.close()
    success = (len(answers) - 1 + dead_values - refused) / (rewrites + dead_values)
    return AttackResult(
        name="rewriting",
        what="One question in many spellings, and with filter values that match nobody",
        measure="share of spellings that bring fresh noise",
        control_success=(len(fresh) - 1) / (rewrites - 1),
        protected_success=success,
        pass_line="one key, one charge and one answer for all spellings; undeclared values refused",
        limit=0.0,
        passed=len(keys) == len(answers) == charges == 1 and refused == dead_values,
        control_passed=len(fresh) > 0.9 * rewrites,
        sizes={"rewrites": rewrites, "dead_values": dead_values},
        details={
            "control": "fresh Laplace noise of ε 0.01 for every text",
            "distinct keys": len(keys),
            "charges": charges,
            "dead values refused": refused,
        },
    )


def _spelling(question: Question, number: int, rng: random.Random) -> object:
    return structured(question, rng) if number % 5 == 0 else render(question, rng)


def _with_dead_value(question: Question, number: int, rng: random.Random) -> object:
    members = {"sku_id": (*question.members["sku_id"], f"nobody{number:03d}")}
    changed = Question(question.dimensions, question.metrics, question.first_day, question.last_day, members)
    return structured(changed) if number % 2 else render(changed, rng)


def _answer(rows: Any) -> tuple[tuple[Any, ...], ...]:
    """The values of an answer whatever its layout: one set of rows per release."""
    kept = [name for name in rows.columns if not name.endswith("_error95")]
    return tuple(sorted(tuple(sorted(map(str, row))) for row in rows.select(kept).iter_rows()))


def _is_refused(target: ProtectedTarget, request: object) -> bool:
    try:
        target.room.query(request)
    except CleanRoomError:
        return True
    return False
