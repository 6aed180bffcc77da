"""SQL fuzzing: thousands of statements from a grammar, good, nearly good and hostile.

Whatever the room answers is held against DuckDB running the very same text on the raw log: the answer's rows must be
rows of that result, every one of them with at least k customers behind it, its numbers within the noise, and no
cell may hold a planted canary. Whatever it refuses must be refused with one of the fixed texts. The control runs the
statements on DuckDB alone and counts those that return a canary or a row about fewer than k customers.
"""

from __future__ import annotations

import datetime
import random
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from rmn_pipeline.cleanroom.attacks.result import AttackResult
from rmn_pipeline.cleanroom.attacks.sql_grammar import hostile_statement
from rmn_pipeline.cleanroom.attacks.statements import Question, render
from rmn_pipeline.cleanroom.attacks.targets import (
    AUDIENCES,
    FIRST_DAY,
    PLACEMENTS,
    RETAILER_ID,
    ProtectedTarget,
    days_from,
    make_log,
    shipped_policy,
    sku_ids,
)
from rmn_pipeline.cleanroom.errors import ERROR_TEXTS, CleanRoomError

CUSTOMERS = 4_000
ENTRIES_PER_CUSTOMER = 3
SKUS = 6
DAYS = 56
#: Noise beyond this many 95 % bounds has a probability of e^-60.
TOLERANCE_BOUNDS = 20
#: Canaries: customer ids and margins that no honest number comes near.
FIRST_CUSTOMER = 900_000_000
_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
_WEEK = re.compile(r"date_trunc\('week', ((?:\w+\.)?)\"?date\"?\)", re.IGNORECASE)
_FIXED_TEXTS = {f"{code.value}: {text}" for code, text in ERROR_TEXTS.items()}


@dataclass
class _Tally:
    """What happened to the statements."""

    outcomes: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    control_leaks: int = 0


def sql_fuzz(*, statements: int = 10_000, good_share: float = 0.35, seed: int = 9) -> AttackResult:
    """Send statements to the room and hold every answer against an independent engine.

    Args:
        statements: how many.
        good_share: of them, how many are spellings of a permitted question; the rest is nearly good or hostile.
        seed: of log and statements; the room's noise has none.
    """
    rng = random.Random(seed)
    log = _log(seed)
    policy = shipped_policy(epsilon_total=1e9)
    engine = _engine(log)
    tally = _Tally()
    with tempfile.TemporaryDirectory() as name:
        target = ProtectedTarget(log, policy, sku_ids(SKUS), Path(name))
        for _ in range(statements):
            question = _question(rng)
            is_good = rng.random() < good_share
            text = render(question, rng) if is_good else hostile_statement(question, rng)
            _try(target, engine, text, policy.k, tally)
            if is_good:
                _check_rewrite(target, text, render(question, rng), tally)
            tally.control_leaks += _control_leaks(engine, text, policy.k)
        intact = target.room.verify_audit().intact
        target.close()
    engine.close()
    return AttackResult(
        name="sql_fuzz",
        what="Statements from a grammar: permitted, nearly permitted and hostile",
        measure="share of statements that return what the policy forbids",
        control_success=tally.control_leaks / statements,
        protected_success=(len(tally.leaks) + len(tally.wrong)) / statements,
        pass_line="none; no crash; every answer part of DuckDB's answer to the same text; equal questions, equal keys",
        limit=0.0,
        passed=not (tally.leaks or tally.crashes or tally.wrong)
        and tally.outcomes["answered"] > 0
        and intact,
        control_passed=tally.control_leaks / statements >= 0.1,
        sizes={"statements": statements, "good_share": good_share},
        details={
            "control": "the same statements on DuckDB",
            **dict(sorted(tally.outcomes.items())),
            "crashes": len(tally.crashes),
            "first findings": [*tally.leaks, *tally.wrong, *tally.crashes][:5],
        },
    )


