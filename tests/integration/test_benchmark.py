"""The benchmark of what monitoring costs: it runs, and what it writes can be believed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cost import report
from benchmarks.cost.processes import Ground
from benchmarks.cost.scenes import half_width
from benchmarks.cost.variants import PEER, VARIANTS
from tests.harness.worker import ROOT

TASKS = 20
# A warm-up round, one that closes its window, five that count; every tenth task of each is sampled.
ROUNDS = 7
SAMPLED = 2
MEMORY = {
    "date": "2026-11-25",
    "points": [{"tasks": 10, "resident_mib": 100.0}, {"tasks": 20, "resident_mib": 101.0}],
}


def bench(folder: Path, mode: str) -> str:
    """Run the smallest bench of its kind that there is, and return what it said."""
    command = [sys.executable, "-m", "benchmarks.cost", mode, "--tasks", str(TASKS), "--output", str(folder)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run it once, and return where it wrote."""
    folder = tmp_path_factory.mktemp("bench")
    assert "delivered / sampled" in bench(folder, "--quick")
    return folder


@pytest.fixture(scope="module")
def results(written: Path) -> dict[str, Any]:
    """Return what it wrote as JSON."""
    found: dict[str, Any] = json.loads((written / "cost.json").read_text())
    return found


def test_every_variant_runs_the_same_tasks_and_all_that_was_sampled_arrives(results: dict[str, Any]) -> None:
    """Each variant runs every task of every round, and its traces are counted at the receiver, not at the sender."""
    [scene] = results["scenes"]
    assert list(scene["variants"]) == [variant.key for variant in VARIANTS]
    for key, one in scene["variants"].items():
        assert one["ran"] == ROUNDS * TASKS
        assert (one["sampled"], one["delivered"]) == (ROUNDS * SAMPLED, 0 if key == "bare" else ROUNDS * SAMPLED), key
        assert one["task_us"] > 0
        assert one["publish_us"] > 0
        assert one["peak_mib"] > 0
    for key in PEER:
        assert scene["variants"][key]["metrics"] == 2 * ROUNDS * TASKS


def test_a_sentry_that_never_answers_is_survived(results: dict[str, Any]) -> None:
    """The worker goes on at a Sentry that hangs, and the bench says how fast."""
    for one in results["latency"].values():
        assert one["hanging"]["tasks_a_second"] > 0
        assert one["hanging"]["p99_ms"] >= one["hanging"]["p50_ms"] > 0


def test_nothing_is_lost_at_a_fixed_pace(results: dict[str, Any]) -> None:
    """Every task of the paced run is sampled, and its trace arrives."""
    [paced] = results["paced"]
    ours = paced["variants"]["ours"]
    assert ours["delivered"] == ours["sampled"] == ours["ran"] > 0


def test_results_name_machine_and_versions_and_no_path_of_it(written: Path, results: dict[str, Any]) -> None:
    """Who reads the results knows what they were measured on, and nothing of where."""
    assert {"processor", "cores", "python", "celery", "sentry-sdk", "opentelemetry-sdk"} <= results["machine"].keys()
    assert results["date"]
    text = (written / "cost.json").read_text() + (written / "cost.svg").read_text()
    assert str(ROOT) not in text
    assert str(written) not in text


def test_page_gets_the_new_tables_and_keeps_its_words(tmp_path: Path, results: dict[str, Any]) -> None:
    """Only what stands between the two marks is rewritten."""
    page = tmp_path / "cost.md"
    page.write_text("before\n<!-- bench: begin, written by `make bench` -->\nold\n<!-- bench: end -->\nafter\n")
    report.rewrite(page, report.markdown(results, MEMORY, "cost.svg"))
    text = page.read_text()
    assert text.startswith("before\n<!-- bench: begin, written by `make bench` -->\nMeasured ")
    assert text.endswith("\n<!-- bench: end -->\nafter\n")
    assert "\nold\n" not in text
    assert "100.0 MiB after 10, 101.0 MiB after 20; 101.0 MiB in the end" in text
    assert all(variant.label in text for variant in VARIANTS)


def test_a_soak_says_how_far_it_is_and_writes_the_memory_of_the_worker(tmp_path: Path) -> None:
    """Two hundred thousand tasks take minutes, in which somebody wants to know that it goes on."""
    said = bench(tmp_path, "--soak")
    told = json.loads((tmp_path / "memory.json").read_text())
    assert [point["tasks"] for point in told["points"]] == [TASKS]
    resident = told["points"][0]["resident_mib"]
    assert 20 < resident < 1000
    assert f"{TASKS} of {TASKS} tasks {resident:>7.1f} MiB" in said


def test_a_request_that_breaks_off_is_not_counted(tmp_path: Path) -> None:
    """A worker that is killed while it sends leaves half an envelope: the bench goes on, and counts the rest."""
    with Ground(tmp_path) as ground:
        with socket.create_connection(("127.0.0.1", ground.receiver_port)) as half:
            half.sendall(
                b"POST /api/7/envelope/ HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n\x1f\x8b"
            )
            half.shutdown(socket.SHUT_WR)
            assert half.recv(100) == b""
        assert ground.counts() == {}


def test_an_interval_narrows_with_more_rounds_and_ignores_one_wild_round() -> None:
    """The spread is that of the median: one round in which the machine was busy does not widen it."""
    calm = [100.0 + number % 5 for number in range(30)]
    assert half_width([*calm[:-1], 10_000.0]) < 5
    assert half_width(calm) <= half_width(calm[:5])
