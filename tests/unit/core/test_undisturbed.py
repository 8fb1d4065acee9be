"""Signals wait for the end of a report, then strike; where they cannot be held back, nothing is changed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitoring.signals.undisturbed import HELD, undisturbed


class StruckError(Exception):
    """What a handler raises, as Celery's own do."""


@pytest.fixture(params=HELD, ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Give a signal a handler that raises."""

    def strike(*_: Any) -> None:
        raise StruckError

    strike.__module__ = "billiard.pool"
    before = signal.signal(request.param, strike)
    yield request.param
    signal.signal(request.param, before)


def test_it_strikes_when_the_block_has_ended(number: signal.Signals) -> None:
    """All of the block runs, once the signal is there as well; then its handler does what it does."""
    done: list[str] = []
    with pytest.raises(StruckError):  # noqa: PT012, SIM117  # what comes before it is the point
        with undisturbed():
            signal.raise_signal(number)
            done.append("the rest")
    assert done == ["the rest"]


def test_its_handler_is_in_force_again(number: signal.Signals) -> None:
    """Afterwards it strikes at once, also when the block has raised, and when blocks are in one another."""
    handler = signal.getsignal(number)
    with pytest.raises(KeyError), undisturbed(), undisturbed():
        raise KeyError
    assert signal.getsignal(number) is handler
    with pytest.raises(StruckError), undisturbed(), undisturbed():
        signal.raise_signal(number)
    assert signal.getsignal(number) is handler


def test_another_thread_holds_nothing_back(number: signal.Signals) -> None:
    """Only the main thread is struck, and only it may say how."""
    found: list[Any] = []
    handler = signal.getsignal(number)

    def report() -> None:
        with undisturbed():
            found.append(signal.getsignal(number))

    thread = threading.Thread(target=report)
    thread.start()
    thread.join()
    assert found == [handler]


@pytest.mark.parametrize(
    ("handler", "code"),
    [("signal.SIG_DFL", -signal.SIGTERM), ("signal.SIG_IGN", 0), ("lambda *_: os._exit(3)", 3)],
)
def test_what_is_not_the_pools_is_left_alone(handler: str, code: int, run: Callable[[str], int]) -> None:
    """The system's own way, and handlers of anybody else: a worker's main process is stopped by those."""
    assert run(f"signal.signal(signal.SIGTERM, {handler})\nwith undisturbed(): signal.raise_signal(15)") == code


@pytest.fixture
def run() -> Callable[[str], int]:
    """Run a program in a process of its own and return its exit code."""
    head = "import os, signal\nfrom monitoring.signals.undisturbed import undisturbed\n"
    return lambda program: subprocess.run([sys.executable, "-c", head + program], check=False).returncode
