"""Fingerprints, the flood guard, the ledger, the local window, and the words that explain a decision."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.filtering import (
    EXCHANGE_ERRORS,
    EventFilter,
    FloodGuard,
    Ledger,
    LocalWindow,
    Persistence,
    Watch,
    errors_as_table,
    explain,
    policy_as_table,
    recovered,
)
from monitoring.filtering.fingerprint import template_of
from tests.harness.polling import wait_until
from tests.unit.filtering.conftest import PRODUCTION, Clock

ccxt = pytest.importorskip("ccxt", reason="the exchange extra is not installed")

Make = Callable[..., Any]

IDS = st.one_of(
    st.integers(min_value=0, max_value=10**18).map(str),
    st.uuids().map(str),
    st.binary(min_size=16, max_size=32).map(lambda raw: "a1" + raw.hex()),
    st.binary(min_size=1, max_size=20).map(lambda raw: "0x" + raw.hex()),
)


@given(one=IDS, other=IDS, stamp=st.integers(min_value=10**9, max_value=2 * 10**12))
def test_ids_times_and_signatures_do_not_split_a_trouble(one: str, other: str, stamp: int) -> None:
    """Two messages that differ only in an id, a time or a signature have one template."""

    def message(order: str, at: int) -> str:
        return f"order '{order}' failed, see https://x.example/o?id={order}&timestamp={at}&signature=ab{at}cd"

    assert template_of(message(one, stamp)) == template_of(message(one, stamp + 1))
    kinds = {re.sub(r"<\w+>", "<>", template_of(message(order, stamp))) for order in (one, other)}
    assert len(kinds) == 1


@given(st.text(max_size=2000))
def test_a_template_is_bounded_and_stable(message: str) -> None:
    """Whatever a message is, its template is short, and the same every time."""
    assert len(template_of(message)) <= 200
    assert template_of(message) == template_of(message)


@given(signature=st.binary(min_size=32, max_size=32), stamp=st.integers(min_value=10**12, max_value=2 * 10**12))
def test_a_fingerprint_is_exchange_code_and_task(signature: bytes, stamp: int) -> None:
    """Each of binance's messages is unique; the fingerprint is not."""
    url = f"https://api.binance.com/x?timestamp={stamp}&signature={signature.hex()}"
    error = ccxt.InvalidOrder(f'binance POST {url} 400 Bad Request {{"code":-1013,"msg":"Filter failure"}}')
    kept = EventFilter(())({"tags": {"task": "place_order", "exchange": "binance"}}, {"exc_info": error})
    assert kept is not None
    assert kept["fingerprint"] == ["order_rejected", "binance", "-1013", "place_order"]


def test_codes_and_exchanges_split_a_class(event: Make, hint: Make) -> None:
    """ExchangeError is thousands of troubles: one per exchange, code and task."""
    filtered = EventFilter(())
    prints = set()
    for exchange in ("binance", "okx"):
        for code in (-1, -2):
            kept = filtered(event(exchange=exchange, task="t"), hint(ccxt.ExchangeError(f'x {{"code":{code}}}')))
            assert kept is not None
            prints.add(tuple(kept["fingerprint"]))
    assert len(prints) == 4


def test_the_code_of_an_unknown_error_is_its_own(event: Make, hint: Make) -> None:
    """An error that no row knows has its code in the tag, not the place where it was raised."""
    error = type("DatabaseError", (Exception,), {"code": "gkpj"})("UNIQUE constraint failed")
    kept = EventFilter(())(event(task="books.record_fill"), hint(error))
    assert kept is not None
    assert (kept["tags"]["error_kind"], kept["tags"]["error_code"]) == ("unknown", "gkpj")


def test_an_sqlstate_is_told_as_it_is(event: Make, hint: Make) -> None:
    """A database's code is looked up as it is written: its digits are no number that varies."""
    error = type("AdminShutdown", (Exception,), {"sqlstate": "57P01"})("terminating connection")
    kept = EventFilter(())(event(task="books.record_fill"), hint(error))
    assert kept is not None
    assert kept["tags"]["error_code"] == "57P01"


def test_an_applications_fingerprint_stays(event: Make, hint: Make) -> None:
    """What the application groups by is not overwritten."""
    made = event()
    made["fingerprint"] = ["mine"]
    kept = EventFilter(())(made, hint(ccxt.InvalidOrder("x")))
    assert kept is not None
    assert kept["fingerprint"] == ["mine"]


def test_a_flood_is_held_back_and_told(event: Make, hint: Make, clock: Clock) -> None:
    """Ten at once pass, then one a minute, which says how many were held back; another trouble is not affected."""
    filtered = EventFilter((), flood=FloodGuard(burst=10, seconds=60.0, clock=clock))
    passed = [filtered(event(task="t"), hint(RuntimeError("x"))) for _ in range(50)]
    assert [kept is not None for kept in passed] == [True] * 10 + [False] * 40
    assert filtered(event(task="other"), hint(RuntimeError("x"))) is not None
    clock.pass_by(60)
    kept = filtered(event(task="t"), hint(RuntimeError("x")))
    assert kept is not None
    assert kept["tags"]["held_back"] == "40"
    assert filtered.ledger.drain() == {"flood": 40}


