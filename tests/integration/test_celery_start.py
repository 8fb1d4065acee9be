"""`celery -A app start` checks, shows what is monitored, and is Celery's own worker command in everything else."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.sentry import Sentry
from tests.harness.server import free_port
from tests.harness.stage import Stage
from tests.harness.worker import ROOT, Worker, process_environment

APP = "tests.apps.started"
UNMONITORED = "tests.apps.producer"
DONE, USAGE, EX_CONFIG = 0, 2, 78

Celery = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def celery(stage: Stage) -> Celery:
    """Run a `celery` command to its end: `celery("-A", APP, "start", env={...})`."""
    return stage.celery


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen without ever answering, as a server behind a broken firewall."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent", "eventlet"])
def test_start_runs_a_worker_with_every_pool(start_worker: Callable[..., Worker], pool: str) -> None:
    """Start a worker that works, with the options it was given, and end with 0 after SIGTERM."""
    options = ("--metrics-port", "9101", "--config-name=live")
    worker = start_worker(app=APP, command="start", pool=pool, concurrency=3, queue="orders", options=options)
    assert worker.task("double").delay(21).get(timeout=PATIENCE_SECONDS) == 42
    assert f"{pool}, " in worker.log
    assert "metrics on 9101 with concurrency 3" in worker.log
    # Once, and with what was given: an option that `start` ate would be seen twice, the second time as its default.
    assert [line for line in worker.log.splitlines() if line.startswith("preload")] == [
        "preload {'config_name': 'live'}"
    ]
    assert worker.stop() == DONE


def test_quit_ends_a_started_worker(start_worker: Callable[..., Worker]) -> None:
    """End at once with 0 after SIGQUIT, as the worker command does."""
    worker = start_worker(app=APP, command="start", concurrency=1)
    # Between "ready." and its loop Celery asks the pool how it started: a cold stop then leaves none to ask.
    wait_until(worker.app.control.ping, "an answer from the worker's loop")
    worker.kill(signal.SIGQUIT)
    assert worker.wait() == DONE


def test_screen_shows_what_is_monitored(celery: Celery, stage: Stage) -> None:
    """Show app, Sentry without its key, servers, queues, pool and tasks, at 100 columns and without colour."""
    env = {"APP_VERSION": "1.4.2", "SENTRY_ENVIRONMENT": "staging"}
    done = celery("-A", APP, "start", "--check-only", "-Q", "orders,market", "-X", "market", "-c", "3", env=env)
    assert done.returncode == DONE, done.stderr
    host = stage.sentry.dsn.partition("@")[2]
    for told in (
        "app          started",
        "monitoring   on: trading_engine in staging, release 1.4.2",
        f"Sentry       {host.partition('/')[0]}, project 1 - answers",
        "sends        errors 1, traces 1 (static), metrics of all tasks; slow after 5 s",
        f"broker       {stage.database.url} - answers",
        f"results      {stage.database.url} - answers",
        "queues       orders\n",
        "pool         prefork, 3 tasks at a time\n",
        "tests.apps.started.double  moves  2 s         20 s / 30 s  late",
    ):
        assert told in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout + done.stderr
    assert stage.sentry.dsn not in done.stdout + done.stderr


def test_check_only_starts_no_worker(celery: Celery, stage: Stage) -> None:
    """Exit with 0 without having touched a queue, and without a trace at Sentry."""
    done = celery("-A", APP, "start", "--check-only")
    assert done.returncode == DONE
    assert "ready." not in done.stdout + done.stderr
    assert stage.database.client.keys("*") == []
    assert stage.sentry.events() == []


def test_help_is_the_workers_own(celery: Celery) -> None:
    """Show every option of the worker, the user's too, and ours, without any server."""
    done = celery("-A", APP, "start", "--help", env={"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert done.returncode == DONE
    for option in ("--check-only", "--concurrency", "--prefetch-multiplier", "--pidfile", "--metrics-port"):
        assert option in done.stdout


def test_bad_option_is_a_usage_error_before_anything_is_asked(celery: Celery) -> None:
    """Refuse an unknown option as the worker command does; the broker that is down does not come up."""
    done = celery("-A", APP, "start", "--bogus", env={"CELERY_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert done.returncode == USAGE
    assert "--bogus" in done.stderr
    assert "preflight" not in done.stderr


def test_broker_down_is_refused(celery: Celery) -> None:
    """Exit with 78 and one line that says where nobody answers, without the password."""
    port = free_port()
    done = celery("-A", APP, "start", env={"CELERY_BROKER_URL": f"redis://bot:hunter2@127.0.0.1:{port}/0"})
    assert done.returncode == EX_CONFIG
    assert (
        f"preflight: refused: broker: the message broker cannot be reached: Error 111 connecting to 127.0.0.1:{port}"
        in done.stderr
    )
    assert f"redis://***@127.0.0.1:{port}/0 - DOES NOT ANSWER" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_silent_servers_are_refused_within_the_bound(celery: Celery, silent_port: int) -> None:
    """Give up after three seconds on servers that take the connection and say nothing: else it would not end."""
    silent = f"127.0.0.1:{silent_port}"
    env = {"CELERY_BROKER_URL": f"redis://{silent}/0", "CELERY_RESULT_BACKEND": f"redis://{silent}/1"}
    done = celery("-A", APP, "start", env={**env, "SENTRY_DSN": f"http://key@{silent}/1"})
    assert done.returncode == EX_CONFIG
    assert done.stderr.count("within 3 s") + done.stderr.count("Timeout") + done.stderr.count("timed out") == 3


def test_result_backend_down_is_refused(celery: Celery) -> None:
    """Exit with 78 when no task could store what became of it."""
    done = celery("-A", APP, "start", env={"CELERY_RESULT_BACKEND": f"redis://127.0.0.1:{free_port()}/0"})
    assert done.returncode == EX_CONFIG
    assert "preflight: refused: results: " in done.stderr


def test_dead_sentry_is_a_warning(celery: Celery) -> None:
    """Start all the same: monitoring does no harm."""
    done = celery("-A", APP, "start", "--check-only", env={"SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1"})
    assert done.returncode == DONE
    assert "preflight: warning: sentry: Sentry takes nothing (" in done.stderr
    assert "Connection refused" in done.stderr


def test_missing_app_is_refused(celery: Celery) -> None:
    """Start no worker on Celery's default app when -A was forgotten."""
    done = celery("start")
    assert done.returncode == EX_CONFIG
    assert "no application" in done.stderr


def test_app_that_never_started_monitoring_is_refused(celery: Celery, tmp_path: Path) -> None:
    """Say which line is missing; without a DSN the same app starts."""
    (tmp_path / "bots.py").write_text("from celery import Celery\napp = Celery('bots')\n")
    here = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    done = celery("-A", "bots", "start", "--check-only", env=here)
    assert done.returncode == EX_CONFIG
    assert "import monitoring; monitoring.init_sentry()" in done.stderr
    off = celery("-A", "bots", "start", "--check-only", env={**here, "SENTRY_DSN": ""})
    assert off.returncode == DONE
    assert "monitoring   off" in off.stdout


def test_every_wrong_setting_is_told(celery: Celery, tmp_path: Path) -> None:
    """Exit with 78 and list all mistakes, for an app that leaves reading them to us."""
    (tmp_path / "bots.py").write_text("from celery import Celery\napp = Celery('bots')\n")
    wrong = {"SENTRY_TRACES_SAMPLE_RATE": "15", "SENTRY_DSN": "nowhere", "MONITORING_METRICS": "perhaps"}
    env = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), **wrong}
    done = celery("-A", "bots", "start", env=env)
    assert done.returncode == EX_CONFIG
    refused = [line for line in done.stderr.splitlines() if line.startswith("preflight: refused: settings: ")]
    assert [line.split()[3] for line in refused] == ["SENTRY_DSN", "SENTRY_TRACES_SAMPLE_RATE", "MONITORING_METRICS"]


def test_broken_task_module_is_refused(celery: Celery, tmp_path: Path) -> None:
    """Say which module does not import and where it breaks."""
    (tmp_path / "bots.py").write_text("from celery import Celery\napp = Celery('bots', include=['broken'])\n")
    (tmp_path / "broken.py").write_text("import math\nmath.no_such_thing\n")
    env = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), "SENTRY_DSN": ""}
    done = celery("-A", "bots", "start", env=env)
    assert done.returncode == EX_CONFIG
    assert "no_such_thing" in done.stderr
    assert "broken.py:2" in done.stderr


