"""The paper exchanges' market: what anything costs is a pure function of (seed, exchange, symbol, time slot).

A slot is one second of the epoch, so processes and hosts agree on every price without talking to each other, and a test
that sets the clock knows them all in advance. The path is smooth noise on several time scales, the same for a symbol on
every exchange but for a small deviation of the exchange's own.
"""

import math
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from worker.chance import uniform
from worker.errors import BadSymbol
from worker.exchanges.interface import Candle, Level, Market, OrderBook

_QUOTES = ("USDT", "USD")
_BASES = {  # currency: (price around which it moves, price step, amount step)
    "BTC": ("60000", "0.01", "0.00001"),
    "ETH": ("2500", "0.01", "0.0001"),
    "SOL": ("150", "0.01", "0.001"),
    "XRP": ("0.6", "0.0001", "0.1"),
    "ADA": ("0.4", "0.0001", "0.1"),
    "DOGE": ("0.12", "0.00001", "1"),
}
MARKETS = {
    f"{base}/{quote}": Market(f"{base}/{quote}", Decimal(price_step), Decimal(amount_step), min_cost=Decimal(10))
    for base, (_, price_step, amount_step) in _BASES.items()
    for quote in _QUOTES
}
STARTING_BALANCES = {
    **dict.fromkeys(_QUOTES, Decimal(1_000_000)),
    **{base: Decimal(250_000 / float(price)).quantize(Decimal(1)) for base, (price, *_) in _BASES.items()},
}
"""What an account owns when it is first used: a million of each quote currency, a quarter of it of each base."""

_SHARED_WAVES = ((86_400, 0.04), (14_400, 0.02), (3_600, 0.01), (600, 0.005), (60, 0.0015), (10, 0.0004))
_OWN_WAVES = ((30, 0.0003),)
"""(period in seconds, greatest deviation of the price as a fraction)."""

_LEVELS = 10
_STEP_BETWEEN_LEVELS = 0.0002
_COST_OF_A_LEVEL = 25_000
_SAMPLES_PER_CANDLE = 6


def market(symbol: str) -> Market:
    """Return the rules of `symbol`, or raise `BadSymbol` naming those that trade."""
    try:
        return MARKETS[symbol]
    except KeyError:
        raise BadSymbol(f"symbol must be one of {', '.join(sorted(MARKETS))}, got {symbol!r}") from None


def mid_price(seed: int, exchange: str, symbol: str, slot: int) -> Decimal:
    """Return the price between the best bid and the best ask during `slot`."""
    rules = market(symbol)
    start = _BASES[rules.base][0]
    moved = sum(size * _wave((seed, rules.base), period, slot) for period, size in _SHARED_WAVES)
    moved += sum(size * _wave((seed, exchange, symbol), period, slot) for period, size in _OWN_WAVES)
    return _round(float(start) * math.exp(moved), rules.price_step)


def order_book(seed: int, exchange: str, symbol: str, slot: int) -> OrderBook:
    """Return what is offered at the beginning of `slot`, before anybody has taken anything of it."""
    rules = market(symbol)
    mid = mid_price(seed, exchange, symbol, slot)

    def side(direction: int) -> Iterator[Level]:
        for step in range(1, _LEVELS + 1):
            offset = max(rules.price_step * step, _round(float(mid) * _STEP_BETWEEN_LEVELS * step, rules.price_step))
            price = mid + direction * offset
            size = _COST_OF_A_LEVEL * (1.5 + _noise((seed, exchange, symbol, direction * step), slot)) / float(price)
            yield price, _round(size, rules.amount_step)

    return OrderBook(symbol, bids=tuple(side(-1)), asks=tuple(side(+1)))


def candles(  # noqa: PLR0913  # three say where the price comes from, three which candles
    seed: int, exchange: str, symbol: str, *, until: float, interval_seconds: int, limit: int
) -> Iterator[Candle]:
    """Yield the `limit` candles up to the slot of `until`; the last one ends there."""
    rules = market(symbol)
    last = int(until) // interval_seconds
    for number in range(last - limit + 1, last + 1):
        start = number * interval_seconds
        end = min(start + interval_seconds, int(until))
        step = max(1, (end - start) // _SAMPLES_PER_CANDLE)
        path = [mid_price(seed, exchange, symbol, slot) for slot in (*range(start, end, step), end)]
        traded = 50 * _COST_OF_A_LEVEL * (1.5 + _noise((seed, exchange, symbol), number)) / float(path[0])
        volume = _round(traded, rules.amount_step)
        yield Candle(float(start), open=path[0], high=max(path), low=min(path), close=path[-1], volume=volume)


def _wave(key: tuple[object, ...], period: int, slot: int) -> float:
    """Return smooth noise from -1 to 1 that takes about `period` slots to change its mind."""
    number, rest = divmod(slot, period)
    done = rest / period
    eased = done * done * (3 - 2 * done)
    return _noise((*key, period), number) * (1 - eased) + _noise((*key, period), number + 1) * eased


@lru_cache(maxsize=8192)
def _noise(key: tuple[object, ...], number: int) -> float:
    """Return a value from -1 to 1 that nobody can tell from chance, always the same for the same arguments."""
    return uniform(*key, number) * 2 - 1


def _round(value: float, step: Decimal) -> Decimal:
    return Decimal(value).quantize(step, ROUND_HALF_EVEN)