def test_the_flood_guard_is_bounded() -> None:
    """A hundred thousand different troubles leave a bounded number of buckets."""
    guard = FloodGuard()
    for number in range(5000):
        assert guard.take((str(number),)) == 0
    assert len(guard._buckets) == 2048


def test_the_ledger_sums_up_by_itself_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Suppressions are drained by rule for the metric, and summed up in one log line some time after the first."""
    with caplog.at_level(logging.INFO, "monitoring.filtering.ledger"):
        ledger = Ledger(summary_seconds=0.2)
        for _ in range(3):
            ledger.count("flood")
        assert ledger.drain() == {"flood": 3}
        assert ledger.drain() == {}
        ledger.count("testnet")
        wait_until(lambda: caplog.records, "the summary")
        ledger.count("testnet")
        ledger.sum_up()
        ledger.sum_up()
    assert [record.message for record in caplog.records] == [
        "suppressed 4 events that are noise: flood 3, testnet 1",
        "suppressed 1 events that are noise: testnet 1",
    ]


def test_a_forked_child_does_not_report_its_parents_counts() -> None:
    """A forked worker process starts from zero: its parent reports what the parent has counted."""
    ledger = Ledger()
    ledger.count("flood")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, repr(ledger.drain()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"{}"
    assert ledger.drain() == {"flood": 1}
    os.close(reading)
    os.close(writing)


def _watching(clock: Clock) -> EventFilter:
    return EventFilter(PRODUCTION, watch=Watch(LocalWindow(clock), clock=clock), flood=FloodGuard(clock=clock))


def test_a_timeout_is_told_when_it_persists(event: Make, hint: Make, clock: Clock) -> None:
    """Four tasks are weather; the fifth is told with count, first seen and bots; then silence for the cool-down."""
    filtered = _watching(clock)
    sent = []
    for number in range(400):
        made = event(exchange="okx", task="fetch", bot_id=f"bot-{number % 30}", celery_task_id=str(number))
        made["contexts"] = {"celery": {"id": str(number)}}
        kept = filtered(made, hint(ccxt.RequestTimeout("x")))
        if kept is not None:
            sent.append((number, kept))
        clock.pass_by(10)
    assert [number for number, _ in sent] == [4, 364]
    told: list[Any] = [kept["contexts"]["persistence"] for _, kept in sent]
    assert [(one["count"], len(one["affected_bots"])) for one in told] == [(5, 5), (365, 20)]
    assert told[0]["first_seen"] == told[1]["first_seen"] == "2023-11-14T22:13:20.000+00:00"


def test_attempts_of_one_task_count_once(event: Make, hint: Make, clock: Clock) -> None:
    """A task that fails ten times is one task."""
    filtered = _watching(clock)
    for _ in range(10):
        assert filtered(event(exchange="okx", celery={"id": "1"}), hint(ccxt.RequestTimeout("x"))) is None


def test_hourly_bots_are_told_too(event: Make, hint: Make, clock: Clock) -> None:
    """A bot that runs once an hour never fills a window of minutes: three failures in a row are told."""
    filtered = _watching(clock)
    sent = []
    for number in range(3):
        made = event(exchange="okx", task="t", celery={"id": str(number)})
        sent.append(filtered(made, hint(ccxt.RequestTimeout("x"))))
        clock.pass_by(3600)
    assert [kept is not None for kept in sent] == [False, False, True]


def test_a_success_between_breaks_the_row(event: Make, hint: Make, clock: Clock) -> None:
    """An hourly bot that fails every other time is not in an outage."""
    filtered = _watching(clock)
    for number in range(10):
        made = event(exchange="okx", task="t", celery={"id": str(number)})
        assert filtered(made, hint(ccxt.RequestTimeout("x"))) is None
        clock.pass_by(1800)
        assert filtered.worked(exchange="okx", task="t") == ()
        clock.pass_by(1800)


def test_recovery_is_told_once_it_is_calm(event: Make, hint: Make, clock: Clock) -> None:
    """A success ends the outage only when it has been calm for a while: a half-broken exchange is one outage."""
    filtered = _watching(clock)
    for number in range(60):
        filtered(event(exchange="okx", task="t", celery={"id": str(number)}), hint(ccxt.RequestTimeout("x")))
        assert filtered.worked(exchange="okx", task="t") == ()
        clock.pass_by(5)
    clock.pass_by(30)
    assert filtered.worked(exchange="okx", task="elsewhere") == ()
    assert filtered.worked(exchange="binance", task="t") == ()
    (ended,) = filtered.worked(exchange="okx", task="t")
    assert filtered.worked(exchange="okx", task="t") == ()
    assert recovered(ended)["message"] == "Recovered: okx t works again after 4.9 min (60 tasks failed: api_timeout)"


def test_a_dead_key_recovers_by_its_own_bot_only(event: Make, hint: Make, clock: Clock) -> None:
    """Another bot's success says nothing of this bot's key."""
    filtered = _watching(clock)
    assert filtered(event(exchange="okx", bot_id="a", task="t"), hint(ccxt.AuthenticationError("x"))) is not None
    clock.pass_by(60)
    assert filtered.worked(exchange="okx", task="t", bot_id="b") == ()
    assert len(filtered.worked(exchange="okx", task="another", bot_id="a")) == 1


class Untouchable(LocalWindow):
    """A window that must not be asked about successes."""

    def worked(self, key: Any) -> Any:
        """Fail the test."""
        raise AssertionError(key)

    def outages(self) -> Any:
        """Fail the test."""
        raise AssertionError


def test_success_asks_nobody_while_nothing_is_broken(clock: Clock) -> None:
    """A task that succeeds asks no window, however long nothing is broken: the worker's main process looks around."""
    watch = Watch(Untouchable(clock), clock=clock)
    filtered = EventFilter(watch=watch)
    for _ in range(600):
        assert filtered.idle()
        assert filtered.worked(exchange="okx", task="t", bot_id="a") == ()
        clock.pass_by(10)


