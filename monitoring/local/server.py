"""The local Sentry as an object: start it, ask it, break it on purpose, stop it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from . import queries
from .connection import REQUEST_SECONDS, LoopbackServer, loopback_address, serve_in_thread
from .envelope import Limits
from .faults import Faults, FaultSwitch
from .handler import Desk, handler_for
from .queries import Selection, StoredItem
from .store import Store
from .tables import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

STOP_SECONDS: Final = 3.0


class LocalSentry:
    """Receive envelopes on a loopback port, keep them, and answer questions about them.

    ::

        with LocalSentry() as sentry:
            sentry_sdk.init(dsn=sentry.dsn)
            ...
            [event] = sentry.wait_for("event")
            assert event["tags"]["bot_id"] == "bot-1"

    Port 0 takes a free one. Without `data`, everything is kept in a temporary directory that goes with the object.
    Any process of this machine can send to `dsn`; the questions are for the process that holds the object.
    """

    def __init__(  # noqa: PLR0913 - each has a default that suits everybody but a test of that very thing
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        data: Path | None = None,
        *,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        address = loopback_address(host)
        self._temporary = None if data else tempfile.TemporaryDirectory(prefix="local-sentry-")
        self._switch = FaultSwitch()
        self._store = Store(data or Path(self._temporary.name if self._temporary else ""), bounds or Bounds())
        try:
            desk = Desk(self._store, self._switch, limits or Limits())
            self._server = LoopbackServer(address, port, handler_for(desk), request_seconds)
        except BaseException:
            self._store.close()
            if self._temporary:
                self._temporary.cleanup()
            raise
        self._thread = serve_in_thread(self._server)

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Return the address of the page, without a slash at its end."""
        host = self._server.server_name
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def dsn(self) -> str:
        """Return the DSN for `sentry_sdk.init` or SENTRY_DSN."""
        return f"{self.url.replace('//', '//local@')}/1"

    @property
    def store(self) -> Store:
        """Return the store, for questions that have no method here."""
        return self._store

    @property
    def faults(self) -> Faults:
        """How envelopes are answered; set it at any time, from any thread."""
        return self._switch.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._switch.faults = faults

    def items(self, kind: str | None = None) -> list[StoredItem]:
        """Return the received items of a type (None: all), oldest first, with their headers."""
        return queries.stored_items(self._store, kind)

    def entries(self, kind: str) -> list[Any]:
        """Return payloads of a type, oldest first; logs, metrics and spans one by one, out of their containers."""
        return [entry for item in self.items(kind) for entry in item.entries]

    def events(self) -> list[dict[str, Any]]:
        """Return the error and message events, oldest first."""
        return self.entries("event")

    def transactions(self) -> list[dict[str, Any]]:
        """Return the transactions, oldest first."""
        return self.entries("transaction")

    def logs(self) -> list[dict[str, Any]]:
        """Return the log entries, oldest first."""
        return self.entries("log")

    def spans(self) -> list[dict[str, Any]]:
        """Return the streamed spans, oldest first."""
        return self.entries("span")

    def metrics(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the metrics of a name (None: all), oldest first."""
        return [metric for metric in self.entries("trace_metric") if name in (None, metric.get("name"))]

    def stats(self, *, since: float | None = None, **where: str) -> dict[str, Any]:
        """Return what /stats.json answers, for `task=`, `bot_id=`, `exchange=`, `symbol=`."""
        return queries.statistics(self._store, Selection(since, where), time.time())

    def wait_for(
        self,
        kind: str,
        count: int = 1,
        timeout: float = 10.0,
        where: Callable[[Any], object] | None = None,
    ) -> list[Any]:
        """Return the entries of a type for which `where` holds, as soon as there are `count` of them.

        Raise AssertionError after `timeout` seconds, with what was received and refused instead. The sender must
        flush: logs and metrics otherwise leave it some five seconds later.
        """
        deadline = time.monotonic() + timeout
        while True:
            version = self._store.version
            everything = self.entries(kind)
            found = [entry for entry in everything if where is None or where(entry)]
            if len(found) >= count:
                return found
            if (remaining := deadline - time.monotonic()) <= 0:
                counts = queries.tallies(self._store)
                raise AssertionError(
                    f"{len(found)} of {count} {kind} entries after {timeout} s ({len(everything)} before `where`); "
                    f"received {counts['received']}, rejected {counts['rejected']}, lost {counts['lost']}",
                )
            self._store.wait_for_change(version, remaining)

    def clear(self) -> None:
        """Forget everything received so far, and every count. Faults stay as they are."""
        self._store.clear()

    def close(self) -> None:
        """Stop listening, finish running requests (3 s), write what waits. A second call does nothing."""
        if self._thread.is_alive():
            self._switch.faults = Faults()  # lets hanging requests go
            self._server.stop(STOP_SECONDS)
            self._thread.join()
            self._store.close()
            if self._temporary:
                self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
