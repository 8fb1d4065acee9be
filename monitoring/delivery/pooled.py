"""The same through urllib3, where a proxy stands between: slower, one request at a time, and every proxy it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import urllib3

from monitoring.delivery.answer import Answer
from monitoring.delivery.connection import ANSWER_SECONDS, CONNECT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True, eq=False)
class PooledConnection:
    """Stand in for a `Connection`: `send` waits for the answer, `receive` returns it."""

    pool: urllib3.PoolManager
    url: str
    headers: Mapping[str, str]
    used: int = 0
    deadline: float = 0.0
    reusable: bool = True
    _answer: Answer | None = None

    def fileno(self) -> int:
        """Return -1: there is nothing to watch, the answer is there already."""
        return -1

    def send(self, body: bytes) -> None:
        """Send a request and wait for the answer; raise OSError when none comes in time."""
        try:
            response = self.pool.request(
                "POST",
                self.url,
                body=body,
                headers=dict(self.headers),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(str(error)) from error
        head = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        self._answer = Answer(response.status, f"HTTP/1.1 {response.status}\r\n{head}".encode("latin-1"), response.data)

    def receive(self) -> Answer | None:
        """Return the answer."""
        self.used += 1
        return self._answer

    def still_there(self) -> bool:
        """Say yes: the pool looks after its own."""
        return True

    def close(self) -> None:
        """Leave the pool its connection."""
