"""Where money moves nothing is filtered, suppressed or delayed."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from celery.exceptions import SoftTimeLimitExceeded

from monitoring.filtering import EventFilter, credential_hash
from monitoring.filtering.operations import changes_state, closes_position

ccxt = pytest.importorskip("ccxt", reason="the exchange extra is not installed")

Make = Callable[..., Any]

UNANSWERED = [
    ccxt.RequestTimeout("binance POST https://x"),
    ccxt.NetworkError("x"),
    ccxt.ExchangeNotAvailable("binance POST https://x 503 Service Unavailable x"),
    ccxt.BadResponse("<html>"),
    ccxt.NullResponse("x"),
    ccxt.OperationFailed("x"),
    ccxt.ExchangeError('binance {"code":-1007,"msg":"Send status unknown"}'),
    requests.ReadTimeout(),
    requests.ConnectionError(),
    TimeoutError(),
    ConnectionResetError(),
    SoftTimeLimitExceeded(),
]


@pytest.mark.parametrize("tags", [{"operation": "buy_order"}, {"moves_money": "true"}], ids=["operation", "declared"])
@pytest.mark.parametrize("error", UNANSWERED, ids=lambda error: type(error).__name__)
def test_no_answer_where_money_moves_is_critical_every_time(
    event_filter: EventFilter, event: Make, hint: Make, error: Exception, tags: dict[str, str]
) -> None:
    """A time-out, network error or unreadable answer in an order is `order_state_unknown`, also the hundredth time."""
    for _ in range(100):
        kept = event_filter(event(exchange="binance", environment="test", **tags), hint(error))
        assert kept is not None
        assert (kept["level"], kept["tags"]["error_kind"]) == ("fatal", "order_state_unknown")
    assert event_filter.ledger.drain() == {}


def test_a_timeout_hidden_behind_another_error_is_found(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """`raise … from None` and a bug in the handler do not hide that an order was not answered."""
    for outer in (KeyError("price"), RuntimeError("order failed")):
        outer.__context__, outer.__suppress_context__ = ccxt.RequestTimeout("x"), True
        kept = event_filter(event(operation="cancel_order"), hint(outer))
        assert kept is not None
        assert kept["tags"]["error_kind"] == "order_state_unknown"


@pytest.mark.parametrize(
    "error",
    [
        ccxt.RateLimitExceeded("x"),
        ccxt.OnMaintenance("x"),
        ccxt.InvalidNonce("x"),
        ccxt.DDoSProtection("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_order_that_was_not_carried_out_is_an_error(
    event_filter: EventFilter, event: Make, hint: Make, error: Exception
) -> None:
    """What is transient elsewhere is told at once when it was an order that failed, but it is not unknown."""
    kept = event_filter(event(moves_money="true"), hint(error))
    assert kept is not None
    assert kept["level"] in {"error", "fatal"}
    assert kept["tags"]["error_kind"] != "order_state_unknown"


def test_a_state_is_told_when_the_retries_of_an_order_are_used_up(
    event_filter: EventFilter, event: Make, hint: Make
) -> None:
    """Short funds are an outcome on the first attempt, and an error after the last."""
    first, last = {"id": "1", "attempt": 1, "max_retries": 3}, {"id": "2", "attempt": 4, "max_retries": 3}
    assert event_filter(event(celery=first, moves_money="true"), hint(ccxt.InsufficientFunds("x"))) is None
    assert event_filter(event(celery=last, moves_money="true"), hint(ccxt.InsufficientFunds("x"))) is not None


@pytest.mark.parametrize("operation", ["close_position", "place_stop_loss", "hedgePosition"])
@pytest.mark.parametrize("error", [ccxt.InsufficientFunds("x"), ccxt.OrderNotFound("x"), ccxt.MarketClosed("x")])
def test_what_fails_to_close_a_position_is_critical(
    event_filter: EventFilter, event: Make, hint: Make, error: Exception, operation: str
) -> None:
    """A trading outcome that leaves a position open or unprotected is no outcome."""
    kept = event_filter(event(operation=operation), hint(error))
    assert kept is not None
    assert kept["level"] == "fatal"


def test_a_wrong_address_is_critical_in_a_withdrawal(event_filter: EventFilter, event: Make, hint: Make) -> None:
    """A user's typing error is dropped where they look at it, and critical where money is sent."""
    assert event_filter(event(web=True, operation="check_address"), hint(ccxt.InvalidAddress("x"))) is None
    kept = event_filter(event(operation="withdraw"), hint(ccxt.InvalidAddress("x")))
    assert kept is not None
    assert kept["level"] == "fatal"


@pytest.mark.parametrize(
    ("kind", "once"),
    [
        (ccxt.AuthenticationError, True),
        (ccxt.PermissionDenied, True),
        (ccxt.AccountSuspended, True),
        (ccxt.ManualInteractionNeeded, True),
        (ccxt.DuplicateOrderId, False),
    ],
)
def test_dead_credentials_are_told_once_per_credential(
    event_filter: EventFilter, event: Make, hint: Make, kind: type[Exception], *, once: bool
) -> None:
    """One key's trouble is one event whatever the operation; each duplicate order is one of its own."""
    sent = [
        event_filter(event(exchange="binance", credential=credential, operation=operation), hint(kind("x"))) is not None
        for credential in ("a", "b")
        for operation in ("fetch_balance", "fetch_orders", "buy_order")
    ]
    assert sent == ([True, False, False] * 2 if once else [True] * 6)


def test_the_credential_and_the_operation_are_seen_in_ccxts_frames(event_filter: EventFilter, event: Make) -> None:
    """Without any declaration, a ccxt call that creates an order is known by its frames, and so is its key, hashed."""
    client = ccxt.binance({"apiKey": "k" * 64, "secret": "s" * 64, "timeout": 200})
    client.urls["api"] = dict.fromkeys(client.urls["api"], "http://127.0.0.1:9")
    client.load_markets = lambda *_, **__: {}
    client.markets, client.markets_by_id = {}, {}
    try:
        client.create_order("BTC/USDT", "market", "buy", 1)
    except ccxt.BaseError as error:
        hint = {"exc_info": (type(error), error, error.__traceback__)}
    decision = event_filter.explain(event(task="t"), hint)
    assert decision.operation.money
    assert decision.operation.credential == credential_hash("k" * 64)


@pytest.mark.parametrize(
    ("operation", "changes", "closes"),
    [
        ("buy_order", True, False),
        ("createOrder", True, False),
        ("cancel_all_orders", True, False),
        ("set_leverage", True, False),
        ("withdraw", True, False),
        ("close_position", True, True),
        ("place_stop_loss", True, True),
        ("fetch_order", False, False),
        ("fetchOpenOrders", False, False),
        ("load_markets", False, False),
        ("sync_positions", False, False),
        ("order_book", False, False),
        ("worker.tasks.market.analyze_market", False, False),
        ("", False, False),
    ],
)
def test_an_operations_name_says_what_it_does(operation: str, *, changes: bool, closes: bool) -> None:
    """Verbs decide whether an operation changes state or closes a position; a reading verb in front says no."""
    assert (changes_state(operation), closes_position(operation)) == (changes, closes)
