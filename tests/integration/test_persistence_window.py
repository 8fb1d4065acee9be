"""The persistence window where it has to hold: real processes, one real server, and that server dying."""

import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.filtering import (
    POLICY,
    EventFilter,
    FailoverWindow,
    FloodGuard,
    LocalWindow,
    Persistence,
    SharedWindow,
    shared_window,
    without,
)
from monitoring.filtering.shared_window import BUDGET_SECONDS
from monitoring.filtering.window import Failure, OutageKey
from tests.harness.polling import BUSY_SECONDS, wait_until
from tests.harness.server import Database, Server

PROCESSES = 4
CALM_SECONDS = 0.3


@pytest.fixture
def own_database(server: Server) -> Iterator[Database]:
    """Give a test a database that nobody else sees."""
    database = server.new_database()
    yield database
    database.close()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """Run a server that the test may kill."""
    running = Server(tmp_path)
    yield running
    running.process.kill()
    running.process.reap()


def _filter(url: str) -> EventFilter:
    shared = SharedWindow.from_url(url, budget_seconds=5.0, calm_seconds=CALM_SECONDS)
    return EventFilter(without(POLICY, "under_pytest"), window=FailoverWindow(shared, LocalWindow()))


def _event(number: int) -> Any:
    return {
        "event_id": f"e{number}",
        "tags": {"exchange": "kraken", "task": "fetch", "bot_id": f"bot-{number % 30}"},
        "contexts": {"celery": {"id": f"task-{number}"}},
    }


_HINT = {"exc_info": (TimeoutError, TimeoutError("no answer"), None)}


def _fail(url: str, numbers: range) -> tuple[list[Any], dict[str, int]]:
    """Fail these tasks in a process of its own; return what it sent and what it suppressed."""
    event_filter = _filter(url)
    sent = [kept for number in numbers if (kept := event_filter(_event(number), _HINT)) is not None]
    return sent, event_filter.ledger.drain()


_all_have_failed: Barrier


def _wait_at(barrier: Barrier) -> None:
    global _all_have_failed  # noqa: PLW0603  # a barrier reaches a pool's process only as it starts
    _all_have_failed = barrier


def _fail_then_work(url: str, numbers: range) -> int:
    """Fail these tasks, then succeed until it is calm; return how many recoveries this process told."""
    event_filter = _filter(url)
    for number in numbers:
        event_filter(_event(number), _HINT)
    _all_have_failed.wait(60)  # one that is late would open the next outage
    told, deadline = 0, time.monotonic() + 4 * CALM_SECONDS
    while time.monotonic() < deadline:
        told += len(event_filter.worked(exchange="kraken", task="fetch"))
    return told


