"""The thread that keeps the vitals: it harms nobody when it cannot."""

import logging
import threading

import pytest

from monitoring.vitals.heart import Heart
from tests.harness.polling import wait_until


def test_a_failing_beat_is_logged_once_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Log the first failure of a row without its text, which may hold a password, and try again."""
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) != 4:
            raise ConnectionError("redis://user:hunter2@host")

    heart = Heart("test", 0.01, beat)
    with caplog.at_level(logging.WARNING):
        heart.start()
        wait_until(lambda: len(beats) >= 8, "eight beats")
        heart.stop(5, lambda: None)
    assert [record.getMessage() for record in caplog.records] == [
        "vitals cannot be kept at the moment: ConnectionError"
    ] * 2


def test_the_last_deed_is_done_once() -> None:
    """Do the last deed after the last beat."""
    done: list[str] = []
    heart = Heart("test", 60, lambda: done.append("beat"))
    heart.start()
    heart.stop(5, lambda: done.append("last"))
    assert done == ["beat", "last"]


def test_stopping_waits_no_longer_than_it_may() -> None:
    """Leave a beat that hangs behind: the thread is a daemon."""
    hanging = threading.Event()

    def beat() -> None:
        hanging.wait(30)

    heart = Heart("test", 60, beat)
    heart.start()
    heart.stop(0.05, lambda: None)
    hanging.set()


def test_a_stop_while_redis_is_away_says_no_goodbye() -> None:
    """Spare a stopping worker another time-out."""
    done: list[str] = []
    failed = threading.Event()

    def beat() -> None:
        failed.set()
        raise OSError

    heart = Heart("test", 0.01, beat)
    heart.start()
    assert failed.wait(5)
    heart.stop(5, lambda: done.append("last"))
    assert done == []
