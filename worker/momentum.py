"""The momentum strategy as arithmetic: candles in, a decision out. Knows no task and no exchange.

It buys when strength (RSI) and trend (MACD) agree upwards and nothing is held, protects what it bought with a
take-profit order, and leaves when both agree downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Literal

from talipp.indicators import MACD, RSI

from worker.exchanges.interface import Candle, Market, Side

RSI_PERIOD = 14
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
CANDLES_NEEDED = MACD_SLOW + MACD_SIGNAL
STRONG, WEAK = 55.0, 45.0
TAKE_PROFIT = Decimal("1.01")

Action = Literal["buy", "sell", "hold"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the indicators say of one symbol at its last candle."""

    close: Decimal
    rsi: float
    macd: float
    signal: float

    @property
    def histogram(self) -> float:
        """Return by how much the trend outruns its own average: above 0 it is gaining."""
        return self.macd - self.signal

    @property
    def trend(self) -> Literal["up", "down", "none"]:
        """Return where strength and trend agree to go."""
        if self.rsi >= STRONG and self.histogram > 0:
            return "up"
        return "down" if self.rsi <= WEAK and self.histogram < 0 else "none"


@dataclass(frozen=True, slots=True)
class Wish:
    """One order the strategy wants; `name` tells it from the others of the same decision."""

    name: str
    side: Side
    amount: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why; `wishes` are placed in this order."""

    action: Action
    reason: str
    wishes: tuple[Wish, ...] = ()


def analyse(candles: Sequence[Candle]) -> Analysis:
    """Compute the indicators; raise `ValueError` when there are too few candles for them."""
    if len(candles) < CANDLES_NEEDED:
        raise ValueError(f"the indicators need at least {CANDLES_NEEDED} candles, got {len(candles)}")
    closes = [float(candle.close) for candle in candles]
    rsi = RSI(RSI_PERIOD, closes)[-1]
    macd = MACD(MACD_FAST, MACD_SLOW, MACD_SIGNAL, closes)[-1]
    return Analysis(candles[-1].close, rsi=round(rsi, 4), macd=round(macd.macd, 8), signal=round(macd.signal, 8))


def decide(analysis: Analysis, *, held: Decimal, affordable: Decimal, budget: Decimal, market: Market) -> Decision:
    """Decide for a bot that holds `held` of base currency and can spend `affordable` (and wants at most `budget`)."""
    if analysis.trend == "up" and held > 0:
        return Decision("hold", f"the trend is up and {held} {market.base} are held already")
    if analysis.trend == "up":
        return _buy(analysis, min(budget, affordable), market)
    if analysis.trend == "down" and held > 0:
        return _sell(analysis, held, market)
    if analysis.trend == "down":
        return Decision("hold", f"the trend is down and no {market.base} is held")
    return Decision("hold", f"no trend: RSI {analysis.rsi:.1f}, MACD histogram {analysis.histogram:+.6g}")


def _buy(analysis: Analysis, spend: Decimal, market: Market) -> Decision:
    amount = (spend / analysis.close).quantize(market.amount_step, ROUND_DOWN)
    if amount * analysis.close < market.min_cost * TAKE_PROFIT:
        return Decision("hold", f"the trend is up, but {spend} {market.quote} buy less than an order must cost")
    goal = (analysis.close * TAKE_PROFIT).quantize(market.price_step, ROUND_HALF_EVEN)
    wishes = (Wish("entry", "buy", amount), Wish("take-profit", "sell", amount, goal))
    return Decision("buy", f"strength and trend agree upwards: RSI {analysis.rsi:.1f}", wishes)


def _sell(analysis: Analysis, held: Decimal, market: Market) -> Decision:
    amount = held.quantize(market.amount_step, ROUND_DOWN)
    if amount * analysis.close < market.min_cost:
        return Decision("hold", f"the trend is down, but {held} {market.base} are less than an order must cost")
    return Decision(
        "sell", f"strength and trend agree downwards: RSI {analysis.rsi:.1f}", (Wish("exit", "sell", amount),)
    )
