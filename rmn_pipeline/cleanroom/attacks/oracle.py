"""Oracles beside the answer: what errors, timing and the low bits of numbers tell.

Three attacks. Errors: can hidden columns be told from names that do not exist, or data from other data, by a refusal?
Timing: does it take longer where one customer more is in the log? Low bits: floating-point Laplace noise leaves
traces of the number it was added to (Mironov 2012).
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult, epsilon_lower_bound
from rmn_pipeline.cleanroom.attacks.targets import (
    AUDIENCES,
    FIRST_DAY,
    PLACEMENTS,
    ProtectedTarget,
    days_from,
    make_log,
    shipped_policy,
    sku_ids,
)
from rmn_pipeline.cleanroom.errors import CleanRoomError
from rmn_pipeline.cleanroom.noise import add_laplace
from rmn_pipeline.cleanroom.policy import to_micro

HIDDEN = ("margin", "price", "stock_level", "customer_id", "brand_id", "revenue_cents")
INVENTED = ("margins", "no_such_column", "x", "customer", "brand", "zzz")
#: Probes with one name each; the last three fail, on an engine that runs them, only where the data makes them.
NAME_PROBES: tuple[Any, ...] = (
    "SELECT SUM({name}) FROM events",
    "SELECT {name}, SUM(cost) FROM events GROUP BY {name}",
    "SELECT SUM(cost) FROM events WHERE {name} = '1'",
    "SELECT SUM(cost) FROM events GROUP BY {name}",
    "SELECT placement_type, SUM(cost) FROM events GROUP BY 1 ORDER BY {name}",
    "SELECT MAX({name}) FROM events",
    "SELECT COUNT(DISTINCT {name}, {name}) FROM events",
)
DATA_PROBES = (
    "SELECT SUM(CAST(brand_id AS INTEGER)) FROM events",
    "SELECT SUM(cost) FROM events WHERE CAST(brand_id AS INTEGER) > 0",
    "SELECT SUM(cost / (customer_id - 7)) FROM events WHERE error(brand_id) IS NULL",
)
TIMING_LIMIT_MS = 1.0


def error_oracle(*, repeats: int = 20) -> AttackResult:
    """Compare refusals.

    Args:
        repeats: how often every probe is sent; a refusal must say the same each time.
    """
    policy, skus = shipped_policy(), sku_ids(2)
    plain = make_log(np.arange(500), brand_id="1")
    poisoned = plain.with_columns(
        brand_id=pl.when(pl.col("customer_id") == 7).then(pl.lit("poison")).otherwise(pl.lit("1"))
    )
    with tempfile.TemporaryDirectory() as name:
        rooms = [
            ProtectedTarget(log, policy, skus, Path(name), trial)
            for trial, log in enumerate((plain, poisoned))
        ]
        told = _names_told_apart(lambda sql: _refusal(rooms[0], sql), repeats)
        told += [_refusal(rooms[0], sql) != _refusal(rooms[1], sql) for sql in DATA_PROBES]
        told += [
            _refusal(rooms[0], _structured(h)) != _refusal(rooms[0], _structured(i)) for h, i in _pairs()
        ]
        for room in rooms:
            room.close()
    engines = [_engine(log) for log in (plain, poisoned)]
    control = _names_told_apart(lambda sql: _engine_answer(engines[0], sql), 1)
    control += [_engine_answer(engines[0], sql) != _engine_answer(engines[1], sql) for sql in DATA_PROBES]
    for engine in engines:
        engine.close()
    return AttackResult(
        name="error_oracle",
        what="Refusals for hidden and for invented names, and for statements that fail on one customer's data",
        measure="share of probes whose two answers differ",
        control_success=float(np.mean(control)),
        protected_success=float(np.mean(told)),
        pass_line="none differs, and every text is one of the fixed ones",
        limit=0.0,
        passed=not any(told),
        control_passed=float(np.mean(control)) >= 0.9,
        sizes={"probes": len(told), "repeats": repeats},
        details={"control": "DuckDB's own messages"},
    )


def low_bits(*, draws: int = 200_000, seed: int = 7) -> AttackResult:
    """Read the low bits of released numbers.

    Args:
        draws: noisy counts of nobody and of one customer.
        seed: of the control's noise; the room's has none.
    """
    epsilon = 0.1
    control = _proven_by_low_bits(
        _float_laplace(0, draws, epsilon, seed), _float_laplace(1, draws, epsilon, seed + 1)
    )
    released = [add_laplace([count] * draws, 1, to_micro(epsilon)).values for count in (0, 1)]
    protected = _proven_by_low_bits(*(np.asarray(values, dtype=float) for values in released))
    integral = all(isinstance(value, int) for values in released for value in values)
    return AttackResult(
        name="low_bits",
        what="Whether a released number is a multiple of 2^-53, which sums of unequal floats tend not to be",
        measure=f"ε that this event proves, where ε {epsilon:g} is claimed",
        control_success=control,
        protected_success=protected,
        pass_line="at most the claimed ε; every release a whole number of lattice steps",
        limit=epsilon,
        passed=protected <= epsilon and integral,
        control_passed=control > epsilon,
        sizes={"draws": draws},
        details={"control": "textbook Laplace noise in floating point"},
    )


def timing_oracle(*, customers: int = 20_000, rounds: int = 400, seed: int = 8) -> AttackResult:
    """Time refusals and answers on a log and on the same log with one heavy customer more.

    Measured in CPU time of the whole process: it is what a patient observer of an idle machine would see, and the wall
    clock of a busy one says more about its other users.

    Args:
        customers: of the smaller log, one row each.
        rounds: paired measurements per kind of request.
        seed: of the order of each pair.
    """
    rng = random.Random(seed)
    small = make_log(np.arange(customers), placement_type=[PLACEMENTS[i % 5] for i in range(customers)])
    large = pl.concat([small, _heavy_customer(customers)])
    policy = shipped_policy(epsilon_total=1e6)
    with tempfile.TemporaryDirectory() as name:
        rooms = [
            ProtectedTarget(log, policy, sku_ids(2), Path(name), trial)
            for trial, log in enumerate((small, large))
        ]
        for room in rooms:
            room.room.prepare()
        refused = _median_difference_ms(rooms, lambda _: "SELECT SUM(margin) FROM events", rounds, rng)
        answered = _median_difference_ms(rooms, _fresh_request, rounds, rng)
        for room in rooms:
            room.close()
    engines = [_engine(log) for log in (small, large)]
    control = _median_engine_difference_ms(engines, customers, max(rounds // 30, 3))
    for engine in engines:
        engine.close()
    worst = max(abs(refused), abs(answered))
    return AttackResult(
        name="timing_oracle",
        what="Latency of refusals and answers with and without one heavy customer",
        measure="median difference of CPU time per request, ms",
        control_success=control,
        protected_success=worst,
        pass_line=f"below {TIMING_LIMIT_MS:g} ms",
        limit=TIMING_LIMIT_MS,
        passed=worst < TIMING_LIMIT_MS,
        control_passed=control > TIMING_LIMIT_MS,
        sizes={"customers": customers, "rounds": rounds, "rows of the customer": _heavy_customer(0).height},
        details={
            "control": "an engine that runs a join over one customer's rows, as any SQL with joins can",
            "refusals, ms": refused,
            "answers, ms": answered,
        },
    )


def _pairs() -> list[tuple[str, str]]:
    return list(zip(HIDDEN, INVENTED, strict=True))


def _structured(name: str) -> dict[str, Any]:
    return {"metrics": ["cost"], "dimensions": [name], "filters": {}}


def _names_told_apart(answer: Callable[[str], object], repeats: int) -> list[bool]:
    """Per probe and pair of names: do the answers ever differ?"""
    told = []
    for probe in NAME_PROBES:
        for hidden, invented in _pairs():
            answers = {
                str(answer(probe.format(name=name))).replace(name, "NAME")
                for name in (hidden, invented)
                for _ in range(repeats)
            }
            told.append(len(answers) > 1)
    return told


def _refusal(target: ProtectedTarget, request: object) -> str:
    try:
        target.room.query(request)
    except CleanRoomError as refusal:
        return str(refusal)
    return "answered"


def _engine(log: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    engine = duckdb.connect(":memory:", config={"enable_external_access": False})
    engine.execute("SET enable_progress_bar = false")
    engine.register("log_frame", log.to_arrow())
    engine.execute(
        "CREATE TABLE events AS SELECT *, cost_cents / 100 AS cost, 0.3 AS margin, 1.0 AS price, 5 AS stock_level "
        "FROM log_frame"
    )
    return engine


def _engine_answer(engine: duckdb.DuckDBPyConnection, sql: str) -> str:
    try:
        return f"answered: {engine.execute(sql).fetchall()}"
    except duckdb.Error as error:
        return str(error)


def _float_laplace(count: int, draws: int, epsilon: float, seed: int) -> np.ndarray:
    """count + Laplace noise by inverting its distribution function, as textbooks do it."""
    uniform = np.random.default_rng(seed).random(draws) - 0.5
    return count - np.sign(uniform) * np.log(1.0 - 2.0 * np.abs(uniform)) / epsilon


def _proven_by_low_bits(without: np.ndarray, with_one: np.ndarray) -> float:
    hits = [int((np.mod(values * 2.0**53, 1.0) != 0.0).sum()) for values in (without, with_one)]
    return epsilon_lower_bound(hits[0], hits[1], len(without))


def _heavy_customer(customer_id: int) -> pl.DataFrame:
    """A thousand entries of one customer: far more than are counted."""
    numbers = np.arange(1_000)
    return make_log(
        np.full(len(numbers), customer_id),
        date=days_from(FIRST_DAY, numbers % 50),
        placement_type=np.array(PLACEMENTS)[numbers // 50 % 5],
        audience_id=np.array(AUDIENCES)[numbers // 250 % 4],
    )


def _fresh_request(number: int) -> object:
    """A request that was not asked before: another ε is another request."""
    return {"metrics": ["customers"], "dimensions": ["placement_type"], "epsilon": 1.0 + number * 1e-6}


def _median_difference_ms(
    rooms: Sequence[ProtectedTarget], request: Callable[[int], object], rounds: int, rng: random.Random
) -> float:
    """Median over rounds of the time on the second room less the time on the first, in random order."""
    differences = []
    for number in range(rounds):
        order = [0, 1] if rng.random() < 0.5 else [1, 0]
        seconds = [0.0, 0.0]
        for place in order:
            start = time.process_time()
            _refusal(rooms[place], request(number))
            seconds[place] = time.process_time() - start
        differences.append(seconds[1] - seconds[0])
    return 1000 * float(np.median(differences))


def _median_engine_difference_ms(
    engines: Sequence[duckdb.DuckDBPyConnection], customer_id: int, rounds: int
) -> float:
    """A join that multiplies one customer's rows, and takes no time where there are none."""
    sql = (
        "SELECT COUNT(DISTINCT hash(e.date, n.range)) FROM events e, range(5000) n "
        f"WHERE e.customer_id = {customer_id}"
    )
    differences = []
    for _ in range(rounds):
        seconds = []
        for engine in engines:
            start = time.process_time()
            _engine_answer(engine, sql)
            seconds.append(time.process_time() - start)
        differences.append(seconds[1] - seconds[0])
    return 1000 * float(np.median(differences))
