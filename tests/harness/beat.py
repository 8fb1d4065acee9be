"""Celery's beat as a real process, with a schedule that the test gives it."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.harness.polling import wait_until
from tests.harness.process import LocalProcess
from tests.harness.worker import own_spool, process_environment

APP = "tests.apps.scheduled"
SCHEDULE = "TEST_BEAT_SCHEDULE"
REST_SECONDS = 0.2

#: Entry name -> its task, `seconds` or `crontab`, how long `ago` its last run was, and Celery's `kwargs` and `options`.
Schedule = Mapping[str, Mapping[str, Any]]


class Beat:
    """One running beat process."""

    def __init__(
        self,
        *,
        folder: Path,
        broker_url: str,
        dsn: str | None,
        schedule: Schedule,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.settled = False
        words = [sys.executable, "-m", "celery", "-A", APP, "beat", "--schedule", str(folder / "beat-schedule")]
        given = {**own_spool(folder), **(env or {}), SCHEDULE: json.dumps(schedule)}
        self.process = LocalProcess(
            "beat", [*words, "--loglevel", "INFO"], env=process_environment(broker_url, dsn, given), cwd=folder
        )

    @property
    def log(self) -> str:
        """Return everything beat has written."""
        return self.process.logs().decode(errors="replace")

    def wait_sent(self, entry: str, times: int = 1) -> None:
        """Return when beat has sent an entry's task so often."""
        sent = f"Sending due task {entry} ("
        wait_until(lambda: self.log.count(sent) >= times, lambda: f"{entry!r} sent\n{self.log}")

    def _rests(self) -> bool:
        """Say that beat has written nothing for a moment: it tells each task that it sends."""
        return time.time() - self.process.log_path.stat().st_mtime > REST_SECONDS

    def close(self) -> list[str]:
        """Stop beat if it runs; return what is wrong with how it lived."""
        self.settled = True
        found = []
        try:
            if self.process.status == "running":
                # Celery's handler closes the schedule wherever beat is. In the midst of publishing that raises, and
                # beat goes on with what is closed. (The exit code says nothing.)
                wait_until(self._rests, lambda: f"a moment without publishing\n{self.log}")
                self.process.stop()
        except AssertionError as error:
            found.append(str(error))
        return found + self.process.reap()