def _log(seed: int) -> pl.DataFrame:
    """No customer reaches a bound, so that answers differ from the raw log by noise alone; the last values are rare."""
    rng = np.random.default_rng(seed)
    rows = CUSTOMERS * ENTRIES_PER_CUSTOMER
    return make_log(
        FIRST_CUSTOMER + np.repeat(np.arange(CUSTOMERS), ENTRIES_PER_CUSTOMER),
        date=days_from(FIRST_DAY, rng.integers(0, DAYS, rows)),
        sku_id=np.array(sku_ids(SKUS))[rng.choice(SKUS, rows, p=[0.4, 0.3, 0.2, 0.08, 0.018, 0.002])],
        placement_type=np.array(PLACEMENTS)[rng.choice(5, rows, p=[0.5, 0.3, 0.15, 0.045, 0.005])],
        audience_id=np.array(AUDIENCES)[rng.choice(4, rows, p=[0.6, 0.3, 0.09, 0.01])],
        impressions=rng.integers(1, 20, rows),
        clicks=rng.integers(0, 3, rows),
        conversions=rng.integers(0, 2, rows).astype(float),
        revenue_cents=rng.integers(0, 4_000, rows),
        cost_cents=rng.integers(0, 500, rows),
    )


def _engine(log: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """The raw log as an analyst's warehouse would hold it, hidden columns included; no files, so nothing is harmed."""
    engine = duckdb.connect(":memory:", config={"enable_external_access": False, "threads": 1})
    engine.execute("SET enable_progress_bar = false")
    engine.register("log_frame", log.to_arrow())
    engine.execute(f"CREATE SCHEMA {RETAILER_ID}")
    engine.execute(
        "CREATE TABLE events AS SELECT customer_id, CAST(date AS DATE) AS date, "
        "CAST(date_trunc('week', date) AS DATE) AS week, sku_id, placement_type, audience_id, impressions, clicks, "
        "conversions, revenue_cents / 100 AS revenue, cost_cents / 100 AS cost, 'brand' AS brand_id, "
        "700000000 + row_number() OVER () AS margin, 800000000 + row_number() OVER () AS price, "
        "customer_id AS customer_hash FROM log_frame"
    )
    engine.execute(f"CREATE VIEW {RETAILER_ID}.events AS SELECT * FROM main.events")
    return engine


def _question(rng: random.Random) -> Question:
    dimensions = rng.sample(["placement_type", "audience_id", "sku_id"], rng.randrange(0, 3))
    if rng.random() < 0.4:
        dimensions.append(rng.choice(["week", "date"]))
    first = FIRST_DAY + datetime.timedelta(days=rng.randrange(0, DAYS))
    members = {}
    for name, domain in (
        ("placement_type", PLACEMENTS),
        ("audience_id", AUDIENCES),
        ("sku_id", sku_ids(SKUS)),
    ):
        if rng.random() < 0.3:
            members[name] = tuple(rng.sample(list(domain), rng.randrange(1, len(domain) + 1)))
    return Question(
        dimensions=tuple(dimensions),
        metrics=tuple(
            rng.sample(
                ["customers", "impressions", "clicks", "conversions", "revenue", "cost"], rng.randrange(1, 4)
            )
        ),
        first_day=first,
        last_day=first + datetime.timedelta(days=rng.randrange(0, DAYS)),
        members=members,
    )


def _try(
    target: ProtectedTarget, engine: duckdb.DuckDBPyConnection, text: str, k: int, tally: _Tally
) -> None:
    try:
        rows = target.room.query({"sql": text, "epsilon": 6.0}, analyst="fuzzer").rows
    except CleanRoomError as refusal:
        tally.outcomes[refusal.code.value] += 1
        if str(refusal) not in _FIXED_TEXTS:
            tally.wrong.append(f"not a fixed text: {text}")
        return
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
        duckdb.Error,
    ) as error:
        tally.crashes.append(f"{type(error).__name__}: {text}")
        return
    tally.outcomes["answered"] += 1
    finding = _compare(rows, engine, text, k)
    if finding is not None:
        (tally.leaks if finding.startswith("leak") else tally.wrong).append(f"{finding}: {text}")


