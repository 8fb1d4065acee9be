"""A request is read without loss, and refused with everything that is wrong with it."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flask_app import orders
from flask_app.orders import OrderRequest
from flask_app.problems import MEDIA_TYPE
from flask_app.strategies import StrategyRequest
from flask_app.trading_request import MOST_BYTES
from tests.unit.flask_app.conftest import Browse
from worker import arguments

ORDER = {"bot_id": "bot-1", "exchange": "binance", "symbol": "BTC/USDT", "side": "buy", "amount": "0.25"}
URL = "/api/trading/orders"


@pytest.fixture
def client(browse: Browse, publisher: Celery) -> FlaskClient:
    """Return a client of the orders' route."""
    return browse(orders.blueprint(publisher.tasks["place_order"]))


def test_every_violation_is_told_at_once(client: FlaskClient) -> None:
    """List each wrong value by JSON pointer with its rule and what was sent."""
    body = {"bot_id": "bot 1", "exchange": "mtgox", "symbol": "bitcoin", "amount": 0, "price": "cheap", "size/~": 1}
    answer = client.post(URL, json=body)
    assert answer.status_code == 422
    assert answer.content_type == MEDIA_TYPE
    document = answer.get_json()
    assert document["type"] == "urn:problem-type:trading:invalid-request"
    assert document["errors"] == [
        {"pointer": "#/bot_id", "rule": "must be 1 to 64 letters, digits or . @ : - _", "value": "bot 1"},
        {"pointer": "#/exchange", "rule": "must be one of binance, kraken, okx, bybit, coinbase", "value": "mtgox"},
        {"pointer": "#/symbol", "rule": "must be like BTC/USDT", "value": "bitcoin"},
        {"pointer": "#/side", "rule": "is required"},
        {"pointer": "#/amount", "rule": "must be greater than 0", "value": 0},
        {"pointer": "#/price", "rule": "must be a valid decimal", "value": "cheap"},
        {"pointer": "#/size~1~0", "rule": "is not a field of this request", "value": 1},
    ]


@pytest.mark.parametrize("body", ["[1]", '"order"', "1", "null"])
def test_body_must_be_an_object(client: FlaskClient, body: str) -> None:
    """Refuse JSON that is no object at its root."""
    answer = client.post(URL, data=body, content_type="application/json")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["#"]


def test_secret_in_a_wrong_place_is_not_echoed(client: FlaskClient) -> None:
    """Show that a field does not belong there, not what it held."""
    answer = client.post(URL, json={**ORDER, "api_key": "k3y-that-nobody-should-log"})
    assert answer.status_code == 422
    assert b"k3y-that-nobody" not in answer.data
    assert answer.get_json()["errors"][0]["pointer"] == "#/api_key"


@pytest.mark.parametrize(
    ("amount", "sent"),
    [
        ("0.123456789012345678", "0.123456789012345678"),
        ('"0.123456789012345678"', "0.123456789012345678"),
        ("1e-3", "0.001"),
        ("100000000000.000000000000000001", "100000000000.000000000000000001"),
        ("3", "3"),
    ],
)
def test_no_digit_of_an_amount_is_lost(
    client: FlaskClient, published: Callable[[], list[dict[str, Any]]], amount: str, sent: str
) -> None:
    """Publish the number that was written, not the double next to it."""
    body = json.dumps(ORDER).replace('"0.25"', amount)
    assert client.post(URL, data=body, content_type="application/json").status_code == 202
    assert published() == [{**ORDER, "amount": sent}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "Expecting"),
        ('{"amount": NaN}', "NaN is not a JSON number"),
        ('{"amount": 1, "amount": 2}', "'amount' is there twice"),
        ("[" * 5000, "recursion"),
        (b"\xff", "utf-8"),
    ],
)
def test_broken_json_is_refused_with_the_reason(client: FlaskClient, body: str | bytes, reason: str) -> None:
    """Answer 400 and say what no parser could read in one way only."""
    answer = client.post(URL, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert reason in answer.get_json()["detail"]


def test_other_media_types_are_refused(client: FlaskClient) -> None:
    """Answer 415 to a form, and say what is wanted."""
    answer = client.post(URL, data=ORDER)
    assert answer.status_code == 415
    assert "application/json" in answer.get_json()["detail"]


def test_large_body_is_refused(client: FlaskClient) -> None:
    """Answer 413 with the limit, without parsing."""
    answer = client.post(URL, data=b" " * (MOST_BYTES + 1), content_type="application/json")
    assert answer.status_code == 413
    assert str(MOST_BYTES) in answer.get_json()["detail"]


texts = st.text(alphabet="aB9é/: @._-~", max_size=70) | st.sampled_from(
    ["binance", "Kraken", "BTC/USDT", "eth/usd:usd", "buy", "sell", "momentum"]
)
numbers = st.decimals(allow_nan=True) | st.decimals(min_value="1e-20", max_value="1e13", allow_nan=False)


@given(
    st.fixed_dictionaries(
        {"bot_id": texts, "exchange": texts, "symbol": texts, "side": texts, "amount": numbers},
        optional={"price": numbers, "client_order_id": texts},
    )
)
def test_accepted_order_is_one_that_the_task_accepts(body: dict[str, Any]) -> None:
    """Refuse at the door whatever `place_order` would refuse."""
    try:
        order = OrderRequest.model_validate(body)
    except ValidationError:
        return
    read = arguments.read(order.arguments())
    assert read["amount"] == body["amount"]


@given(
    st.fixed_dictionaries(
        {"bot_id": texts, "exchange": texts, "symbol": texts}, optional={"strategy": texts, "budget": numbers}
    )
)
def test_accepted_strategy_is_one_that_the_task_accepts(body: dict[str, Any]) -> None:
    """Refuse at the door whatever `run_strategy` would refuse."""
    try:
        asked = StrategyRequest.model_validate(body)
    except ValidationError:
        return
    arguments.read(asked.arguments())


@given(
    st.from_regex(r"\A[\w.@:-]{1,64}\Z"),
    st.sampled_from(["binance", "OKX", "Coinbase"]),
    st.from_regex(r"\A[a-zA-Z0-9]{1,15}/[a-zA-Z0-9]{1,15}\Z"),
    st.decimals(min_value="0.00000001", max_value="1e9", places=8),
)
def test_ordinary_order_is_accepted(bot_id: str, exchange: str, symbol: str, amount: Decimal) -> None:
    """Take any bot's ordinary order; names are given the spelling that they are searched by."""
    if not bot_id.isascii() or not symbol.isascii():
        return
    order = OrderRequest(bot_id=bot_id, exchange=exchange, symbol=symbol, side="sell", amount=amount)
    assert (order.exchange, order.symbol) == (exchange.lower(), symbol.upper())
