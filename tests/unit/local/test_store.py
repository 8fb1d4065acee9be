"""What is kept: bounded, oldest out first and counted, through restarts, kills and a disk that is full."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.local import Bounds, LocalSentry
from monitoring.local.store import FILE
from tests.harness.server import free_port
from tests.unit.local.conftest import Caller, envelope, item, metric, metrics

RUN = {"task": "a.b.c", "outcome": "success"}


def messages(sentry: LocalSentry) -> list[str]:
    """List what is kept, oldest first."""
    return [event["message"] for event in sentry.events()]


def test_the_number_of_items_is_bounded_by_type(call: Callable[..., Caller]) -> None:
    """Keep the newest of each type, and count what was dropped."""
    with LocalSentry(bounds=Bounds(items_per_type=3)) as sentry:
        caller = call(sentry)
        caller.send(envelope(item("transaction", {"type": "transaction"})))
        for number in range(5):
            caller.send(envelope(item("event", {"message": str(number)})))
        assert messages(sentry) == ["2", "3", "4"]
        assert len(sentry.transactions()) == 1
        answer = caller.get("/stats.json").json
        assert answer["pruned"] == {"event": 2}
        assert answer["received"] == {"event": 5, "transaction": 1}


def test_the_bytes_of_all_items_are_bounded(call: Callable[..., Caller]) -> None:
    """Drop the oldest of the type that holds the most, never the few of another."""
    with LocalSentry(bounds=Bounds(bytes=100_000)) as sentry:
        caller = call(sentry)
        caller.send(envelope(item("event", {"message": "kept"})))
        for _ in range(30):
            caller.send(envelope(item("attachment", b"x" * 10_000)))
        assert messages(sentry) == ["kept"]
        kept = sentry.items("attachment")
        assert 0 < sum(len(stored.payload) for stored in kept) <= 100_000
        assert caller.get("/stats.json").json["pruned"]["attachment"] == 30 - len(kept)


def test_the_number_of_runs_is_bounded(call: Callable[..., Caller]) -> None:
    """Keep the newest runs for the table, and count the others."""
    with LocalSentry(bounds=Bounds(runs=10)) as sentry:
        caller = call(sentry)
        for number in range(25):
            caller.send(envelope(metrics(metric("task.run_time", number, **RUN))))
        answer = caller.get("/stats.json").json
        assert [row["count"] for row in answer["rows"]] == [10]
        assert answer["rows"][0]["run_time_ms"]["p50"] == 19
        assert answer["pruned"] == {"runs": 15}


def test_the_file_stays_bounded_on_disk(call: Callable[..., Caller], tmp_path: Path) -> None:
    """Use freed pages again: ten times the bound goes through, and the file does not grow with it."""
    with LocalSentry(data=tmp_path, bounds=Bounds(bytes=2_000_000)) as sentry:
        caller = call(sentry)
        for _ in range(20):
            caller.send(envelope(item("attachment", os.urandom(1_000_000))))
            sentry.store.flush()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 6_000_000


def test_what_was_answered_survives_a_restart(call: Callable[..., Caller], tmp_path: Path) -> None:
    """Keep items, runs and counts in the directory that is given."""
    with LocalSentry(data=tmp_path) as sentry:
        call(sentry).send(envelope(item("event", {"message": "before"}), metrics(metric("task.run_time", 7, **RUN))))
        call(sentry).send(b"broken")
    with LocalSentry(data=tmp_path, bounds=Bounds(items_per_type=1)) as sentry:
        assert messages(sentry) == ["before"]
        assert sentry.stats()["rows"][0]["count"] == 1
        assert sentry.stats()["rejected"] == {"header": 1}
        call(sentry).send(envelope(item("event", {"message": "after"})))
        assert messages(sentry) == ["after"]  # what was there before counts for the bounds


def test_a_kill_harms_no_file(tmp_path: Path) -> None:
    """Open again what a killed process has left, with all that a reader had seen."""
    port = free_port()
    command = [sys.executable, "-m", "monitoring.local", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        caller = Caller(port)
        for number in range(200):
            caller.send(envelope(item("event", {"message": str(number)})))
        assert caller.get("/stats.json").json["received"] == {"event": 200}
        process.send_signal(signal.SIGKILL)
        caller.close()
    with LocalSentry(data=tmp_path) as sentry:
        assert messages(sentry) == [str(number) for number in range(200)]


def test_without_a_directory_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep everything in a temporary directory that goes with the object."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalSentry():
        assert list(tmp_path.glob("local-sentry-*"))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_ends_nothing(sentry: LocalSentry, caller: Caller) -> None:
    """Tell of what was not stored, here and in /healthz, and go on as soon as there is room."""
    store = sentry.store
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own "database or disk is full"
    caller.send(envelope(item("attachment", b"x" * 1_000_000)))
    health = caller.get("/healthz")
    assert health.status == 503
    assert "full" in health.json["storage_error"]
    assert "full" in caller.get("/stats.json").json["storage_error"]
    store._database.execute("PRAGMA max_page_count = 1000000")
    caller.send(envelope(item("event", {"message": "room again"})))
    assert messages(sentry) == ["room again"]
    assert caller.get("/healthz").status == 200


def test_a_file_of_another_layout_is_left_alone(tmp_path: Path) -> None:
    """Never misread or overwrite what another version has written: the name carries the layout's number."""
    other = tmp_path / "local-sentry-0.sqlite3"
    other.write_bytes(b"somebody's data")
    with LocalSentry(data=tmp_path):
        assert (tmp_path / FILE).exists()
    assert other.read_bytes() == b"somebody's data"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Say so at the start instead of losing what comes."""
    (tmp_path / FILE).write_bytes(b"this is no database at all, whatever its name says" * 50)
    with pytest.raises(sqlite3.DatabaseError):
        LocalSentry(data=tmp_path)
