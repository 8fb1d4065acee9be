"""Task arguments are read exactly, or refused with every mistake at once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.arguments import OrderRequest, client_order_id_of, read
from worker.errors import BadRequest

GOOD = {
    "bot_id": "bot-7",
    "exchange": "kraken",
    "symbol": "BTC/USDT",
    "side": "buy",
    "amount": "0.10",
    "price": None,
    "client_order_id": "a-1",
}


def test_order_is_read_with_exact_money() -> None:
    """Text and numbers become the decimal that they show; a whole bot id becomes text."""
    order = OrderRequest.read(**{**GOOD, "bot_id": 7, "amount": 0.1, "price": "60000.00"})

    assert order == OrderRequest("7", "kraken", "BTC/USDT", "buy", Decimal("0.1"), Decimal(60_000), "a-1")


def test_every_mistake_is_told_with_rule_and_value() -> None:
    """One error names all wrong arguments; the right ones are not mentioned."""
    with pytest.raises(BadRequest) as refusal:
        OrderRequest.read(**{**GOOD, "exchange": "mtgox", "side": "hold", "amount": -1, "price": "NaN"})

    assert str(refusal.value) == (
        "exchange must be one of binance, kraken, okx, bybit, coinbase, got 'mtgox'; "
        "side must be one of buy, sell, got 'hold'; "
        "amount must be a number above 0 and up to 1e+12, got -1; "
        "price must be a number above 0 and up to 1e+12, got 'NaN'"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bot_id", ""),
        ("bot_id", "a b"),
        ("bot_id", True),
        ("bot_id", "ü"),
        ("bot_id", "x" * 65),
        ("symbol", "btc/usdt"),
        ("symbol", "BTCUSDT"),
        ("symbol", "BTC/USDT\n"),
        ("amount", True),
        ("amount", None),
        ("amount", "1e13"),
        ("amount", "Infinity"),
        ("amount", [1]),
        ("client_order_id", "x" * 37),
        ("client_order_id", "a b"),
        ("limit", 34),
        ("limit", 10.0),
        ("strategy", "martingale"),
    ],
)
def test_unusable_value_is_refused(name: str, value: object) -> None:
    """What could not be meant, or would break a key in the server, does not pass."""
    with pytest.raises(BadRequest, match=f"^{name} must be "):
        read({name: value})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_value_is_refused_where_it_makes_no_sense(value: object) -> None:
    """Whatever JSON can carry, what makes no order ends in `BadRequest`, shortly put."""
    with pytest.raises(BadRequest) as refusal:
        OrderRequest.read(**dict.fromkeys(GOOD, value))
    assert len(str(refusal.value)) < 1500


def test_client_order_id_belongs_to_the_task() -> None:
    """The same task gets the same id in every attempt; its form is what the strictest exchange takes."""
    ids = [client_order_id_of(*origin) for origin in (("task-1",), ("task-1",), ("task-2",), ("task-1", "entry"))]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(len(item) == 32 and item.isalnum() for item in ids)
