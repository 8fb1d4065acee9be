"""A Sentry, a database and the processes that use them, brought up and taken down together."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness import judges
from tests.harness.beat import Beat, Schedule
from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.producer import Producer
from tests.harness.sentry import Sentry
from tests.harness.server import Server
from tests.harness.swallowed import swallowed_errors
from tests.harness.worker import Worker, launch, process_environment

LOG_CHARACTERS = 20_000


class Stage:
    """Hold what one test (or one module of tests) runs on; nothing of it is seen by another stage."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder
        self.server = server
        self.database = server.new_database()
        #: Where tasks go; results stay in the database.
        self.broker_url = self.database.url
        self.sentry = Sentry()
        self.workers: list[Worker] = []
        self.producers: list[Producer] = []
        self.beats: list[Beat] = []
        self.may_swallow = False
        self.closed = False
        self._received = ""

    def start_worker(self, *, wait: bool = True, monitored: bool = True, **options: Any) -> Worker:
        """Start a worker (options: see `harness.worker.launch`); `monitored=False` gives it no DSN."""
        worker = launch(
            folder=self.folder,
            broker_url=self.broker_url,
            backend_url=self.database.url,
            dsn=self.sentry.dsn if monitored else None,
            **options,
        )
        self.workers.append(worker)
        return worker.wait_ready() if wait else worker

    def start_producer(self, *, monitored: bool = True, env: Mapping[str, str] | None = None) -> Producer:
        """Start a process that publishes, as a web application would."""
        producer = Producer(
            folder=self.folder,
            broker_url=self.broker_url,
            dsn=self.sentry.dsn if monitored else None,
            env={"CELERY_RESULT_BACKEND": self.database.url, **(env or {})},
        )
        self.producers.append(producer)
        return producer

    def start_beat(self, schedule: Schedule, *, monitored: bool = True, env: Mapping[str, str] | None = None) -> Beat:
        """Start beat with a schedule; see `harness.beat`."""
        beat = Beat(
            folder=self.folder,
            broker_url=self.broker_url,
            dsn=self.sentry.dsn if monitored else None,
            schedule=schedule,
            env={"CELERY_RESULT_BACKEND": self.database.url, **(env or {})},
        )
        self.beats.append(beat)
        return beat

    def celery(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a `celery` command in the stage's folder, to its end: `celery("-A", APP, "start", "--check-only")`."""
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "celery", *words],
            env=process_environment(self.database.url, self.sentry.dsn, {"MONITORING_DEBUG": "", **(env or {})}),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def logs(self) -> list[tuple[str, str]]:
        """Return (title, the end of its log) of every process, and what Sentry received."""
        owners: list[Worker | Producer | Beat] = [*self.workers, *self.producers, *self.beats]
        logs = [(f"log of {owner.process.name} {owner.process.pid}", owner.log[-LOG_CHARACTERS:]) for owner in owners]
        return [*logs, ("Sentry", self._received if self.closed else self.sentry.summary())]

    def settle(self) -> list[str]:
        """Stop every process, publishers first, which flushes what Sentry has not got; return what went wrong."""
        owners: list[Worker | Producer | Beat] = [*self.beats, *self.producers, *self.workers]
        found = []
        for owner in owners:
            if not owner.settled:
                found += owner.close()
                found += [] if self.may_swallow else [f"{owner.process.name}: {x}" for x in swallowed_errors(owner.log)]
        return found

    def close(self, excused: frozenset[str] = frozenset()) -> list[str]:
        """Take everything down; return what went wrong and what the judges (but the excused) say."""
        found = self.settle() + judges.judge(self.sentry, excused)
        self._received = self.sentry.summary()
        self.closed = True
        self.sentry.close()
        self.database.close()
        return found
