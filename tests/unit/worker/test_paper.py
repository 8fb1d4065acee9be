"""The paper exchange keeps its books, and breaks in the ways it was told to."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from redis import Redis

from tests.unit.worker.conftest import Clock
from worker import errors
from worker.exchanges import Side
from worker.exchanges.faults import clear_faults, set_faults
from worker.exchanges.paper import PaperExchange
from worker.exchanges.paper_account import FEE_RATE
from worker.exchanges.paper_market import STARTING_BALANCES, mid_price
from worker.store import connect

BTC = "BTC/USDT"
ONE = Decimal(1)


def test_market_order_pays_the_book_and_the_fee(paper: PaperExchange) -> None:
    """A market buy takes the best offers, level after level; cost and fee leave the quote balance exactly."""
    book = paper.fetch_order_book(BTC)
    amount = book.asks[0][1] + Decimal("0.1")

    order = paper.create_order("a", BTC, "buy", amount)

    cost = book.asks[0][0] * book.asks[0][1] + book.asks[1][0] * Decimal("0.1")
    assert (order.status, order.filled, order.cost) == ("closed", amount, cost)
    assert order.fee == pytest.approx(cost * FEE_RATE)
    balance = paper.fetch_balance()
    assert balance["BTC"].total == STARTING_BALANCES["BTC"] + amount
    assert balance["USDT"].total == STARTING_BALANCES["USDT"] - cost - order.fee
    assert [position.amount for position in paper.fetch_positions()] == [amount]


def test_what_one_bot_took_is_gone_for_the_others(open_paper: Callable[..., PaperExchange], clock: Clock) -> None:
    """All accounts trade against one order book; the next second brings a new one."""
    first, second = open_paper("bot-1"), open_paper("bot-2")
    before = first.fetch_order_book(BTC).asks

    first.create_order("a", BTC, "buy", before[0][1])

    assert second.fetch_order_book(BTC).asks == before[1:]
    clock.now += 1
    assert len(second.fetch_order_book(BTC).asks) == len(before)


def test_limit_order_rests_with_its_money_locked_until_cancelled(paper: PaperExchange) -> None:
    """A price below the market waits; what it may cost is not free; cancelling gives it back."""
    order = paper.create_order("a", BTC, "buy", ONE, Decimal(30_000))

    assert order.status == "open"
    assert paper.fetch_open_orders() == [order]
    assert paper.fetch_balance()["USDT"].locked == 30_000 * (1 + FEE_RATE)
    assert paper.cancel_order("a", BTC).status == "canceled"
    assert paper.fetch_open_orders(BTC) == []
    assert paper.fetch_balance()["USDT"].free == STARTING_BALANCES["USDT"]
    assert paper.fetch_order("a", BTC).status == "canceled"
    with pytest.raises(errors.OrderNotFound, match=r"no open order of BTC/USDT has the client order id 'a'"):
        paper.cancel_order("a", BTC)


def test_resting_order_fills_at_its_price_when_the_path_has_touched_it(paper: PaperExchange, clock: Clock) -> None:
    """Nobody has to watch: the fill is found when the account is next looked at, though the price has moved on."""
    start = int(clock.now)
    path = [mid_price(paper.seed, paper.name, BTC, start + second) for second in range(600)]
    lowest = min(path[1:])
    assert lowest < path[0]
    paper.create_order("low", BTC, "buy", Decimal("0.01"), lowest)
    paper.create_order("lower", BTC, "buy", Decimal("0.01"), lowest - Decimal("0.01"))

    clock.now += 599

    order = paper.fetch_order("low", BTC)
    assert (order.status, order.filled, order.cost) == ("closed", Decimal("0.01"), lowest * Decimal("0.01"))
    assert paper.fetch_order("lower", BTC).status == "open"


def test_same_client_order_id_is_one_order(paper: PaperExchange) -> None:
    """Placing again answers with what became of the first; another order under its id is refused."""
    first = paper.create_order("a", BTC, "buy", Decimal("0.5"))

    assert paper.create_order("a", BTC, "buy", Decimal("0.50")) == first
    assert paper.fetch_positions()[0].amount == Decimal("0.5")
    with pytest.raises(errors.DuplicateOrderId, match=r"'a' belongs to another order: buy 0.5 BTC/USDT"):
        paper.create_order("a", BTC, "sell", Decimal("0.5"))


@pytest.mark.parametrize(
    ("order", "error", "complaint"),
    [
        (("buy", "100", "50000"), errors.InsufficientFunds, "needs 4005000.00000000 USDT more than is free"),
        (("sell", "4.00001", None), errors.InsufficientFunds, "needs 0.00001 BTC more than is free"),
        (("buy", "0.000001", None), errors.InvalidOrder, "amount of BTC/USDT must be a multiple of 0.00001"),
        (("buy", "NaN", None), errors.InvalidOrder, "amount of BTC/USDT must be a multiple"),
        (("buy", "1e40", None), errors.InvalidOrder, "amount of BTC/USDT must be a multiple"),
        (("buy", "-1", None), errors.InvalidOrder, "amount of BTC/USDT must be a multiple"),
        (("buy", "1", "0.001"), errors.InvalidOrder, "price of BTC/USDT must be a multiple of 0.01"),
        (("buy", "0.00001", "1"), errors.InvalidOrder, "must cost at least 10 USDT"),
    ],
)
def test_order_against_the_rules_is_refused_and_changes_nothing(
    paper: PaperExchange, order: tuple[Side, str, str | None], error: type[Exception], complaint: str
) -> None:
    """The error says which rule; no balance, order or book is touched."""
    side, amount, price = order
    before = (paper.fetch_balance(), paper.fetch_order_book(BTC))

    with pytest.raises(error) as refusal:
        paper.create_order("a", BTC, side, Decimal(amount), Decimal(price) if price else None)

    assert complaint in str(refusal.value)
    assert (paper.fetch_balance(), paper.fetch_order_book(BTC)) == before
    with pytest.raises(errors.OrderNotFound):
        paper.fetch_order("a", BTC)


def test_lost_answer_leaves_an_order_that_can_be_asked_for(paper: PaperExchange, paper_redis: Redis) -> None:
    """A time-out after the work was done looks like one before it; only the client order id tells."""
    set_faults(paper_redis, "binance:create_order.lost=1")
    with pytest.raises(errors.RequestTimeout):
        paper.create_order("lost", BTC, "buy", ONE)
    set_faults(paper_redis, "binance:create_order.timeout=1")
    with pytest.raises(errors.RequestTimeout):
        paper.create_order("never", BTC, "buy", ONE)

    assert paper.fetch_order("lost", BTC).status == "closed"
    with pytest.raises(errors.OrderNotFound):
        paper.fetch_order("never", BTC)


def test_outage_is_switched_on_and_off_at_run_time(
    open_paper: Callable[..., PaperExchange], paper_redis: Redis
) -> None:
    """A plan set in the server replaces the environment's, for clients that exist already."""
    paper = open_paper(faults="binance:rate_limit=1")
    with pytest.raises(errors.RateLimitExceeded):
        paper.fetch_balance()
    set_faults(paper_redis, "binance:outage=always")
    with pytest.raises(errors.ExchangeNotAvailable, match="binance does not answer anybody"):
        paper.fetch_balance()
    set_faults(paper_redis, "")
    assert paper.fetch_balance()
    clear_faults(paper_redis)
    with pytest.raises(errors.RateLimitExceeded):
        paper.fetch_balance()


