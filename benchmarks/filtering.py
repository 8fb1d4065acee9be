"""What does the noise filter cost? Nothing for a task that succeeds; here is what an error costs.

    python benchmarks/filtering.py [redis://127.0.0.1:6379/15]

With a URL the shared window is measured too; its keys stay in that database for two days. Times are CPU and waiting of
one thread, best of five rounds. The numbers are this machine's; what carries over is their proportion.
"""

from __future__ import annotations

import itertools
import platform
import sys
import timeit
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from monitoring.filtering import EventFilter, classify, shared_window, without
from monitoring.filtering.rules import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, CALLS = 5, 2000

_numbers = itertools.count()


def _raised() -> BaseException:
    """Raise an error as an exchange client does: a time-out of a socket, wrapped twice."""
    try:
        try:
            try:
                raise TimeoutError("timed out")  # noqa: TRY301  # a chain is what is measured
            except TimeoutError as error:
                raise ConnectionError("connection broke") from error
        except ConnectionError as error:
            raise RuntimeError("could not fetch the ticker") from error
    except RuntimeError as error:
        return error


def _event() -> Any:
    number = str(next(_numbers))
    tags = {"exchange": "kraken", "task": "fetch", "bot_id": "bot-1", "operation": "fetch_ticker"}
    return {"event_id": number, "tags": tags, "contexts": {"celery": {"id": number}}, "environment": "production"}


def _measure(what: str, call: Callable[[], object]) -> None:
    best = min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS
    print(f"{what:<64}{best * 1e6:>10.2f} µs")


def main() -> None:
    """Print what each part costs."""
    error = _raised()
    hint = {"exc_info": (type(error), error, error.__traceback__)}
    print(f"Python {platform.python_version()}, {platform.machine()}, sentry-sdk {version('sentry-sdk')}")
    quiet = EventFilter(without(POLICY, "under_pytest"))
    _measure("a task that succeeds, nothing is broken", lambda: quiet.worked(exchange="kraken", task="fetch"))
    _measure("classifying an error with two causes", lambda: classify(error))
    _measure("making the event itself (subtract it below)", _event)
    _measure("an event that the filter knows nothing of", lambda: quiet(_event(), {}))
    alone = EventFilter(without(POLICY, "under_pytest"))
    _measure("a time-out, counted in this process", lambda: alone(_event(), hint))
    if len(sys.argv) > 1:
        shared = EventFilter(without(POLICY, "under_pytest"), window=shared_window(sys.argv[1]))
        _measure("a time-out, counted in Redis", lambda: shared(_event(), hint))


if __name__ == "__main__":
    main()
