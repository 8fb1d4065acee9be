"""Signals wait for the end of a report, then strike; where they cannot be held back, nothing is changed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from monitoring.signals.undisturbed import HELD, Undisturbed
from tests.harness.polling import PATIENCE_SECONDS


class StruckError(Exception):
    """What a handler raises, as billiard's own do."""


@pytest.fixture(params=HELD, ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Give a signal a handler of the pool's that raises."""

    def strike(*_: Any) -> None:
        raise StruckError

    strike.__module__ = "billiard.pool"
    before = signal.signal(request.param, strike)
    yield request.param
    signal.signal(request.param, before)


def test_it_strikes_when_the_block_has_ended(number: signal.Signals) -> None:
    """All of the block runs, once the signal is there as well; then its handler does what it does, once."""
    done: list[str] = []
    undisturbed = Undisturbed()
    with pytest.raises(StruckError):  # noqa: PT012, SIM117  # what comes before it is the point
        with undisturbed:
            signal.raise_signal(number)
            done.append("the rest")
    with undisturbed:
        done.append("another block")
    assert done == ["the rest", "another block"]


def test_it_strikes_at_once_outside_of_a_block(number: signal.Signals) -> None:
    """Before the first one and after it, also when it has raised, and when blocks were in one another."""
    undisturbed = Undisturbed()
    with pytest.raises(StruckError):
        signal.raise_signal(number)
    with pytest.raises(KeyError), undisturbed, undisturbed:
        raise KeyError
    with pytest.raises(StruckError):
        signal.raise_signal(number)


def test_it_waits_for_the_outermost_block(number: signal.Signals) -> None:
    """A report may be part of another."""
    done: list[str] = []
    undisturbed = Undisturbed()
    with pytest.raises(StruckError):  # noqa: PT012, SIM117  # what comes before it is the point
        with undisturbed:
            with undisturbed:
                signal.raise_signal(number)
            done.append("the rest")
    assert done == ["the rest"]


def test_another_thread_holds_nothing_back(number: signal.Signals) -> None:
    """Only the main thread is struck; what others report does not keep it from that."""
    undisturbed, inside, struck = Undisturbed(), threading.Event(), threading.Event()

    def report() -> None:
        with undisturbed:
            inside.set()
            struck.wait(10)

    thread = threading.Thread(target=report)
    thread.start()
    assert inside.wait(10)
    with pytest.raises(StruckError):
        signal.raise_signal(number)
    struck.set()
    thread.join()


@pytest.mark.parametrize(
    ("handler", "code"),
    [("signal.SIG_DFL", -signal.SIGTERM), ("signal.SIG_IGN", 0), ("lambda *_: os._exit(3)", 3)],
)
def test_what_is_not_the_pools_is_left_alone(handler: str, code: int) -> None:
    """The system's own way, and handlers of anybody else: a worker's main process is stopped by those."""
    program = (
        "import os, signal\nfrom monitoring.signals.undisturbed import undisturbed\n"
        f"signal.signal(signal.SIGTERM, {handler})\nwith undisturbed: signal.raise_signal(15)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == code


def test_a_forked_child_begins_anew() -> None:
    """Also one that is forked in the midst of a block: its pool has handlers of its own."""
    program = (
        "import os, signal, sys\nfrom monitoring.signals.undisturbed import undisturbed\n"
        "def leave(*_): os._exit(4)\n"
        "leave.__module__ = 'billiard.common'\n"
        "with undisturbed: child = os.fork()\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "with undisturbed:\n    signal.raise_signal(15)\n    signal.signal(signal.SIGALRM, lambda *_: os._exit(5))\n"
        "os._exit(6)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=PATIENCE_SECONDS).returncode == 4
