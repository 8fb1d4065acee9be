"""Waiting for what another process does: a deadline, never a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL_SECONDS = 0.02
#: How long a busy machine may take for what a quiet one does at once; nobody waits so long but for a defect.
PATIENCE_SECONDS = 120.0
#: How long what is bounded by a second or two may take there; a test's unbounded rival takes longer than this.
BUSY_SECONDS = 8.0


def wait_until(probe: Callable[[], T], what: str | Callable[[], str], timeout: float = PATIENCE_SECONDS) -> T:
    """Return the first truthy answer of the probe; fail naming what was awaited after `timeout` seconds.

    `what` may be a callable, so that the message can describe the state at the deadline.
    """
    deadline = time.monotonic() + timeout
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(INTERVAL_SECONDS)
    return answer
