"""What do the noise filter and the scrubber cost? Nothing for a task that succeeds; here is what an error costs.

    python benchmarks/filtering.py [redis://127.0.0.1:6379/15]

With a URL the shared window is measured too; its keys stay in that database for two days. Times are CPU and waiting of
one thread, best of five rounds. The numbers are this machine's; what carries over is their proportion. In the end a
thousand successes are counted: what of the two was called for them.
"""

from __future__ import annotations

import itertools
import json
import platform
import sys
import timeit
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.transport import Transport

from monitoring.filtering import EventFilter, classify, shared_window, without
from monitoring.filtering.rules import POLICY
from monitoring.recovery import Recovery
from monitoring.scrubbing import register_secret, scrub_breadcrumb, scrub_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from sentry_sdk.envelope import Envelope

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


def _measure(what: str, call: Callable[[], object], calls: int = CALLS) -> None:
    best = min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls
    print(f"{what:<64}{best * 1e6:>10.2f} µs")


class _Collector(Transport):
    """Keep what the SDK would send."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__(options)
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the event of an envelope."""
        self.events += filter(None, [envelope.get_event()])


def _ordinary_event(error: BaseException) -> Any:
    """Return what the SDK makes of an error in a task: three errors, their frames, twenty breadcrumbs, contexts."""
    collector = _Collector()
    with sentry_sdk.new_scope() as scope:
        scope.set_client(
            sentry_sdk.Client(dsn="http://key@127.0.0.1:9/1", transport=collector, default_integrations=False)
        )
        for number in range(20):
            scope.add_breadcrumb(message=f"GET /api/v3/ticker?symbol=BTCUSDT&timestamp={number}", category="httplib")
        scope.set_tags({"bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT", "task": "fetch"})
        scope.set_context(
            "celery", {"id": "2b1c9f3e-7c7b-4c55-9c41-1f0c8c5b8f11", "attempt": 1, "worker": "celery@host"}
        )
        sentry_sdk.capture_exception(error)
    return collector.events[0]


def _called_for_a_success(quiet: EventFilter) -> int:
    """Count the calls into filter and scrubber, but the one question itself, for a thousand successes."""
    calls = 0

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        module = str(frame.f_globals.get("__name__", ""))
        ours = module.startswith(("monitoring.filtering", "monitoring.scrubbing"))
        calls += event == "call" and ours and frame.f_code.co_name not in {"idle", "__bool__"}

    recovery = Recovery(quiet)
    sys.setprofile(count)
    for _ in range(1000):
        recovery.task_worked("fetch")
    sys.setprofile(None)
    return calls


def main() -> None:
    """Print what each part costs."""
    error = _raised()
    hint = {"exc_info": (type(error), error, error.__traceback__)}
    print(f"Python {platform.python_version()}, {platform.machine()}, sentry-sdk {version('sentry-sdk')}")
    quiet = EventFilter(without(POLICY, "under_pytest"))
    recovery = Recovery(quiet)
    _measure("a task that succeeds, nothing is broken", lambda: recovery.task_worked("fetch"))
    _measure("classifying an error with two causes", lambda: classify(error))
    _measure("making the event itself (subtract it below)", _event)
    _measure("an event that the filter knows nothing of", lambda: quiet(_event(), {}))
    alone = EventFilter(without(POLICY, "under_pytest"))
    _measure("a time-out, counted in this process", lambda: alone(_event(), hint))
    if len(sys.argv) > 1:
        shared = EventFilter(without(POLICY, "under_pytest"), window=shared_window(sys.argv[1]))
        _measure("a time-out, counted in Redis", lambda: shared(_event(), hint))
    ordinary = _ordinary_event(error)
    register_secret("a-live-key-0123456789")
    told = f"scrubbing an ordinary event ({len(json.dumps(ordinary, default=str)) / 1024:.0f} KB of JSON)"
    _measure(told, lambda: scrub_event(ordinary, {}), calls=100)
    _measure("scrubbing a breadcrumb", lambda: scrub_breadcrumb({"message": "GET /ticker?symbol=BTCUSDT"}, {}))
    print(f"{'calls into filter and scrubber for a thousand successes':<64}{_called_for_a_success(quiet):>10}")


if __name__ == "__main__":
    main()
