"""The strategy decides by its indicators alone, and never wants an order that the market would refuse."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.exchanges import Candle
from worker.exchanges.paper_market import MARKETS, market
from worker.momentum import TAKE_PROFIT, Analysis, analyse, decide

BTC = market("BTC/USDT")
NOTHING = Decimal(0)
UP = Analysis(Decimal(60_000), rsi=70, macd=2, signal=1)
DOWN = Analysis(Decimal(60_000), rsi=30, macd=-2, signal=-1)
money = st.decimals("0", "1000000", places=8)


def candles(*closes: float) -> list[Candle]:
    """Return candles with these closing prices."""
    prices = [Decimal(str(close)) for close in closes]
    return [Candle(n * 60.0, price, price, price, price, Decimal(1)) for n, price in enumerate(prices)]


def test_indicators_are_those_of_the_textbook() -> None:
    """RSI (Wilder, 14) and MACD (12, 26, 9) of a known series, computed here from their definitions."""
    closes = [100 + (n * n % 17) - n / 4 for n in range(80)]

    def ema(values: list[float], period: int) -> list[float]:
        result = [sum(values[:period]) / period]
        for value in values[period:]:
            result.append(result[-1] + (value - result[-1]) * 2 / (period + 1))
        return result

    changes = [after - before for before, after in pairwise(closes)]
    gain, loss = (sum(max(sign * change, 0) for change in changes[:14]) / 14 for sign in (1, -1))
    for change in changes[14:]:
        gain, loss = (gain * 13 + max(change, 0)) / 14, (loss * 13 + max(-change, 0)) / 14
    slow, fast = ema(closes, 26), ema(closes, 12)
    macd = [quick - steady for quick, steady in zip(fast[-len(slow) :], slow, strict=True)]

    found = analyse(candles(*closes))

    assert found.rsi == pytest.approx(100 - 100 / (1 + gain / loss), abs=1e-3)
    assert found.macd == pytest.approx(macd[-1], abs=1e-6)
    assert found.signal == pytest.approx(ema(macd, 9)[-1], abs=1e-6)


def test_too_few_candles_are_refused() -> None:
    """An indicator that is not warm is not guessed."""
    with pytest.raises(ValueError, match="need at least 35 candles, got 34"):
        analyse(candles(*range(1, 35)))


def test_rising_market_is_bought_once_and_protected() -> None:
    """An entry within the budget and a take-profit order for the same amount; with a position, nothing."""
    decision = decide(UP, held=NOTHING, affordable=Decimal(5_000), budget=Decimal(1_000), market=BTC)
    again = decide(UP, held=Decimal("0.01666"), affordable=Decimal(5_000), budget=Decimal(1_000), market=BTC)

    entry, goal = decision.wishes
    assert (entry.side, entry.amount, entry.price) == ("buy", Decimal("0.01666"), None)
    assert (goal.side, goal.amount, goal.price) == ("sell", entry.amount, Decimal("60600.00"))
    assert (again.action, again.reason) == ("hold", "the trend is up and 0.01666 BTC are held already")


def test_falling_market_is_left_once() -> None:
    """The whole position is sold; without one there is nothing to do, and the decision says so."""
    held = decide(DOWN, held=Decimal("0.5"), affordable=NOTHING, budget=Decimal(1_000), market=BTC)
    flat = decide(DOWN, held=NOTHING, affordable=NOTHING, budget=Decimal(1_000), market=BTC)

    assert [(wish.side, wish.amount, wish.price) for wish in held.wishes] == [("sell", Decimal("0.5"), None)]
    assert (flat.action, flat.reason) == ("hold", "the trend is down and no BTC is held")


def test_no_agreement_is_no_trade() -> None:
    """Strength without trend is a reason to wait, in numbers."""
    decision = decide(
        Analysis(Decimal(60_000), rsi=70, macd=1, signal=2),
        held=NOTHING,
        affordable=Decimal(5_000),
        budget=Decimal(1_000),
        market=BTC,
    )

    assert (decision.action, decision.reason) == ("hold", "no trend: RSI 70.0, MACD histogram -1")


@given(
    rules=st.sampled_from(list(MARKETS.values())),
    close=st.decimals("0.01", "100000", places=5),
    rsi=st.floats(0, 100),
    histogram=st.floats(-10, 10),
    held=money,
    affordable=money,
    budget=money,
)
def test_no_decision_breaks_a_rule_of_the_market(  # noqa: PLR0913, PLR0917  # hypothesis draws one by one
    rules: object,
    close: Decimal,
    rsi: float,
    histogram: float,
    held: Decimal,
    affordable: Decimal,
    budget: Decimal,
) -> None:
    """Amounts and prices are on the market's steps, cost enough, stay in the budget, and sell only what is held."""
    symbol_market = next(item for item in MARKETS.values() if item == rules)
    decision = decide(
        Analysis(close, rsi, histogram, 0.0), held=held, affordable=affordable, budget=budget, market=symbol_market
    )

    for wish in decision.wishes:
        assert wish.amount > 0
        assert not wish.amount % symbol_market.amount_step
        assert wish.price is None or not wish.price % symbol_market.price_step
        assert wish.amount * close >= symbol_market.min_cost
    if decision.action == "buy":
        assert decision.wishes[0].amount * close <= min(budget, affordable)
        assert decision.wishes[1].price is not None
        assert decision.wishes[1].price >= close * TAKE_PROFIT - symbol_market.price_step
    if decision.action == "sell":
        assert decision.wishes[0].amount <= held