def _check_rewrite(target: ProtectedTarget, text: str, rewritten: str, tally: _Tally) -> None:
    """A spelling of a permitted question is permitted, and has the key of every other spelling."""
    try:
        keys = {target.room.canonical_key(sql) for sql in (text, rewritten)}
    except CleanRoomError as refusal:
        tally.wrong.append(f"good statement refused ({refusal.code.value}): {text} / {rewritten}")
        return
    if len(keys) > 1:
        tally.wrong.append(f"equal statements, different keys: {text} / {rewritten}")


def _compare(rows: pl.DataFrame, engine: duckdb.DuckDBPyConnection, text: str, k: int) -> str | None:
    """What is wrong with an answer, if anything, as seen by an engine that knows nothing of the room."""
    truth = _with_people(engine, text)
    if truth is None:
        # To the room a week's Monday and its column are one thing; DuckDB wants one of the two throughout.
        truth = _with_people(engine, _WEEK.sub(r"\1week", text))
    if truth is None:
        return "answered, but DuckDB refuses the text"
    labels = [name for name in rows.columns if not name.endswith("_error95")]
    if len(labels) != truth.width - 1:
        return "columns differ from the select list"
    # Both follow the select list, but DuckDB names unlabelled expressions its own way.
    truth.columns = [*labels, "people_behind"]
    metrics = [name for name in labels if f"{name}_error95" in rows.columns]
    keys = [name for name in labels if name not in metrics]
    exact = {_key(row, keys): row for row in truth.iter_rows(named=True)}
    for row in rows.iter_rows(named=True):
        finding = _compare_row(row, exact.get(_key(row, keys)), metrics, k)
        if finding is not None:
            return finding
    return "leak: a canary" if _has_canary(rows.rows()) else None


def _key(row: dict[str, Any], keys: list[str]) -> tuple[str, ...]:
    """A row's dimensions as text; DuckDB's date_trunc turns a day into midnight."""
    return tuple(str(row[name]).removesuffix(" 00:00:00") for name in keys)


def _compare_row(row: dict[str, Any], found: dict[str, Any] | None, metrics: list[str], k: int) -> str | None:
    if found is None:
        return "leak: a row that DuckDB does not have"
    if found["people_behind"] < k:
        return f"leak: a row about {found['people_behind']} customers"
    for name in metrics:
        if abs(row[name] - float(found[name] or 0)) > TOLERANCE_BOUNDS * row[f"{name}_error95"] + 1:
            return f"{name} is further from the truth than noise can be"
    return None


def _with_people(engine: duckdb.DuckDBPyConnection, text: str) -> pl.DataFrame | None:
    """DuckDB's answer to the same text, with the number of customers behind every row added to the select list."""
    counted = _FROM.sub(", COUNT(DISTINCT customer_id) AS people_behind FROM", text, count=1)
    engine.execute("BEGIN")
    try:
        return engine.execute(counted).pl()
    except (duckdb.Error, ValueError, RuntimeError):
        return None
    finally:
        engine.execute("ROLLBACK")


def _control_leaks(engine: duckdb.DuckDBPyConnection, text: str, k: int) -> bool:
    """Whether DuckDB alone returns a canary, or a row about a few customers."""
    if not re.match(r"\s*(select|from|with|summarize|pivot|\()", text, re.IGNORECASE):
        return False
    # Some statements change the table on their way: nothing of that must stay.
    engine.execute("BEGIN")
    try:
        leaks = _has_canary(engine.execute(text).fetchmany(500))
    except (duckdb.Error, ValueError, RuntimeError):
        leaks = False
    finally:
        engine.execute("ROLLBACK")
    return leaks or _is_about_few(_with_people(engine, text), k)


def _is_about_few(people: pl.DataFrame | None, k: int) -> bool:
    if people is None or "people_behind" not in people.columns:
        return False
    return bool(((people["people_behind"] > 0) & (people["people_behind"] < k)).any())


def _has_canary(rows: list[tuple[Any, ...]]) -> bool:
    """Canaries are whole numbers from 700 to 999 million, found in any cell, as a number or inside a text."""
    return any(re.search(r"(?<![\d.])[789]\d{8}(?![\d])", str(value)) for row in rows for value in row)
