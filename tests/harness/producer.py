"""A monitored process that publishes tasks, as a web application would."""

import secrets
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from celery import Celery, Signature
from celery.result import AsyncResult, result_from_tuple

from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.process import LocalProcess
from tests.harness.worker import own_spool, process_environment


class Producer:
    """Publish through a process of its own, in which monitoring runs as component `web`."""

    def __init__(self, *, folder: Path, broker_url: str, dsn: str | None, env: Mapping[str, str] | None = None) -> None:
        key = secrets.token_bytes(16)
        self.settled = False
        with Listener(("127.0.0.1", 0), authkey=key) as door:
            address = {"PRODUCER_PORT": str(door.address[1]), "PRODUCER_KEY": key.hex()}
            self.process = LocalProcess(
                "producer",
                [sys.executable, "-m", "tests.apps.producer"],
                env=process_environment(broker_url, dsn, {**own_spool(folder), **(env or {}), **address}),
                cwd=folder,
            )
            # A producer that dies at start would leave the accept waiting for ever.
            door._listener._socket.settimeout(PATIENCE_SECONDS)  # type: ignore[attr-defined]  # no public timeout
            try:
                self._door: Connection[Any, Any] = door.accept()
            except TimeoutError:
                raise AssertionError(f"the producer did not start\n{self.log}") from None

    @property
    def log(self) -> str:
        """Return everything the process has written."""
        return self.process.logs().decode(errors="replace")

    def send(
        self,
        signature: Signature,
        *,
        context: Mapping[str, str] | None = None,
        transaction: str | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Publish a signature with options of `apply_async`, under a bound context or inside a transaction if named."""
        sender: Celery = signature.app
        self._door.send((dict(signature), options, dict(context or {}), transaction))
        if not self._door.poll(PATIENCE_SECONDS):
            raise AssertionError(f"the producer did not answer\n{self.log}")
        answer = self._door.recv()
        if isinstance(answer, str):
            raise AssertionError(f"the producer could not publish: {answer}\n{self.log}")  # noqa: TRY004  # the test fails
        return result_from_tuple(answer, app=sender)

    def close(self) -> list[str]:
        """End the process, which flushes its client; return what is wrong with how it lived."""
        self.settled = True
        found = []
        try:
            if self.process.status == "running":
                self._door.send(None)
                if code := self.process.wait(PATIENCE_SECONDS):
                    found.append(f"the producer exited with {code}\n{self.log}")
        except (AssertionError, OSError) as error:
            found.append(f"the producer did not end well: {error}\n{self.log}")
        self._door.close()
        found += self.process.reap()
        return found
