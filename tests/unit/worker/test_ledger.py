"""The ledger forgets no order, whoever dies."""

from decimal import Decimal

from redis import Redis

from tests.unit.worker.conftest import Clock
from worker.arguments import OrderRequest
from worker.exchanges import Position
from worker.ledger import ACTIVE_SECONDS, Ledger


def order(client_order_id: str, bot_id: str = "bot-1") -> OrderRequest:
    """Return an order that differs by its id and its bot."""
    return OrderRequest(bot_id, "kraken", "BTC/USDT", "buy", Decimal(1), None, client_order_id)


def test_order_stays_until_it_is_settled(paper_redis: Redis, clock: Clock) -> None:
    """What was begun is there, with the time of the first attempt, until it is struck out."""
    ledger = Ledger("kraken", paper_redis, clock)
    began = clock.now
    ledger.begin(order("a"))
    clock.now += 10
    ledger.begin(order("b"))
    ledger.begin(order("a"))

    assert ledger.unsettled(older_than_seconds=11) == []
    assert [(item.client_order_id, item.since) for item in ledger.unsettled(older_than_seconds=10)] == [("a", began)]
    ledger.settle("bot-1", "a")
    assert [item.client_order_id for item in ledger.unsettled(older_than_seconds=0)] == ["b"]


def test_bots_and_exchanges_do_not_share_order_ids(paper_redis: Redis, clock: Clock) -> None:
    """Two bots may use the same id; another exchange's page is another page."""
    ledger = Ledger("kraken", paper_redis, clock)
    ledger.begin(order("a", "bot-1"))
    ledger.begin(order("a", "bot-2"))
    ledger.settle("bot-1", "a")

    assert [item.bot_id for item in ledger.unsettled(older_than_seconds=0)] == ["bot-2"]
    assert Ledger("okx", paper_redis, clock).unsettled(older_than_seconds=0) == []


def test_bots_that_trade_no_more_are_forgotten(paper_redis: Redis, clock: Clock) -> None:
    """Beat looks after the bots of the last day."""
    ledger = Ledger("kraken", paper_redis, clock)
    ledger.begin(order("a", "old"))
    clock.now += ACTIVE_SECONDS
    ledger.begin(order("b", "new"))
    assert ledger.bots() == ["new"]
    ledger.record_positions("new", [Position("BTC/USDT", Decimal("0.10"), Decimal(60_000))])
    assert '"amount": "0.10"' in str(paper_redis.hget("trading:kraken:positions", "new"))
