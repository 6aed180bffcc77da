from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmn_pipeline.cleanroom import CleanRoomError, Ledger, LedgerError
from rmn_pipeline.cleanroom.audit import AuditEntry, AuditVerdict, Decision, verify_chain
from rmn_pipeline.cleanroom.ledger import NewRelease
from rmn_pipeline_tests.cleanroom.sample import sample_log

PROJECT = Path(__file__).parents[2]


def charge(ledger: Ledger, key: str, epsilon_micro: int, limit_micro: int) -> bool:
    entry = AuditEntry("people", "analyst", Decision.ANSWERED, key, epsilon_micro)
    return ledger.charge(NewRelease(key, key.encode()), entry, limit_micro).charged_now


def start_analyst(
    folder: Path, first: int, requests: int, epsilon: float, total: float
) -> subprocess.Popen[str]:
    arguments = [str(folder), str(first), str(requests), str(epsilon), str(total)]
    return subprocess.Popen(
        [sys.executable, "-m", "rmn_pipeline_tests.cleanroom.analyst_process", *arguments],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )


def lines_of(process: subprocess.Popen[str]) -> list[list[str]]:
    assert process.stdout is not None
    return [line.split() for line in process.stdout.read().splitlines()]


def test_a_charge_is_refused_when_it_would_pass_the_limit_and_leaves_no_trace(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.open_dataset("people")
    assert charge(ledger, "a", 700_000, 1_000_000)
    with pytest.raises(CleanRoomError, match="PRIVACY_BUDGET_EXHAUSTED"):
        charge(ledger, "b", 300_001, 1_000_000)
    assert ledger.account("people").spent_micro == 700_000
    assert ledger.account("people").releases == 1
    assert ledger.verify_audit().entries == 1
    assert charge(ledger, "b", 300_000, 1_000_000)
    assert not charge(ledger, "a", 700_000, 1_000_000)
    assert ledger.account("people").spent_micro == 1_000_000


def test_data_sets_have_separate_accounts_and_lasting_salts(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "ledger.sqlite"
    ledger = Ledger(path)
    salt = ledger.open_dataset("people")
    assert ledger.open_dataset("others") != salt
    charge(ledger, "a", 5, 10)
    assert Ledger(path).open_dataset("people") == salt
    assert ledger.account("others").spent_micro == 0
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_no_ledger_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is not a database, and it is long enough to be read as one" * 20)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite"):
        Ledger(path)


def test_a_thousand_queries_of_two_processes_and_a_kill_leave_charge_and_answers_equal(
    tmp_path: Path,
) -> None:
    sample_log(customers=400, rows=800).write_parquet(tmp_path / "log.parquet")
    # Requests 0-499 and 165-664: a third is asked by both; the first process is killed on its way.
    processes = [start_analyst(tmp_path, first, 500, 0.001, 8.0) for first in (0, 165)]
    assert processes[0].stdout is not None
    heard = [processes[0].stdout.readline().split() for _ in range(120)]
    processes[0].send_signal(signal.SIGKILL)
    heard += lines_of(processes[0]) + lines_of(processes[1])
    restarted = start_analyst(tmp_path, 0, 380, 0.001, 8.0)
    heard += lines_of(restarted)
    assert [process.wait() for process in (*processes, restarted)] == [-signal.SIGKILL, 0, 0]
    paid = {line[1] for line in heard if line[0] == "answered" and float(line[2]) > 0}
    ledger = Ledger(tmp_path / "ledger.sqlite")
    account, verdict = ledger.account("alpha"), ledger.verify_audit()
    # Every distinct request is charged once; an answer that the kill left unspoken is served for free later.
    assert {line[1] for line in heard if len(line) == 3} == {str(number) for number in range(665)}
    assert account.spent_micro == account.released_micro == account.releases * 1000 == 665_000
    assert len(paid) in (664, 665)
    assert verdict.intact and verdict.disagreements == ()


def test_two_processes_share_one_budget_exactly(tmp_path: Path) -> None:
    sample_log(customers=400, rows=800).write_parquet(tmp_path / "log.parquet")
    # 120 distinct requests, half of them asked by both; the budget covers 90.
    processes = [start_analyst(tmp_path, first, 80, 0.01, 0.9) for first in (0, 40)]
    outputs = [lines_of(process) for process in processes]
    assert [process.wait() for process in processes] == [0, 0]
    paid = [line for output in outputs for line in output if line[0] == "answered" and float(line[2]) > 0]
    free = [line for output in outputs for line in output if line[0] == "answered" and float(line[2]) == 0]
    account = Ledger(tmp_path / "ledger.sqlite").account("alpha")
    assert account.spent_micro == account.released_micro == 900_000
    assert account.releases == len(paid) == 90
    assert len({line[1] for line in paid}) == 90
    assert {line[1] for line in free} <= {line[1] for line in paid}
    verdict = Ledger(tmp_path / "ledger.sqlite").verify_audit()
    assert verdict.intact
    assert verdict.entries == 160


@pytest.mark.parametrize("answers_before_the_kill", [1, 17])
def test_a_killed_process_never_answered_without_having_charged(
    tmp_path: Path, answers_before_the_kill: int
) -> None:
    sample_log(customers=400, rows=800).write_parquet(tmp_path / "log.parquet")
    process = start_analyst(tmp_path, 0, 300, 0.01, 8.0)
    assert process.stdout is not None
    heard = [process.stdout.readline() for _ in range(answers_before_the_kill)]
    process.send_signal(signal.SIGKILL)
    heard += process.stdout.read().splitlines()
    process.wait()
    answered = sum(line.startswith("answered") for line in heard)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    account = ledger.account("alpha")
    assert answers_before_the_kill <= answered < 300
    assert account.spent_micro == account.released_micro == account.releases * 10_000
    # At most the one answer that was paid for and not yet spoken.
    assert answered <= account.releases <= answered + 1
    assert ledger.verify_audit().intact
    assert ledger.verify_audit().entries == account.releases


def logged(tmp_path: Path) -> tuple[Ledger, sqlite3.Connection]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.open_dataset("people")
    for key in ("a", "b", "c"):
        charge(ledger, key, 10, 100)
    connection = sqlite3.connect(ledger.path, isolation_level=None)
    return ledger, connection


def test_the_audit_log_takes_no_updates_or_deletions(tmp_path: Path) -> None:
    _, connection = logged(tmp_path)
    for statement in ("UPDATE audit_log SET entry = 'x'", "DELETE FROM audit_log WHERE sequence = 3"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)


def unlock(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER audit_log_is_append_only_on_update")
    connection.execute("DROP TRIGGER audit_log_is_append_only_on_delete")


def verdict_after(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> AuditVerdict:
    """What the chain says while a change is in place; the change is taken back."""
    connection.execute("BEGIN")
    connection.execute(statement, values)
    verdict = verify_chain(connection)
    connection.execute("ROLLBACK")
    return verdict


def test_tampering_with_any_byte_of_the_audit_log_is_detected(tmp_path: Path) -> None:
    _, connection = logged(tmp_path)
    head = verify_chain(connection).head
    unlock(connection)
    stored = connection.execute("SELECT sequence, entry, entry_hash FROM audit_log").fetchall()
    for sequence, entry, entry_hash in stored:
        for column, text in (("entry", entry.encode()), ("entry_hash", entry_hash.encode())):
            for place, bit in itertools.product(range(len(text)), range(8)):
                changed = bytearray(text)
                changed[place] ^= 1 << bit
                verdict = verdict_after(
                    connection,
                    f"UPDATE audit_log SET {column} = CAST(? AS TEXT) WHERE sequence = ?",
                    (bytes(changed), sequence),
                )
                assert not verdict.intact
                assert verdict.first_broken_sequence == sequence
        moved = verdict_after(
            connection, "UPDATE audit_log SET sequence = 77 WHERE sequence = ?", (sequence,)
        )
        assert not moved.intact
    assert verify_chain(connection, head).intact
    assert not verdict_after(connection, "DELETE FROM audit_log WHERE sequence = ?", (1,)).intact
    connection.execute("DELETE FROM audit_log WHERE sequence = 3")
    # A chain alone cannot know its own tail: a head noted elsewhere does.
    assert verify_chain(connection).intact
    assert not verify_chain(connection, head).intact


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_rewriting_of_stored_fields_is_detected(tmp_path_factory: Any, data: st.DataObject) -> None:
    ledger, connection = logged(tmp_path_factory.mktemp("ledger"))
    unlock(connection)
    sequence = data.draw(st.integers(1, 3))
    column = data.draw(st.sampled_from(["entry", "entry_hash"]))
    written = data.draw(
        st.one_of(st.binary(max_size=80), st.text(max_size=80), st.integers(-(2**40), 2**40), st.floats())
    )
    before = connection.execute(f"SELECT CAST({column} AS BLOB) FROM audit_log WHERE sequence = {sequence}")
    original = before.fetchone()[0]
    try:
        connection.execute(f"UPDATE audit_log SET {column} = ? WHERE sequence = ?", (written, sequence))
    except (sqlite3.IntegrityError, UnicodeEncodeError):
        # NaN is NULL to SQLite, and the column takes none; a lone surrogate is no text.
        connection.close()
        return
    after = connection.execute(f"SELECT CAST({column} AS BLOB) FROM audit_log WHERE sequence = {sequence}")
    is_same = after.fetchone()[0] == original
    connection.close()
    assert ledger.verify_audit().intact == is_same


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE datasets SET spent_micro = 0",
        "UPDATE datasets SET spent_micro = 'none'",
        "UPDATE releases SET epsilon_micro = 1 WHERE release_key = 'a'",
        "UPDATE releases SET payload = 'other' WHERE release_key = 'a'",
        "UPDATE releases SET payload = x'00' WHERE release_key = 'b'",
        "UPDATE releases SET release_key = 'z' WHERE release_key = 'b'",
        "DELETE FROM releases WHERE release_key = 'c'",
        "INSERT INTO releases (dataset_id, release_key, epsilon_micro, payload) VALUES ('people', 'd', 5, x'')",
    ],
)
def test_accounts_and_answers_that_differ_from_the_log_are_detected(tmp_path: Path, statement: str) -> None:
    ledger, connection = logged(tmp_path)
    assert ledger.verify_audit().intact
    try:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)
    finally:
        connection.close()
    verdict = ledger.verify_audit()
    assert not verdict.intact
    assert verdict.first_broken_sequence is None
    assert verdict.disagreements and "people" in verdict.disagreements[0]


def test_charging_an_account_that_was_never_opened_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="'people' has no account"):
        charge(Ledger(tmp_path / "ledger.sqlite"), "a", 1, 10)
