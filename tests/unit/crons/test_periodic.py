"""What a periodic task's message says, and what becomes of a header that somebody else wrote."""

import json
from typing import Any

import pytest
from celery import Celery
from celery.schedules import schedule

from monitoring.crons.monitor import config_of
from monitoring.crons.periodic import Periodic

APP = Celery("periodic", set_as_current=False)
CONFIG = config_of(schedule(60, app=APP), None, 0)


@pytest.mark.parametrize("monitor", [CONFIG, None])
def test_a_run_survives_its_message(monitor: Any) -> None:
    """Read back what was written, the check-in's id included: it joins all attempts."""
    run = Periodic.new("reconcile-kraken", 1_764_080_000.25, monitor)
    assert Periodic.carried(run.encoded()) == run


def test_every_run_has_a_check_in_of_its_own() -> None:
    """Give two runs of one entry two ids."""
    assert Periodic.new("a", 1.0, None).check_in != Periodic.new("a", 1.0, None).check_in


def test_a_header_is_bounded() -> None:
    """Stay small whatever the entry is called, and be read back."""
    run = Periodic.new("ß" * 5000, 1.0, CONFIG)
    assert len(run.encoded()) < 4096
    assert Periodic.carried(run.encoded()) == run


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"e": ""},
        {"e": 5},
        {"e": "x" * 201},
        {"d": "soon"},
        {"d": -1},
        {"d": True},
        {"d": float("nan")},
        {"i": "no uuid"},
        {"i": None},
        {"m": {}},
        {"m": "hourly"},
        {"m": {**(CONFIG or {}), "owner": "team:1"}},
        {"m": {**(CONFIG or {}), "max_runtime": "1"}},
        {"m": {**(CONFIG or {}), "schedule": {"type": "never"}}},
    ],
)
def test_a_forged_header_is_ignored(change: dict[str, Any]) -> None:
    """Take nothing that we would not have written: a monitor at Sentry is upserted from it."""
    values = {**json.loads(Periodic.new("entry", 1.0, CONFIG).encoded()), **change}
    assert Periodic.carried(json.dumps(values)) is None


@pytest.mark.parametrize("text", [None, 5, "", "[]", "null", "{", "9" * 5000, "[" * 4000])
def test_garbage_is_ignored(text: object) -> None:
    """Never raise into a task for what stands in its message."""
    assert Periodic.carried(text) is None
