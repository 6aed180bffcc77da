"""Linear reconstruction: many random subset counts, solved for every single person's secret.

Dinur and Nissim (2003): answers to enough random subsets, each off by little, determine almost every bit. Decoding is
the linear program that minimizes the sum of absolute errors, rounded at one half.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.targets import (
    ProtectedTarget,
    UnprotectedTarget,
    make_log,
    one_cell_per_customer,
    shipped_policy,
    single_value,
    sku_ids,
)
from rmn_pipeline.cleanroom.noise import add_laplace
from rmn_pipeline.cleanroom.policy import CleanRoomPolicy, to_micro

LIMIT = 0.60
KNOWN_CUSTOMERS = 150

Ask = Callable[[Mapping[str, Any]], pl.DataFrame]


@dataclass(frozen=True)
class _Secret:
    """Who is in the log, and the subsets that are asked about."""

    present: np.ndarray
    subsets: np.ndarray

    @classmethod
    def draw(cls, people: int, queries: int, rng: np.random.Generator) -> _Secret:
        return cls(rng.random(people) < 0.5, rng.random((queries, people)) < 0.5)

    @property
    def skus(self) -> list[str]:
        return sku_ids(len(self.present) + 1)

    def log(self) -> pl.DataFrame:
        """One row per person present, under a product of their own; known customers under the last one."""
        persons = np.flatnonzero(self.present)
        skus = [self.skus[person] for person in persons] + [self.skus[-1]] * KNOWN_CUSTOMERS
        return make_log(np.arange(len(skus)), sku_id=skus)

    def counts(self) -> np.ndarray:
        return self.subsets.astype(int) @ self.present.astype(int)


def reconstruction(
    *,
    people: int = 400,
    queries: Sequence[int] = (400, 3_457),
    room_trials: Sequence[int] = (2, 1),
    noise_trials: int = 10,
    seed: int = 2,
) -> AttackResult:
    """Recover who is in the log from counts of random halves.

    Every person would stand under a product of their own; the secret bit is whether they are in the log. Customers whom
    the attacker knows are part of every subset, so that k = 100 hides nothing. The room is opened with k = 2 and
    δ close to one half: its threshold would hide every answer at so small an ε per query, and
    noise and ledger are to be tested alone.

    Args:
        people: persons with a secret.
        queries: numbers of random subsets to try.
        room_trials: secrets attacked through the room, per number of subsets.
        noise_trials: further secrets attacked through the room's noise alone, per number of subsets.
        seed: of secrets and subsets; the room's noise has none.
    """
    rng = np.random.default_rng(seed)
    policy = shipped_policy(k=2, delta=0.49, **one_cell_per_customer())
    controls, fresh, protected = [], [], {}
    for count, trials in zip(queries, room_trials, strict=True):
        first = _Secret.draw(people, count, rng)
        controls.append(_unprotected(first, None))
        fresh.append(_unprotected(first, 1.0))
        found = [_through_room(_Secret.draw(people, count, rng), policy) for _ in range(trials)]
        found += [
            _through_noise(_Secret.draw(people, count, rng), policy.epsilon_total / count)
            for _ in range(noise_trials)
        ]
        protected[count] = float(np.mean(found))
    worst = max(protected.values())
    return AttackResult(
        name="reconstruction",
        what="Counts of random halves of all people, decoded by a linear program (Dinur and Nissim)",
        measure="share of people whose presence is found; chance is 0.5",
        control_success=min(controls),
        protected_success=worst,
        pass_line="at most 0.60 at the shipped total ε",
        limit=LIMIT,
        passed=worst <= LIMIT,
        control_passed=min(controls) >= 0.95,
        sizes={
            "people": people,
            "queries": list(queries),
            "room_trials": list(room_trials),
            "noise_trials": noise_trials,
        },
        details={
            "control": "threshold k = 100 on exact counts",
            "fresh noise of ε 1 per query, no ledger": min(fresh),
            "room": "k = 2 and δ = 0.49, so that its noise and ledger stand alone",
            **{f"{count} subsets": share for count, share in protected.items()},
        },
    )


def _unprotected(secret: _Secret, epsilon: float | None) -> float:
    policy = shipped_policy(**one_cell_per_customer())
    target = UnprotectedTarget(secret.log(), policy, secret.skus, minimum=policy.k, epsilon=epsilon)
    found = _bits_found(_answers(target.ask, secret, None), secret)
    target.close()
    return found


def _through_room(secret: _Secret, policy: CleanRoomPolicy) -> float:
    with tempfile.TemporaryDirectory() as name:
        room = ProtectedTarget(secret.log(), policy, secret.skus, Path(name))
        found = _bits_found(_answers(room.ask, secret, policy.epsilon_total / len(secret.subsets)), secret)
        room.close()
    return found


def _through_noise(secret: _Secret, epsilon: float) -> float:
    """The room's noise on every count, without its threshold."""
    noisy = add_laplace(secret.counts().tolist(), 1, to_micro(epsilon)).values
    return _bits_found(np.asarray(noisy, dtype=float), secret)


def _answers(ask: Ask, secret: _Secret, epsilon: float | None) -> np.ndarray:
    """One count per subset, less the known customers; not-a-number where it was suppressed."""
    answers = np.full(len(secret.subsets), np.nan)
    skus = secret.skus
    for number, subset in enumerate(secret.subsets):
        chosen = [skus[-1], *(skus[person] for person in np.flatnonzero(subset))]
        rows = ask({"metrics": ["customers"], "filters": {"sku_id": chosen}, "epsilon": epsilon})
        value = single_value(rows, "customers")
        answers[number] = np.nan if value is None else value - KNOWN_CUSTOMERS
    return answers


def _bits_found(answers: np.ndarray, secret: _Secret) -> float:
    known = ~np.isnan(answers)
    if not known.any():
        return 0.5
    guess = decode(secret.subsets[known].astype(float), answers[known]) > 0.5
    return float((guess == secret.present).mean())


def decode(subsets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The point of the unit cube whose subset sums miss the answers by least in absolute terms."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, hstack, identity

    rows, people = subsets.shape
    errors = identity(rows)
    solved = linprog(
        np.concatenate([np.zeros(people), np.ones(2 * rows)]),
        A_eq=hstack([csr_matrix(subsets), errors, -errors]),
        b_eq=answers,
        bounds=[(0, 1)] * people + [(0, None)] * (2 * rows),
        method="highs-ds",
    )
    return np.asarray(solved.x[:people])