def test_options_come_from_the_environment_too(celery: Celery) -> None:
    """Read CELERY_WORKER_* variables, as the worker command does."""
    env = {"CELERY_WORKER_CONCURRENCY": "5", "CELERY_WORKER_POOL": "threads"}
    done = celery("-A", APP, "start", "--check-only", env=env)
    assert "pool         threads, 5 tasks at a time" in done.stdout


@pytest.mark.parametrize("configured", [False, True])
def test_daemon_writes_its_files(celery: Celery, stage: Stage, configured: bool) -> None:  # noqa: FBT001  # a parameter
    """Start in the background with pid file and log file, from options or from the app's own configuration."""
    pidfile, logfile = stage.folder / "worker.pid", stage.folder / "worker.log"
    options = () if configured else (f"--pidfile={pidfile}", f"--logfile={logfile}")
    env = {"STARTED_PIDFILE": str(pidfile), "STARTED_LOGFILE": str(logfile)} if configured else {}
    done = celery("-A", APP, "start", "-D", "-c1", "-lINFO", "--without-mingle", *options, env=env)
    assert done.returncode == DONE, done.stderr
    wait_until(lambda: logfile.exists() and " ready." in logfile.read_text(), "the daemon's log")
    daemon = psutil.Process(int(pidfile.read_text()))
    try:
        assert daemon.cmdline()[-2:] != ["-D"]
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(PATIENCE_SECONDS)
    finally:
        if daemon.is_running():
            daemon.kill()
    assert not pidfile.exists()


