"""Live traffic: the made-up bots trade on paper, through the API, at a steady and modest rate, until stopped."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from worker.local.bots import Request, requests
from worker.local.json_client import JsonClient, RefusedError, UnreachableError
from worker.settings import trading_settings

if TYPE_CHECKING:
    from collections.abc import Callable

_AWAY_SECONDS = 1.0


def trade(api: JsonClient, *, seed: int, rate: float, say: Callable[[str], None]) -> NoReturn:
    """Send ``rate`` requests a second for ever; wait for an API that is away, without losing the request.

    Raise RefusedError when the API refuses one: then the bots and the API disagree about what a request is.
    """
    run = f"{time.time_ns() // 1_000_000:x}"
    due = time.monotonic()
    for request in requests(seed, run):
        _send(api, request, say)
        due = max(due + 1 / rate, time.monotonic())  # what was missed while the API was away is not made up for
        time.sleep(max(0.0, due - time.monotonic()))  # the moment may have passed between the two looks at the clock
    raise AssertionError("the bots never stop asking")


def _send(api: JsonClient, request: Request, say: Callable[[str], None]) -> None:
    away = False
    while True:
        try:
            api.post(request.path, request.body)
        except UnreachableError as error:
            if not away:
                say(f"waiting for the API: {error}")
            away = True
            time.sleep(_AWAY_SECONDS)
            continue
        if away:
            say("the API is back")
        return


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 100:  # noqa: PLR2004 - said in the message
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 100, got {text}")
    return number


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Trade until SIGTERM or SIGINT (exit code 0); exit with 1 when it would not be on paper."""
    parser = argparse.ArgumentParser(prog="python -m worker.local.traffic", description=__doc__)
    parser.add_argument("--api", default="http://127.0.0.1:8000", help="where the API is (default: %(default)s)")
    parser.add_argument("--rate", type=_positive, default=2.0, help="requests a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other orders (default: %(default)s)")
    options = parser.parse_args()
    if live := trading_settings().live_exchanges:
        sys.exit(f"made-up orders are for paper only, but TRADING_LIVE_EXCHANGES names {', '.join(live)}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    _say(f"five bots, {options.rate:g} requests a second to {options.api}")
    try:
        trade(JsonClient(options.api), seed=options.seed, rate=options.rate, say=_say)
    except RefusedError as error:
        sys.exit(f"the API refuses the bots' request: {error}")


if __name__ == "__main__":
    main()
