"""Celery workers as real processes: started with any pool and option, watched, stopped, and never left behind."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil
from celery import Celery, Signature
from kombu import pools

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.process import LocalProcess

ROOT = Path(__file__).resolve().parents[2]
# What a developer's shell or `.env` says must not reach a worker under test.
OURS = ("SENTRY_", "MONITORING_", "CELERY_", "APP_VERSION")
# Mingle waits a second for other workers, gossip talks to them; no test of ours needs either.
QUIET = ("--without-mingle", "--without-gossip", "--loglevel", "INFO")


def process_environment(
    broker_url: str, dsn: str | None, extra: Mapping[str, str] | None = None, *, backend_url: str | None = None
) -> dict[str, str]:
    """Return the environment of a process under test: this machine's without our variables, then the test's own.

    Without a DSN monitoring is off. An extra variable set to "" is passed empty.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return inherited | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        # Whoever does not end in time is asked where it was.
        "PYTHONFAULTHANDLER": "1",
        # Build machines run as root, and Celery refuses to read pickles there.
        "C_FORCE_ROOT": "true",
        "CELERY_BROKER_URL": broker_url,
        "CELERY_RESULT_BACKEND": backend_url or broker_url,
        **({"SENTRY_DSN": dsn, "SENTRY_ENABLED": "true"} if dsn else {}),
        "SENTRY_ENVIRONMENT": "staging",
        "SENTRY_TRACES_SAMPLE_RATE": "1.0",
        # The SDK says what it swallows only in debug mode; `check` reads it from the log.
        "MONITORING_DEBUG": "true",
        **(extra or {}),
    }


def own_spool(folder: Path) -> dict[str, str]:
    """Return the variable that keeps a stage's processes from taking over what another test has left on this host."""
    return {"MONITORING_SPOOL_DIRECTORY": str(folder / "spool")}


class Worker:
    """One running worker process, and an app that sends to the queues it reads."""

    def __init__(self, process: LocalProcess, *, module: str, broker_url: str, backend_url: str, queue: str) -> None:
        self.process = process
        self.module = module
        self.queue = queue
        self.settled = False
        self.app = sender(broker_url, queue, backend_url)

    @property
    def pid(self) -> int:
        """Process id of the worker's main process."""
        return self.process.pid

    @property
    def log(self) -> str:
        """Return everything the worker has written."""
        return self.process.logs().decode(errors="replace")

    @property
    def children(self) -> list[psutil.Process]:
        """Return the living processes under the main one (the prefork pool's, and what tasks have started)."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    @property
    def child_pids(self) -> set[int]:
        """Return the process ids of `children`."""
        return {child.pid for child in self.children}

    @property
    def running(self) -> bool:
        """Tell whether the main process lives."""
        return self.process.status == "running"

    def task(self, name: str) -> Signature:
        """Return the signature of a task by its name in the worker's module: `.delay(...)`, `.apply_async(...)`."""
        full = name if "." in name else f"{self.module}.{name}"
        return self.app.signature(full, queue=self.queue)

    def wait_ready(self, timeout: float = PATIENCE_SECONDS) -> Self:
        """Return when the worker takes tasks; fail with its log when it ends or does not get there."""
        wait_until(lambda: " ready." in self.log or not self.running, lambda: f"worker ready\n{self.log}", timeout)
        if not self.running:
            raise AssertionError(f"the worker exited with {self.process.popen.returncode}\n{self.log}")
        return self

    def wait_log(self, text: str, timeout: float = PATIENCE_SECONDS) -> None:
        """Return when the worker has written `text`."""
        wait_until(lambda: text in self.log, lambda: f"{text!r} in the worker's log\n{self.log}", timeout)

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal; KILL ends the pool's processes too, any other goes to the main process alone."""
        self.process.kill(signal)

    def stop(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Ask for a warm shutdown (SIGTERM to the main process) and return the exit code."""
        return self.process.stop(timeout)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Return the exit code of a worker that ends by itself."""
        return self.process.wait(timeout)

    def close(self) -> list[str]:
        """Stop the worker if it runs; return what is wrong with how it lived: orphans, no end."""
        self.settled = True
        found = []
        try:
            if self.running:
                self.stop()
        except AssertionError as error:
            found.append(str(error))
        found += self.process.reap()
        close_sender(self.app)
        return found


def sender(broker_url: str, queue: str = "celery", backend_url: str | None = None) -> Celery:
    """Return an app for this process that sends to a worker's broker and reads its results."""
    app = Celery(f"sender-{queue}", broker=broker_url, backend=backend_url or broker_url, set_as_current=False)
    app.conf.task_default_queue = queue
    return app


def close_sender(app: Celery) -> None:
    """Give back every connection of a sending app: pytest would report them as leaks."""
    backend = app.backend
    # A result that becomes garbage later would open a new connection, to say that nobody waits for it.
    backend.remove_pending_result = lambda _: None
    backend.result_consumer.stop()
    backend.client.close()
    backend.client.connection_pool.disconnect()
    # kombu keeps the pools of an address for the life of the process; a closed one would serve the next app.
    address = app.connection_for_write()
    for group in (pools.producers, pools.connections):
        group[address].force_close_all()
        del group[address]
    app.close()


def launch(  # noqa: PLR0913  # one keyword for each thing a test may want different
    *,
    folder: Path,
    broker_url: str,
    backend_url: str | None = None,
    dsn: str | None,
    app: str = "tests.apps.trading",
    command: str = "worker",
    pool: str = "prefork",
    concurrency: int = 2,
    queue: str = "celery",
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Worker:
    """Start a worker process; it may not be ready yet (`wait_ready`)."""
    words = [sys.executable, "-m", "celery", "-A", app, command, "--pool", pool, "--concurrency", str(concurrency)]
    words += ["--queues", queue, "--hostname", "worker@%h", *QUIET, *options]
    own = {**own_spool(folder), **(env or {})}
    environment = process_environment(broker_url, dsn, own, backend_url=backend_url)
    process = LocalProcess(f"worker-{pool}", words, env=environment, cwd=folder)
    return Worker(process, module=app, broker_url=broker_url, backend_url=backend_url or broker_url, queue=queue)
