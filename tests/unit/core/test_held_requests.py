"""What the worker's main process remembers of the requests that it holds, and for how long."""

import os
from types import SimpleNamespace

from monitoring.signals import requests
from monitoring.signals.requests import HeldRequests


class Request(SimpleNamespace):
    """Stand for Celery's: an id, and a worker's pid."""


def test_a_request_is_found_while_it_is_there_and_not_kept() -> None:
    """By its id and by the process that runs it; nothing of ours keeps it alive."""
    held, request = HeldRequests(), Request(id="a", worker_pid=7, _apply_result=None)
    held.on_task_received(request)
    assert held.holds("a")
    assert held.may_run_in(7)
    del request
    assert not held.holds("a")
    assert not held.may_run_in(7)


def test_the_names_of_those_that_are_gone_are_bounded() -> None:
    """However many pass through: at most twice as many names as requests, or a few hundred."""
    held = HeldRequests()
    kept = [Request(id=f"kept-{number}") for number in range(1000)]
    for request in kept:
        held.on_task_received(request)
    for number in range(50_000):
        held.on_task_received(Request(id=f"gone-{number}"))
        assert len(held._by_id) <= 2 * len(kept) + requests._FIRST_LOOK
    assert all(held.holds(request.id) for request in kept)


def test_a_forked_child_holds_nothing() -> None:
    """It has a copy of everything, and is not the main process."""
    held, request = HeldRequests(), Request(id="a")
    held.on_task_received(request)
    child = os.fork()
    if not child:
        os._exit(int(held.holds("a")))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert held.holds("a")
