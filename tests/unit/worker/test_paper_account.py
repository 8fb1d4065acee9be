"""Whatever a bot does, money is neither made nor lost."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.worker.conftest import Clock
from worker.errors import InsufficientFunds, InvalidOrder, OrderNotFound
from worker.exchanges.interface import Order, Position, Side
from worker.exchanges.paper import PaperExchange
from worker.exchanges.paper_account import Account, _moved
from worker.exchanges.paper_market import STARTING_BALANCES, mid_price

BTC = "BTC/USDT"
accounts = count()

Step = Callable[[PaperExchange, Clock, str], bool]
"""Does something as order number so-and-so; tells whether that order now exists."""


def place(side: Side, amount: Decimal, away: int | None) -> Step:
    """Buy or sell at the market, or at a price so many dollars away from it."""

    def step(paper: PaperExchange, clock: Clock, number: str) -> bool:
        now = mid_price(paper.seed, paper.name, BTC, int(clock.now))
        paper.create_order(number, BTC, side, amount, None if away is None else now + away)
        return True

    return step


def cancel(number: int) -> Step:
    """Cancel an order by its number, whether there is such an order or not."""

    def step(paper: PaperExchange, _: Clock, __: str) -> bool:
        paper.cancel_order(str(number), BTC)
        return False

    return step


def wait(seconds: int) -> Step:
    """Let the prices move."""

    def step(_: PaperExchange, clock: Clock, __: str) -> bool:
        clock.now += seconds
        return False

    return step


sides: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])
amounts = st.integers(1, 500_000).map(lambda steps: steps * Decimal("0.00001"))
steps = st.lists(
    st.one_of(
        st.builds(place, sides, amounts, st.none() | st.integers(-300, 300)),
        st.builds(cancel, st.integers(0, 25)),
        st.builds(wait, st.integers(1, 900)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_books_balance_after_every_step(
    open_paper: Callable[..., PaperExchange], clock: Clock, steps: list[Step]
) -> None:
    """Each total is what the account began with and its orders' fills; nothing is negative; locked is what orders need.

    The orders are asked for one by one and summed up by the test, against the balances that the exchange keeps.
    """
    paper = open_paper(f"hypothesis-{next(accounts)}")
    placed: list[str] = []
    for number, step in enumerate(steps):
        with suppress(InsufficientFunds, InvalidOrder, OrderNotFound):
            if step(paper, clock, str(number)):
                placed.append(str(number))
        balance = paper.fetch_balance()
        orders = [paper.fetch_order(client_order_id, BTC) for client_order_id in placed]
        bought = sum(order.filled if order.side == "buy" else -order.filled for order in orders)
        paid = sum(order.fee + (order.cost if order.side == "buy" else -order.cost) for order in orders)
        assert balance["BTC"].total == STARTING_BALANCES["BTC"] + bought
        assert balance["USDT"].total == STARTING_BALANCES["USDT"] - paid
        assert all(item.free >= 0 and item.locked >= 0 for item in balance.values())
        assert sum(position.amount for position in paper.fetch_positions()) == bought
        assert paper.fetch_open_orders() == [order for order in orders if order.status == "open"]


money = st.decimals("0.00000001", "1000000000", places=8)


@given(amount=money, price=money, settled_at=st.integers(0, 2**40))
def test_account_is_read_back_as_it_was_written(amount: Decimal, price: Decimal, settled_at: int) -> None:
    """Not a digit is lost on the way to the server and back."""
    account = Account(
        totals={"BTC": amount, "USDT": price},
        positions=(Position(BTC, -amount, price),),
        open_orders=(Order("1", "a", "okx", BTC, "buy", amount, price, 1.5, filled=price),),
        settled_at=settled_at,
    )

    assert Account.from_text(account.to_text()) == account


def test_entry_price_averages_what_was_bought_and_starts_anew_when_turned() -> None:
    """Growing averages, shrinking keeps, crossing zero begins at the new price."""
    flat = Position(BTC, Decimal(0), Decimal(0))
    long = _moved(_moved(flat, Decimal(1), Decimal(100)), Decimal(3), Decimal(200))

    assert long == Position(BTC, Decimal(4), Decimal(175))
    assert _moved(long, Decimal(-3), Decimal(500)) == Position(BTC, Decimal(1), Decimal(175))
    assert _moved(long, Decimal(-6), Decimal(500)) == Position(BTC, Decimal(-2), Decimal(500))
