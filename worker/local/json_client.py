"""Talk JSON to a server on this machine, over one connection that is kept."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_SECONDS: Final = 10.0
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500


class UnreachableError(Exception):
    """The server is away, or says that it cannot answer now; asking again may help."""


class RefusedError(Exception):
    """The server has understood and refuses; the message says why in its words."""


class JsonClient:
    """Ask one server, from one thread. Each call takes at most some 10 s and raises the two errors above."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_SECONDS)

    def get(self, path: str) -> Any:
        """Return what ``path`` answers."""
        return self._ask("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send ``body`` and return the answer. After UnreachableError it may have arrived all the same."""
        return self._ask("POST", path, json.dumps(body), {"Content-Type": "application/json"})

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Any:
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnreachableError(f"{self.url} does not answer: {error or type(error).__name__}") from error
        said = f"{method} {path} answered {response.status}: {answer[:500].decode('utf-8', 'replace')}"
        if response.status >= _FIRST_SERVER_ERROR:
            raise UnreachableError(said)
        if response.status >= _FIRST_ERROR:
            raise RefusedError(said)
        return json.loads(answer)
