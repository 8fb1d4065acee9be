"""What is noise and what only looks like it."""

import sys
import time
from collections.abc import Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are another package
import pydantic
import pytest
import requests
import werkzeug.exceptions

from monitoring.filtering import POLICY, EventFilter, drop_exceptions, drop_loggers, without

ccxt = pytest.importorskip("ccxt", reason="the exchange extra is not installed")

Make = Callable[..., Any]


def _pydantic_error() -> pydantic.ValidationError:
    try:
        pydantic.TypeAdapter(int).validate_python("x")
    except pydantic.ValidationError as error:
        return error
    raise AssertionError


def _fake(module: str, name: str, *bases: type[Exception]) -> Exception:
    made: Exception = type(name, bases or (Exception,), {"__module__": module})("x")
    return made


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (werkzeug.exceptions.NotFound(), "inbound_http_4xx"),
        (werkzeug.exceptions.Unauthorized(), "inbound_http_4xx"),
        (werkzeug.exceptions.BadRequestKeyError("symbol"), "inbound_http_4xx"),
        (_pydantic_error(), "validation"),
        (jsonschema.ValidationError("x"), "validation"),
        (_fake("marshmallow.exceptions", "ValidationError"), "validation"),
        (_fake("wtforms.validators", "StopValidation"), "validation"),
        (ccxt.BadSymbol("binance does not have market symbol BTC/USDDT"), "users_mistake"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_a_clients_mistake_in_a_request_is_dropped(
    event_filter: EventFilter, event: Make, hint: Make, error: Exception, rule: str
) -> None:
    """What a user of our web application did wrong is suppressed and counted by the rule that says so."""
    assert event_filter(event(web=True), hint(error)) is None
    assert event_filter.ledger.drain() == {rule: 1}


def _http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(str(status), response=response)


def _passed_on(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


LOOK_ALIKES = [
    ValueError("bad value"),
    KeyError("price"),
    TypeError("unsupported operand"),
    _fake("bots.checks", "ValidationError"),
    werkzeug.exceptions.InternalServerError(),
    werkzeug.exceptions.BadGateway(),
    _passed_on(werkzeug.exceptions.Forbidden(), ccxt.PermissionDenied("x")),
    _passed_on(werkzeug.exceptions.TooManyRequests(), ccxt.RateLimitExceeded("x")),
    _http_error(401),
    _http_error(403),
    _http_error(407),
    _http_error(418),
    _http_error(451),
    ccxt.AuthenticationError("binance 401"),
]


@pytest.mark.parametrize("error", LOOK_ALIKES, ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_a_look_alike_in_a_request_is_no_clients_mistake(
    event_filter: EventFilter, event: Make, hint: Make, error: Exception
) -> None:
    """Bugs, server errors and an exchange's 4xx stay, though they happen inside of a request."""
    decision = event_filter.explain(event(web=True), hint(error))
    assert decision.rule == "not_persistent" if "429" in str(error) else decision.keep


@pytest.mark.parametrize(
    "error", [werkzeug.exceptions.NotFound(), _pydantic_error(), ccxt.BadSymbol("x")], ids=lambda e: type(e).__name__
)
def test_the_same_in_a_task_is_kept(event_filter: EventFilter, event: Make, hint: Make, error: Exception) -> None:
    """In a worker nobody typed anything: a refused value is our bug, or an exchange that has changed."""
    assert event_filter(event(celery={"id": "1"}, task="t"), hint(error)) is not None


@pytest.mark.parametrize("environment", ["test", "testing", "CI"])
def test_test_environments_are_dropped_by_name(
    event_filter: EventFilter, event: Make, hint: Make, environment: str
) -> None:
    """What a test environment sends to a real Sentry is noise."""
    assert event_filter(event(environment=environment), hint(RuntimeError())) is None


def test_staging_is_no_test_environment(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """Only the named environments are dropped."""
    assert event_filter(event(environment="staging"), hint(RuntimeError())) is not None


def test_pytest_is_noticed(event: Make, hint: Make) -> None:
    """What a test run of the application's own sends to a real Sentry is noise."""
    assert "pytest" in sys.modules
    assert EventFilter()(event(), hint(RuntimeError())) is None


def test_eager_mode_is_noticed(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """A task called in eager mode is a test's."""
    assert event_filter(event(celery={"id": "1", "is_eager": True}), hint(RuntimeError())) is None
    assert event_filter(event(celery={"id": "1", "is_eager": False}), hint(RuntimeError())) is not None


@pytest.mark.parametrize("tags", [{"testnet": "true"}, {"sandbox": "1"}, {"exchange": "binance_testnet"}])
def test_a_testnet_is_noise_even_where_money_would_move(
    event_filter: EventFilter, event: Make, hint: Make, tags: dict[str, str]
) -> None:
    """On a testnet no money moves, so nothing of it is critical."""
    assert event_filter(event(moves_money="true", **tags), hint(ccxt.RequestTimeout("x"))) is None
    assert event_filter.ledger.drain() == {"testnet": 1}


def test_what_a_task_throws_is_expected(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """A declared error is dropped; its siblings are not."""
    expected = {**hint(ccxt.InvalidOrder("x")), "throws": (ccxt.InvalidOrder,)}
    assert event_filter(event(), expected) is None
    assert event_filter(event(), {**hint(ccxt.BadRequest("x")), "throws": (ccxt.InvalidOrder,)}) is not None


@pytest.mark.parametrize("kind", ["transaction", "check_in"])
def test_other_items_pass_untouched(event_filter: EventFilter, kind: str) -> None:
    """Check-ins pass `before_send` too; they and transactions are returned as they are."""
    item: Any = {"type": kind, "environment": "test", "tags": {}}
    assert event_filter(item, {}) is item
    assert item == {"type": kind, "environment": "test", "tags": {}}


def test_broken_rule_keeps_the_event(event: Make, hint: Make) -> None:
    """A drop rule that raises drops nothing; the event says which rule failed, and later rules are still asked."""

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    def late(_: object, __: object) -> bool:
        """Drop what the test wants dropped."""
        return dropping

    dropping = False
    kept = EventFilter((broken, late))(event(), hint(RuntimeError("x")))
    assert kept is not None
    assert kept["tags"]["filter_failed"] == "broken"
    dropping = True
    assert EventFilter((broken, late))(event(), hint(RuntimeError("x"))) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"tags": 7},
        {"tags": [["a", "b"], ["c"]]},
        {"contexts": "x"},
        {"contexts": {"celery": 3}},
        {"exception": []},
        {"exception": {"values": [None, 3, {"type": None}]}},
        {"fingerprint": None, "logentry": 5},
        {"level": "loud"},
    ],
    ids=str,
)
def test_an_odd_event_is_never_lost(event_filter: EventFilter, hint: Make, odd: Any) -> None:
    """Whatever an event looks like, the filter neither raises nor drops it for its looks."""
    assert event_filter(odd, hint(RuntimeError("x"))) is not None
    assert event_filter(odd, {}) is not None


def test_factories_make_rules_that_are_named_and_exact(event: Make, hint: Make) -> None:
    """`drop_loggers` takes a logger and those below it; `drop_exceptions` a class of a package and its subclasses."""
    filtered = EventFilter((drop_loggers("kombu"), drop_exceptions("bots.Expected")))
    assert filtered({"logger": "kombu.connection"}, {}) is None
    assert filtered({"logger": "kombucha"}, {}) is not None
    assert filtered(event(), hint(_fake("bots.errors", "Expected"))) is None
    assert filtered(event(), hint(_fake("other.errors", "Expected"))) is not None
    assert filtered.ledger.drain() == {"logger": 1, "exception": 1}


def test_without_refuses_an_unknown_name() -> None:
    """A misspelt rule's name is an error that lists the names there are."""
    with pytest.raises(ValueError, match=r"no rule eager; it has .*eager_mode"):
        without(POLICY, "eager")


def test_a_decision_takes_no_longer_for_a_longer_message(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """A message is read up to a bound: one of megabytes takes what one of kilobytes does."""

    def cost(repetitions: int) -> float:
        error = hint(ccxt.ExchangeError("binance " + '{"code":"' * repetitions))
        started = time.process_time()
        for _ in range(300):
            event_filter(event(exchange="binance"), error)
        return time.process_time() - started

    assert cost(200_000) < 5 * cost(1_000)
