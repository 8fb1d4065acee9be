"""Waiting for what another process does: a deadline, never a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL_SECONDS = 0.02


def wait_until(probe: Callable[[], T], what: str | Callable[[], str], timeout: float = 30.0) -> T:
    """Return the first truthy answer of the probe; fail naming what was awaited after `timeout` seconds.

    `what` may be a callable, so that the message can describe the state at the deadline.
    """
    deadline = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(INTERVAL_SECONDS)
    return answer
