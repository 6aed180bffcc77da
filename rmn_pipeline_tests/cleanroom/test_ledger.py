from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rmn_pipeline.cleanroom import CleanRoomError, Ledger, LedgerError
from rmn_pipeline.cleanroom.audit import AuditEntry, Decision
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


def test_tampering_with_any_byte_of_the_audit_log_is_detected(tmp_path: Path) -> None:
    from rmn_pipeline.cleanroom.audit import verify_chain

    _, connection = logged(tmp_path)
    head = verify_chain(connection).head
    connection.execute("DROP TRIGGER audit_log_is_append_only_on_update")
    connection.execute("DROP TRIGGER audit_log_is_append_only_on_delete")
    entry, entry_hash = connection.execute(
        "SELECT entry, entry_hash FROM audit_log WHERE sequence = 2"
    ).fetchone()
    for column, text in (("entry", entry), ("entry_hash", entry_hash)):
        for place in range(len(text)):
            changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
            connection.execute("BEGIN")
            connection.execute(f"UPDATE audit_log SET {column} = ? WHERE sequence = 2", (changed,))
            verdict = verify_chain(connection)
            connection.execute("ROLLBACK")
            assert not verdict.intact
            assert verdict.first_broken_sequence == 2
    assert verify_chain(connection, head).intact
    connection.execute("BEGIN")
    connection.execute("DELETE FROM audit_log WHERE sequence = 1")
    assert not verify_chain(connection).intact
    connection.execute("ROLLBACK")
    connection.execute("DELETE FROM audit_log WHERE sequence = 3")
    # A chain alone cannot know its own tail: a head noted elsewhere does.
    assert verify_chain(connection).intact
    assert not verify_chain(connection, head).intact
