"""The harness keeps its word: real processes, nothing shared between tests, nothing left behind, nothing swallowed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pytest_celery import CeleryTestSetup

from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.process import LocalProcess
from tests.harness.runner import Runner
from tests.harness.sentry import Sentry
from tests.harness.server import Database, Server, free_port
from tests.harness.stage import Stage
from tests.harness.worker import Worker

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = ("PASSED ", "FAILED ", "ERROR test_")
STOCK = "tests.apps.stock"


@pytest.mark.unjudged("losses", reason="the stock SDK loses what is under way at a stop, and that is its own")
def test_worker_is_a_real_process_and_sends_real_envelopes(start_worker: Callable[..., Worker], sentry: Sentry) -> None:
    """Run tasks in the pool's processes; an error and a metric arrive over HTTP, the metric by the flush at the end."""
    worker = start_worker(app=STOCK)
    assert worker.task("succeed").delay().get(timeout=PATIENCE_SECONDS) in worker.child_pids
    worker.task("fail").delay()
    event = sentry.one("event")
    assert event["exception"]["values"][0]["value"] == "no margin"
    assert worker.stop() == 0
    assert [metric["name"] for metric in sentry.metrics()] == ["stock.runs"]


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet", "solo"])
def test_every_pool_starts_and_stops(start_worker: Callable[..., Worker], pool: str) -> None:
    """Run a task and end with 0 after SIGTERM, under each of Celery's pools."""
    worker = start_worker(app=STOCK, pool=pool)
    pid = worker.task("succeed").delay().get(timeout=PATIENCE_SECONDS)
    assert (pid == worker.pid) is (pool != "prefork")
    assert worker.stop() == 0


def test_a_killed_worker_takes_its_children_along(start_worker: Callable[..., Worker]) -> None:
    """End every process of the worker on KILL, as a container does."""
    worker = start_worker(app=STOCK)
    children = worker.children
    worker.kill()
    assert worker.process.popen.returncode == -signal.SIGKILL
    assert not psutil.wait_procs(children, timeout=PATIENCE_SECONDS)[1]


def test_a_worker_that_cannot_start_is_shown_with_its_log(start_worker: Callable[..., Worker]) -> None:
    """Fail at once with what the worker wrote when it ends before it is ready."""
    with pytest.raises(AssertionError, match="no_such_module"):
        start_worker(app="tests.apps.no_such_module")


def test_a_process_that_does_not_end_is_shown_with_where_it_was(tmp_path: Path) -> None:
    """Fail with the stack of each of its threads: what hung is known without having it hang again."""
    command = [sys.executable, "-c", "import time\ndef lasts_for_ever(): time.sleep(60)\nlasts_for_ever()"]
    process = LocalProcess("hanging", command, env={**os.environ, "PYTHONFAULTHANDLER": "1"}, cwd=tmp_path)
    with pytest.raises(AssertionError, match=r"(?s)did not exit within 1 s.*line 2 in lasts_for_ever"):
        process.wait(1)
    assert not process.reap()


def test_databases_are_not_shared(server: Server, database: Database) -> None:
    """Give each database out once: what one test writes no other reads."""
    other = server.new_database()
    database.client.set("key", "mine")
    assert other.client.get("key") is None
    other.close()


def test_a_process_left_behind_is_found_and_ended(server: Server, tmp_path: Path) -> None:
    """Tell of a program that a task has left running, and end it."""
    stage = Stage(server, tmp_path)
    worker = stage.start_worker(app=STOCK)
    pid = worker.task("shell").delay().get(timeout=PATIENCE_SECONDS)
    (finding,) = stage.close()
    assert f"left process {pid}" in finding
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_error_swallowed_in_a_worker_is_found(server: Server, tmp_path: Path) -> None:
    """Tell of a signal receiver that raised in a worker, with its traceback, although the task went well."""
    stage = Stage(server, tmp_path)
    worker = stage.start_worker(app=STOCK)
    worker.task("succeed").apply_async(task_id="break-1").get(timeout=PATIENCE_SECONDS)
    found = stage.close(excused=frozenset({"relay", "privacy", "losses"}))
    assert found
    assert "a receiver's fault" in found[0]
    assert "break_a_receiver" in found[0]


INNER = """
import logging
import pytest

def test_dispatch():
    logging.getLogger("celery.utils.dispatch.signal").error("Signal handler raised")

def test_sdk():
    logging.getLogger("sentry_sdk.errors").error("Internal error in sentry_sdk")

@pytest.mark.swallows(reason="shown to be excusable")
def test_excused():
    logging.getLogger("celery.utils.dispatch.signal").error("Signal handler raised")

@pytest.mark.swallows
def test_no_reason():
    logging.getLogger("celery.utils.dispatch.signal").error("Signal handler raised")

def test_judged(sentry):
    sentry.post(b"not an envelope")

@pytest.mark.unjudged("framing", reason="shown to be excusable")
def test_unjudged(sentry):
    sentry.post(b"not an envelope")

@pytest.mark.unjudged("nobody", reason="a slip of the pen")
def test_unknown_judge(sentry):
    pass

def test_log_is_attached(start_worker):
    start_worker(app="tests.apps.stock")
    assert False
"""


def test_swallowed_errors_and_judges_fail_a_test(tmp_path: Path) -> None:
    """Fail tests whose process swallowed an error or whose envelopes are bad; an excuse needs a reason and a name."""
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.harness.plugin"]\n')
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    summary = [line.partition(" - ")[0].split("::") for line in done.stdout.splitlines() if line.startswith(OUTCOMES)]
    assert {name: head.partition(" ")[0] for head, name in summary} == {
        "test_dispatch": "ERROR",
        "test_sdk": "ERROR",
        "test_excused": "PASSED",
        "test_no_reason": "ERROR",
        "test_judged": "ERROR",
        "test_unjudged": "PASSED",
        "test_unknown_judge": "ERROR",
        "test_log_is_attached": "FAILED",
    }, done.stdout
    assert " ready." in done.stdout


def test_pytest_celery_fixtures_run_over_local_processes(celery_setup: CeleryTestSetup) -> None:
    """Run pytest-celery's own task on the stock fixtures, ask its worker by remote control, and see its processes."""
    assert celery_setup.ready(ping=True, control=True)
    names = {row["name"] for row in celery_setup.worker.get_running_processes_info(["pid", "name"])}
    assert names
    assert celery_setup.app.control.inspect().active_queues().keys() == {celery_setup.worker.hostname()}
    celery_setup.worker.assert_log_exists("ping")


def test_pytest_celery_worker_restarts(celery_setup: CeleryTestSetup) -> None:
    """Restart a worker node and have it work again; kill it and see it gone."""
    celery_setup.worker.restart()
    assert celery_setup.ready(ping=True)
    celery_setup.worker.kill()
    assert celery_setup.worker.container.status == "exited"


def test_the_runner_sees_a_server_that_has_changed_its_title(tmp_path: Path) -> None:
    """Find the embedded server among what the Procfile runner has started: it writes over its environment."""
    procfile = tmp_path / "Procfile"
    procfile.write_text("redis: exec python -m worker.local.valkey --port $REDIS_PORT --data $LOCAL_DATA/valkey\n")
    runner = Runner(tmp_path, str(procfile), env={"REDIS_PORT": str(free_port())})
    runner.await_line("Ctrl-C stops everything")
    assert any("valkey-server" in line or "redis-server" in line for line in map(_command, runner.below()))
    assert runner.stop(signal.SIGTERM) == 0
    assert runner.close() == []


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())
