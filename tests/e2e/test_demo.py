"""`make demo` itself, whole and bounded: every task is accounted for, and nothing is left behind."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.runner import ROOT, Runner
from tests.harness.server import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Runner]:
    """Start the demo in a folder that has nothing but the Procfile, with a `.env` that would trade elsewhere."""
    (tmp_path / "Procfile.dev").symlink_to(ROOT / "Procfile.dev")
    elsewhere = "http://key@sentry.invalid/1"
    (tmp_path / ".env").write_text(f"SENTRY_DSN={elsewhere}\nCELERY_BROKER_URL=redis://broker.invalid/0\n")
    ports = {name: str(free_port()) for name in ("PORT", "REDIS_PORT", "LOCAL_SENTRY_PORT")}
    runner = Runner(tmp_path, module="demo", env={**ports, "SENTRY_DSN": elsewhere})
    yield runner
    left = runner.close()
    assert not left, left


def test_every_task_of_the_demo_is_accounted_for(demo: Runner, tmp_path: Path) -> None:
    """Exit with 0 after 300 tasks with retries and failures; print the table and the story of one failure."""
    code = demo.wait(timeout=170)
    output = demo.output
    assert code == 0, output
    assert "Every task is accounted for, everything is stopped" in output
    assert "300 tasks enqueued through the API" in output
    for task in ("place_order", "run_strategy", "sync_positions", "reconcile"):
        assert re.search(rf"^{task} ", output, re.MULTILINE), output
    retries = re.search(r"Retries: (\d+)\.", output)
    assert retries is not None
    assert int(retries[1]) > 50
    assert re.search(r"SUCCESS \d+, FAILURE \d+", output)
    assert "Lost: nothing." in output
    assert "…" not in output
    # The story: at least two attempts, the last of which gave up, and the trail of the first.
    story = output[output.index("The story of one failure") :]
    assert "gave up" in story
    assert re.search(r"attempt [2-5] of [2-5], .* from the first publish to the end", story)
    assert re.search(r"^│ 1 +\d\d:\d\d:\d\d\.\d{3} +exchange", story, re.MULTILINE)
    # Nothing is left: no process (the fixture looks), no data, nothing but what was there.
    assert not demo.below()
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".log")) == [
        ".env",
        ".local",
        "Procfile.dev",
    ]
    assert not list((tmp_path / ".local").iterdir())


def test_a_demo_that_is_interrupted_stops_in_order(demo: Runner, tmp_path: Path) -> None:
    """Exit with 130 on Ctrl-C in the middle, with nothing left behind."""
    demo.await_line("enqueued,")
    assert demo.stop(signal.SIGINT) == 130
    assert "Stopped before the end." in demo.output
    assert not demo.below()
    assert not list((tmp_path / ".local").iterdir())


def test_a_demo_without_its_worker_fails_and_keeps_the_evidence(demo: Runner, tmp_path: Path) -> None:
    """Exit with 1 when a process dies, name it, and keep what the processes wrote."""
    demo.await_line("enqueued,")
    worker = next(p for p in demo.below() if "start" in p.cmdline() and "worker" in p.cmdline())
    worker.kill()
    assert demo.wait() == 1
    assert "worker ended unexpectedly: signal SIGKILL" in demo.output
    assert not demo.below()
    (log,) = (tmp_path / ".local").glob("demo-*/output.log")
    assert "place_order" in log.read_text()
    assert str(log.relative_to(tmp_path)) in demo.output


def test_a_task_that_does_not_finish_fails_the_demo(tmp_path: Path) -> None:
    """Exit with 1 and name each task that has no final state when the time is over."""
    (tmp_path / "Procfile.dev").symlink_to(ROOT / "Procfile.dev")
    ports = {name: str(free_port()) for name in ("PORT", "REDIS_PORT", "LOCAL_SENTRY_PORT")}
    demo = Runner(tmp_path, "--tasks", "40", "--timeout", "1.2", module="demo", env=ports)
    code = demo.wait()
    left = demo.close()
    assert code == 1, demo.output
    assert re.search(r"\d+ tasks have not finished within 1\.2 s:", demo.output)
    assert re.search(
        r"^  [0-9a-f-]{36}  worker\.tasks\.\w+\.\w+  bot-\w+ \w+ \S+  (RETRY|PENDING)$", demo.output, re.MULTILINE
    )
    assert not left, left
