"""A Sentry that is told to misbehave: limits, errors, delays, silence, absence."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring.local import Faults, LocalSentry
from tests.unit.local.conftest import Caller, envelope, item

GOOD = envelope(item("event", {"message": "m"}))


def test_a_rate_limit_is_answered_as_sentry_does(sentry: LocalSentry, caller: Caller) -> None:
    """Answer 429 with the header that names the categories; store nothing, count it."""
    sentry.faults = Faults(status=429, headers={"X-Sentry-Rate-Limits": "60:error:organization"})
    answer = caller.send(GOOD)
    assert answer.status == 429
    assert answer.headers["X-Sentry-Rate-Limits"] == "60:error:organization"
    assert sentry.items() == []
    assert caller.get("/stats.json").json["rejected"] == {"fault_429": 1}


def test_a_limit_may_come_with_an_accepted_envelope(sentry: LocalSentry, caller: Caller) -> None:
    """Store the envelope and announce the limit of the next ones, as Sentry may."""
    sentry.faults = Faults(headers={"X-Sentry-Rate-Limits": "60:transaction:key"})
    answer = caller.send(GOOD)
    assert (answer.status, answer.headers["X-Sentry-Rate-Limits"]) == (200, "60:transaction:key")
    assert len(sentry.items()) == 1


def test_a_fault_of_some_requests_heals_by_itself(sentry: LocalSentry, caller: Caller) -> None:
    """Fail the next two requests only."""
    sentry.faults = Faults(status=503, times=2)
    assert [caller.send(GOOD).status for _ in range(4)] == [503, 503, 200, 200]
    assert sentry.faults == Faults()


def test_a_delay_passes_before_the_answer(sentry: LocalSentry, caller: Caller) -> None:
    """Be slow, and take the envelope all the same."""
    sentry.faults = Faults(delay_seconds=0.3)
    began = time.monotonic()
    assert caller.send(GOOD).status == 200
    assert time.monotonic() - began >= 0.3


def test_a_hanging_sentry_lets_go_when_it_is_healed(sentry: LocalSentry, caller: Caller) -> None:
    """Answer nobody until other faults are set; then drop the connection, as a proxy would."""
    sentry.faults = Faults(hang=True)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(caller.send, GOOD)
        time.sleep(0.2)
        assert not waiting.done()
        sentry.faults = Faults()
        with pytest.raises(OSError, match=r"reset|closed"):
            waiting.result(5)
    assert sentry.items() == []


def test_a_refusing_sentry_resets_the_connection(sentry: LocalSentry, call: Callable[..., Caller]) -> None:
    """Look like a Sentry that died, then be back."""
    sentry.faults = Faults(refuse=True)
    with pytest.raises(OSError, match=r"reset|closed"):
        call(sentry).send(GOOD)
    sentry.faults = Faults()
    assert call(sentry).send(GOOD).status == 200


def test_the_page_answers_whatever_happens_to_envelopes(sentry: LocalSentry, caller: Caller) -> None:
    """Keep the page up: faults are for envelopes."""
    sentry.faults = Faults(status=500)
    assert caller.get("/stats.json").status == 200


@pytest.mark.parametrize(("name", "value"), [("status", 100), ("status", 700), ("delay_seconds", -1), ("times", 0)])
def test_a_fault_that_makes_no_sense_is_refused(name: str, value: int) -> None:
    """Name the field and the value."""
    with pytest.raises(ValueError, match=rf"Faults\.{name} .*{value}"):
        Faults(**{name: value})  # type: ignore[arg-type]  # wrong on purpose
