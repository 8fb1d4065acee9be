"""An order is published as it was sent, and once for one key."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from flask.testing import FlaskClient

from flask_app import orders, strategies
from tests.unit.flask_app.conftest import Browse

ORDER = {"bot_id": "bot-1", "exchange": "binance", "symbol": "BTC/USDT", "side": "buy", "amount": "0.25"}
URL = "/api/trading/orders"
Published = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def client(browse: Browse, publisher: Celery) -> FlaskClient:
    """Return a client of both trading routes."""
    return browse(
        orders.blueprint(publisher.tasks["place_order"]), strategies.blueprint(publisher.tasks["run_strategy"])
    )


def test_order_is_enqueued_and_can_be_asked_for(client: FlaskClient, published: Published) -> None:
    """Answer 202 with the task's id and the address that tells what became of it."""
    answer = client.post(URL, json={**ORDER, "exchange": "Binance", "symbol": "btc/usdt", "price": "50000.10"})
    assert answer.status_code == 202
    told = answer.get_json()
    assert told == {
        "task_id": told["task_id"],
        "status_url": f"/api/tasks/{told['task_id']}",
        "state": "PENDING",
    }
    assert answer.headers["Location"] == told["status_url"]
    assert published() == [{**ORDER, "price": "50000.10"}]
    status = client.get(told["status_url"]).get_json()
    assert status == {"task_id": told["task_id"], "state": "PENDING", "ready": False}


@pytest.mark.parametrize("header", ["order-7", '"order-7"'])
@pytest.mark.parametrize("field", [{}, {"client_order_id": "order-7"}])
def test_idempotency_key_is_the_order_id(
    client: FlaskClient, published: Published, header: str, field: dict[str, str]
) -> None:
    """Place what is sent twice under one key as one order: the key is its client order id."""
    assert client.post(URL, json={**ORDER, **field}, headers={"Idempotency-Key": header}).status_code == 202
    assert published() == [{**ORDER, "client_order_id": "order-7"}]


@pytest.mark.parametrize("header", ["", "two words", "x" * 37, "naïve"])
def test_unusable_idempotency_key_is_refused(client: FlaskClient, published: Published, header: str) -> None:
    """Refuse a key that no exchange would take, instead of placing an order that is not protected by it."""
    answer = client.post(URL, json=ORDER, headers={"Idempotency-Key": header})
    assert answer.status_code == 422
    assert [error["header"] for error in answer.get_json()["errors"]] == ["Idempotency-Key"]
    assert published() == []


def test_two_different_order_ids_are_refused(client: FlaskClient, published: Published) -> None:
    """Refuse a request that says two different things about which order it is."""
    answer = client.post(URL, json={**ORDER, "client_order_id": "a"}, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "#/client_order_id"
    assert published() == []


def test_strategy_is_enqueued_with_what_was_given(client: FlaskClient, published: Published) -> None:
    """Publish the strategy's arguments; what was left out is the task's to choose."""
    target = {"bot_id": "bot-1", "exchange": "kraken", "symbol": "ETH/USDT"}
    assert client.post("/api/trading/strategies", json=target).status_code == 202
    assert client.post("/api/trading/strategies", json={**target, "budget": 250.5}).status_code == 202
    assert published() == [target, {**target, "budget": "250.5"}]