def test_quiet_keeps_the_screen_back(celery: Celery) -> None:
    """Print no screen with --quiet, and still what is wrong."""
    dead = {"SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1"}
    done = celery("-q", "-A", APP, "start", "--check-only", env=dead)
    assert done.returncode == DONE
    assert "broker" not in done.stdout
    assert "preflight: warning: sentry" in done.stderr


@pytest.mark.parametrize(("flag", "coloured"), [((), True), (("-C",), False)])
def test_terminal_gets_colour_unless_it_is_unwanted(stage: Stage, flag: tuple[str, ...], coloured: bool) -> None:  # noqa: FBT001  # a parameter
    """Colour the screen on a terminal, and not with --no-color."""
    ours, theirs = pty.openpty()
    environment = process_environment(stage.database.url, None, {"TERM": "xterm"})
    command = [sys.executable, "-W", "ignore", "-m", "celery", *flag, "-A", APP, "start", "--check-only"]
    with subprocess.Popen(
        command, env=environment, cwd=stage.folder, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # a terminal's other end is gone
            pass
        finally:
            os.close(ours)
        assert process.wait(PATIENCE_SECONDS) == DONE
    assert (b"\x1b[" in shown) is coloured


def test_other_commands_stay_light(stage: Stage) -> None:
    """Load nothing but click and Celery into every `celery` command of the environment."""
    heavy = "{'sentry_sdk', 'pydantic', 'flask', 'monitoring.settings', 'monitoring.preflight'}"
    code = f"import monitoring.cli, sys; assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=stage.folder, check=True
    )


def test_preflight_leaves_nothing_at_sentry(celery: Celery, sentry: Sentry) -> None:
    """Ask Sentry with an empty client report: it counts no loss and shows nowhere."""
    assert celery("-A", APP, "start", "--check-only").returncode == DONE
    assert [report["discarded_events"] for report in sentry.client_reports()] == [[]]
    assert len(sentry.items()) == 1
    assert not sentry.refused