def test_wrong_plan_is_refused_and_the_old_one_stays(paper: PaperExchange, paper_redis: Redis) -> None:
    """A typing mistake in a demo does not break the exchange."""
    set_faults(paper_redis, "binance:outage=always")
    with pytest.raises(ValueError, match="a fault of binance"):
        set_faults(paper_redis, "binance:outrage=always")
    with pytest.raises(errors.ExchangeNotAvailable):
        paper.fetch_balance()


def test_slow_answer_takes_its_time_and_is_right(open_paper: Callable[..., PaperExchange], clock: Clock) -> None:
    """`slow` delays a request and changes nothing else."""
    paper = open_paper(faults="binance:slow=1@0.8s")

    assert paper.fetch_balance()["BTC"].free == STARTING_BALANCES["BTC"]
    assert clock.slept == 0.8


def test_server_that_is_gone_is_told_as_a_network_error() -> None:
    """To the paper exchange the server is the network: a task retries when it is away."""
    paper = PaperExchange("binance", "bot-1", connect("redis://127.0.0.1:1/0"))

    with pytest.raises(errors.NetworkError, match="out of reach"):
        paper.create_order("a", BTC, "buy", ONE)


def test_closed_orders_are_forgotten_in_time_and_open_ones_never(paper: PaperExchange, paper_redis: Redis) -> None:
    """The server does not fill up: what is closed has an end, what is taken of a book has a short one."""
    paper.create_order("done", BTC, "buy", ONE)
    paper.create_order("open", BTC, "buy", ONE, Decimal(30_000))

    (taken,) = paper_redis.keys("paper:binance:taken:*")
    assert 0 < paper_redis.ttl(taken) <= 60
    assert 3500 < paper_redis.ttl("paper:binance:order:bot-1:done") <= 3600
    assert paper_redis.ttl("paper:binance:order:bot-1:open") == -1