def test_five_hundred_timeouts_of_four_processes_are_one_event(own_database: Database) -> None:
    """Four worker processes fail 500 tasks at once: one event at the fifth, every other counted, all in the outage."""
    parts = [range(first, 500, PROCESSES) for first in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        results = list(pool.map(_fail, [own_database.url] * PROCESSES, parts))
    (event,) = [event for sent, _ in results for event in sent]
    told = event["contexts"]["persistence"]
    assert told["count"] == 5
    assert len(told["affected_bots"]) == 5
    assert sum(quantity for _, suppressed in results for quantity in suppressed.values()) == 499
    (outage,) = SharedWindow.from_url(own_database.url).outages()
    assert outage.total == 500
    assert len(outage.bots) == 20


def test_a_recovery_is_told_by_one_process(own_database: Database) -> None:
    """All four processes work again at the same time; one of them says so."""
    parts = [range(first, 40, PROCESSES) for first in range(PROCESSES)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, _wait_at, (context.Barrier(PROCESSES),)) as pool:
        told = list(pool.map(_fail_then_work, [own_database.url] * PROCESSES, parts))
    assert sum(told) == 1
    assert SharedWindow.from_url(own_database.url).outages() == ()


def test_a_process_that_never_failed_tells_the_recovery(own_database: Database) -> None:
    """Every process that knew of the outage is gone: the first success of a new one ends it, with length and count."""
    _fail(own_database.url, range(7))
    newcomer = _filter(own_database.url)
    assert newcomer.idle()
    newcomer.look_around()  # as a worker's main process does when it is up
    assert newcomer.worked(exchange="okx", task="fetch") == ()
    (ended,) = wait_until(lambda: newcomer.worked(exchange="kraken", task="fetch"), "the recovery")
    assert (ended.total, ended.kind, ended.key.operation) == (7, "api_timeout", "fetch")
    assert 0 <= ended.last_seen - ended.first_seen < 10


def test_a_failure_costs_one_round_trip(own_database: Database) -> None:
    """Counting, deciding and remembering are one command to the server, once the script is known there."""
    _fail(own_database.url, range(1))
    own_database.client.config_resetstat()
    client = redis.Redis.from_url(own_database.url)
    window = SharedWindow(client)
    for number in range(20):
        window.failed(_failure(str(number)))
    calls = {name: seen["calls"] for name, seen in own_database.client.info("commandstats").items()}
    client.close()
    assert calls["cmdstat_evalsha"] == 20
    assert not {"cmdstat_eval", "cmdstat_script|load"} & calls.keys()


def test_nothing_stays_in_the_server_for_ever(own_database: Database) -> None:
    """Every key that the window writes expires."""
    _fail(own_database.url, range(10))
    keys = list(own_database.client.scan_iter())
    assert len(keys) == 3
    assert all(own_database.client.ttl(key) > 0 for key in keys)


def _longest(event_filter: EventFilter, numbers: range) -> tuple[float, int]:
    longest, sent = 0.0, 0
    for number in numbers:
        started = time.perf_counter()
        sent += event_filter(_event(number), _HINT) is not None
        event_filter.worked(exchange="okx", task="fetch")
        longest = max(longest, time.perf_counter() - started)
    return longest, sent


def _production(url: str) -> EventFilter:
    return EventFilter(without(POLICY, "under_pytest"), window=shared_window(url))


def _kill(server: Server) -> None:
    server.process.kill()


def _freeze(server: Server) -> None:
    server.process.kill("SIGSTOP")


@pytest.mark.parametrize("strike", [_kill, _freeze], ids=["killed", "frozen"])
def test_no_task_waits_for_a_dying_server(mortal: Server, strike: Callable[[Server], None]) -> None:
    """The server dies in the middle: no call raises or waits longer than its budget, and counting goes on."""
    event_filter = _production(mortal.url(0))
    assert _longest(event_filter, range(3))[1] == 0
    strike(mortal)
    longest, sent = _longest(event_filter, range(10, 60))
    # Two budgets of 50 ms, and what a busy machine adds; without them a frozen server holds for ever.
    assert longest < BUSY_SECONDS
    # The process counts by itself from here on: its own fifth is told.
    assert sent == 1


def test_a_server_that_is_not_there_costs_its_budget_once(tmp_path: Path) -> None:
    """A broker that was never there is asked once, not for every failure."""
    nowhere = f"unix://{tmp_path}/no.sock"
    started = time.perf_counter()
    longest, sent = _longest(_production(nowhere), range(200))
    assert sent == 1
    assert longest < BUSY_SECONDS
    assert time.perf_counter() - started < 200 * BUDGET_SECONDS


def test_counting_is_shared_again_when_the_server_is_back(mortal: Server) -> None:
    """After its pause the window asks the server again, and what was open there is known again."""
    now = itertools.count(step=1000).__next__
    window = FailoverWindow(SharedWindow.from_url(mortal.url(0)), LocalWindow(), clock=lambda: float(now()))
    mortal.process.kill()
    assert window.failed(_failure("1")).count == 1
    mortal.process.start()
    wait_until(lambda: b"Ready to accept" in mortal.process.logs_since_start(), "the server")
    assert window.failed(_failure("2")).count == 1
    other = FailoverWindow(SharedWindow.from_url(mortal.url(0)), LocalWindow())
    assert other.failed(_failure("3")).count == 2


@pytest.mark.parametrize(
    "url", [None, "amqp://guest@127.0.0.1//", "sentinel://127.0.0.1:26379", "redis://127.0.0.1:x/0"]
)
def test_a_broker_that_is_no_redis_is_no_error(url: str | None) -> None:
    """Without a Redis URL, or with one that nobody can read, each process counts by itself."""
    assert _longest(EventFilter(without(POLICY, "under_pytest"), window=shared_window(url)), range(6))[1] == 1


def test_spoilt_keys_are_survived(own_database: Database) -> None:
    """Keys of the wrong type make the process count by itself; what was written by nobody we know is left out."""
    key = "{monitoring}:persistence:1:outages"
    for spoil in (lambda: own_database.client.set(key, "x"), lambda: own_database.client.hset(key, "d", "{")):
        own_database.client.flushdb()
        spoil()
        assert _longest(_production(own_database.url), range(6))[1] == 1


_RULE = Persistence(3, seconds=60.0, cooldown=90.0, sparse_count=4, sparse_seconds=300.0)


def _failure(task_id: str, bot: str = "a", exchange: str = "kraken") -> Failure:
    return Failure(OutageKey(exchange, "", "fetch", "TimeoutError"), task_id, "fetch", "api_timeout", bot, _RULE)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fail"), st.integers(0, 12).map(str), st.sampled_from(["", "a", "b", "c|d"])),
        st.tuples(st.just("ask"), st.integers(0, 12).map(str), st.sampled_from(["", "a"])),
        st.tuples(st.just("work"), st.just(""), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from(["1", "10", "45", "200", "7200", "500000"]), st.just("")),
    ),
    max_size=40,
)


class _Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def namespaces(server: Server) -> Iterator[Callable[[_Clock], SharedWindow]]:
    """Make windows that share nothing but a server."""
    database = server.new_database()
    client = redis.Redis.from_url(database.url)
    numbers = itertools.count()
    yield lambda clock: SharedWindow(client, clock=clock, namespace=f"{{n{next(numbers)}}}")
    client.close()
    database.close()


@example([("fail", "0", ""), ("fail", "1", ""), ("fail", "2", ""), ("wait", "500000", ""), ("fail", "0", "")])
@given(STEPS)
@settings(deadline=None, max_examples=150)
def test_the_script_does_what_its_model_does(namespaces: Callable[[_Clock], SharedWindow], steps: Any) -> None:
    """Whatever happens in whatever order, the Lua script and the window of one process say the same."""
    clock = _Clock()
    shared, local = namespaces(clock), LocalWindow(clock)
    for step, text, bot in steps:
        # No two things happen at the same microsecond; their order would mean nothing.
        clock.now += 0.5
        if step == "wait":
            clock.now += float(text)
        elif step == "work":
            key = _failure("").key
            assert shared.worked(key) == local.worked(key)
        else:
            dry = step == "ask"
            assert shared.failed(_failure(text, bot), dry=dry) == local.failed(_failure(text, bot), dry=dry)
    assert shared.outages() == local.outages()


def test_the_flood_guard_does_not_hold_back_what_persists(own_database: Database) -> None:
    """The one event of an outage is sent, however many others of its fingerprint went before."""
    flood = FloodGuard(burst=1, seconds=1e9)
    event_filter = EventFilter((), window=shared_window(own_database.url), flood=flood)
    sent = [event_filter(_event(number), _HINT) for number in range(6)]
    assert [kept is not None for kept in sent] == [False] * 4 + [True, False]
