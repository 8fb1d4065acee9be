"""Paper prices are a pure function of seed, exchange, symbol and time."""

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import BadSymbol
from worker.exchanges import paper_market

SYMBOLS = st.sampled_from(sorted(paper_market.MARKETS))
SLOTS = st.integers(min_value=0, max_value=4_000_000_000)
SEEDS = st.integers(min_value=0, max_value=2**31)
NOON = 1_767_268_800


def test_price_path_is_the_same_in_another_process() -> None:
    """Two processes agree on a price without talking: hash randomisation and caches have no part in it."""
    code = (
        f"from worker.exchanges.paper_market import mid_price; print(mid_price(7, 'kraken', 'ETH/USD', {NOON}), end='')"
    )
    other = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)

    assert other.stdout == str(paper_market.mid_price(7, "kraken", "ETH/USD", NOON))


def test_price_depends_on_seed_exchange_symbol_and_slot() -> None:
    """Changing any of the four changes the price."""
    base = paper_market.mid_price(1, "binance", "BTC/USDT", NOON)

    assert base != paper_market.mid_price(2, "binance", "BTC/USDT", NOON)
    assert base != paper_market.mid_price(1, "kraken", "BTC/USDT", NOON)
    assert base != paper_market.mid_price(1, "binance", "ETH/USDT", NOON)
    assert base != paper_market.mid_price(1, "binance", "BTC/USDT", NOON + 60)


@given(seed=SEEDS, symbol=SYMBOLS, slot=SLOTS)
def test_order_book_has_two_sides_that_never_meet(seed: int, symbol: str, slot: int) -> None:
    """Every book is sorted from the best price on, positive, on the market's steps, and not crossed."""
    book = paper_market.order_book(seed, "binance", symbol, slot)
    rules = paper_market.market(symbol)
    bids, asks = [price for price, _ in book.bids], [price for price, _ in book.asks]

    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert 0 < bids[0] < asks[0]
    assert all(not price % rules.price_step for price in bids + asks)
    assert all(amount > 0 and not amount % rules.amount_step for _, amount in book.bids + book.asks)


@given(seed=SEEDS, symbol=SYMBOLS, until=SLOTS, interval=st.sampled_from([1, 5, 60, 3600]))
def test_candles_follow_one_another_and_hold_their_prices(seed: int, symbol: str, until: int, interval: int) -> None:
    """Candles are gapless, end with the price of `until`, and their extremes enclose the other prices."""
    found = list(paper_market.candles(seed, "okx", symbol, until=until, interval_seconds=interval, limit=5))

    assert [candle.opened_at for candle in found] == [(until // interval - 4 + n) * interval for n in range(5)]
    assert all(candle.low <= min(candle.open, candle.close) for candle in found)
    assert all(candle.high >= max(candle.open, candle.close) for candle in found)
    assert all(before.close == after.open for before, after in pairwise(found))
    assert found[-1].close == paper_market.mid_price(seed, "okx", symbol, until)


def test_unknown_symbol_is_refused_with_those_that_trade() -> None:
    """The error names the value and what would have been right."""
    with pytest.raises(BadSymbol, match=r"symbol must be one of .*BTC/USDT.*, got 'LUNA/USDT'"):
        paper_market.market("LUNA/USDT")