def test_a_fork_learns_of_an_outage_that_its_sibling_saw(event: Make, hint: Make) -> None:
    """Processes of one worker share one byte: who has not failed itself stops being idle when another has."""
    filtered = _watching(Clock())
    assert filtered.idle()
    child = os.fork()
    if child == 0:
        for number in range(5):
            filtered(event(exchange="okx", task="t", celery={"id": str(number)}), hint(ccxt.RequestTimeout("x")))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not filtered.idle()
    # The child's own window is gone with it: whoever looks finds that nothing is broken.
    filtered.look_around()
    assert filtered.idle()


def test_what_nobody_does_any_more_is_not_watched_for_ever(event: Make, hint: Make, clock: Clock) -> None:
    """A key that failed once and was never heard of again does not keep its process asking."""
    filtered = _watching(clock)
    filtered(event(exchange="okx", task="t"), hint(ccxt.RequestTimeout("x")))
    assert not filtered.idle()
    clock.pass_by(5 * 3600)
    assert filtered.worked(exchange="binance", task="another") == ()
    assert filtered.idle()


@pytest.mark.parametrize(("count", "seconds"), [(0, 60), (1000, 60), (5, 0)])
def test_an_impossible_window_is_refused(count: int, seconds: float) -> None:
    """A threshold that could never be reached is an error where it is written."""
    with pytest.raises(ValueError, match="got"):
        Persistence(count, seconds=seconds)


CCXT_ERRORS = "RequestTimeout AuthenticationError InsufficientFunds InvalidOrder NoChange BadSymbol RateLimitExceeded"
ERRORS = st.sampled_from(
    [RuntimeError("x"), ValueError("x"), *(getattr(ccxt, name)("x") for name in CCXT_ERRORS.split())]
)


@given(
    st.lists(
        st.tuples(ERRORS, st.sampled_from(["", "buy_order", "close_position"]), st.booleans(), st.sampled_from("ab")),
        max_size=40,
    )
)
def test_explain_agrees_with_the_decision(history: list[tuple[Exception, str, bool, str]]) -> None:
    """Whatever went before, explain says what the filter then does, by which rule, and counts nothing itself."""
    clock = Clock()
    filtered = _watching(clock)
    for number, (error, operation, web, bot) in enumerate(history):
        made: Any = {
            "event_id": str(number),
            "tags": {"exchange": "okx", "operation": operation, "bot_id": bot, "task": "t"},
        }
        if web:
            made["request"] = {"url": "http://x/"}
        hint = {"exc_info": (type(error), error, None)}
        said = filtered.explain(made, hint)
        assert filtered.explain(made, hint) == said
        kept = filtered(made, hint)
        assert (kept is not None) == said.keep
        assert filtered.ledger.drain() == ({} if said.keep else {said.rule: 1})
        clock.pass_by(20)


def test_explain_is_readable() -> None:
    """An operator reads which rule decides, what the error is, by which row, and whether money moved."""
    filtered = EventFilter(PRODUCTION)
    said = str(explain(ccxt.RequestTimeout("x"), filtered, exchange="okx", task="sync", operation="buy_order"))
    assert said.splitlines()[0].startswith("sent by rule money: no answer in an operation that changes state")
    assert "operation buy_order changes state" in said
    said = str(explain(ccxt.RequestTimeout("x"), filtered, exchange="okx", task="sync"))
    assert said.splitlines()[0].startswith("suppressed by rule not_persistent: 1 of 5 tasks in 600 s")


REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "filtering.md"


def test_the_reference_page_shows_the_tables_of_the_code() -> None:
    """The page's tables are those that decide."""
    page = REFERENCE.read_text()
    assert policy_as_table(EventFilter()) in page
    assert errors_as_table(EXCHANGE_ERRORS) in page
