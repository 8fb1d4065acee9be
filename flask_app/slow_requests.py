"""Log the requests that took too long."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SlowRequests:
    """Warn of requests that take `seconds` or more by a monotonic `clock`, from the first hook to the last.

    Told are the method and the route's pattern, never the path or the query string: they hold what users send.
    """

    seconds: float
    clock: Callable[[], float]

    def connect(self, app: Flask) -> None:
        """Watch every request of an application, also those that fail."""
        app.before_request(self.begin)
        app.teardown_request(self.end)

    def begin(self) -> None:
        """Take the time."""
        g.started = self.clock()

    def end(self, error: BaseException | None) -> None:  # noqa: ARG002  # Flask's signature
        """Warn when the request was slow."""
        took = self.clock() - g.started
        if took >= self.seconds:
            route = request.url_rule.rule if request.url_rule else "(no route)"
            logger.warning("slow request: %s %s took %.2f s", request.method, route, took)
