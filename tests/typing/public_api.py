"""What a type checker makes of the public API. Checked by mypy (`make lint`), never run."""

from typing import assert_type

import monitoring
from monitoring import Settings, SettingsError, TradingContext

assert_type(monitoring.init_sentry(), bool)
assert_type(monitoring.init_sentry(Settings.from_env(sample_rate=0.5), component="web", max_breadcrumbs=50), bool)
assert_type(Settings.from_env().active, bool)
assert_type(monitoring.capture_exception(), str | None)
assert_type(monitoring.capture_exception(ValueError("x"), bot_id="bot-1", attempt=3), str | None)
assert_type(monitoring.capture_message("x", level="warning", profit=150.25), str | None)
assert_type(monitoring.__version__, str)

monitoring.add_breadcrumb("x", "exchange.order", level="error", data={"id": 1})
monitoring.set_user_context(7, email="trader@example.com", subscription_tier="pro")
monitoring.set_trading_context(bot_id="bot-1")
monitoring.register_secret(b"0123456789")
monitoring.flush(timeout=2.0)

with monitoring.trading_context(exchange="kraken") as bound:
    assert_type(bound, TradingContext)
    assert_type(bound.symbol, str | None)


@monitoring.track_trading_operation("buy_order")
def buy(symbol: str, amount: float, *, price: float | None = None) -> dict[str, float]:
    """Return what was bought."""
    return {symbol: amount * (price or 1)}


@monitoring.track_trading_operation("fetch_price")
async def fetch_price(symbol: str) -> float:
    """Return a price."""
    return float(len(symbol))


async def trade() -> None:
    """Keep the decorated functions' own types."""
    assert_type(buy("BTC/USDT", 0.1, price=42_000), dict[str, float])
    assert_type(await fetch_price("BTC/USDT"), float)
    buy(1, 0.1)  # type: ignore[arg-type]  # refused, as without the decorator
    monitoring.capture_message("x", level="loud")  # type: ignore[arg-type]  # no level of Sentry's


def mistakes(error: SettingsError) -> list[tuple[str, str, str]]:
    """Read what was wrong."""
    return [(mistake.variable, mistake.rule, mistake.value) for mistake in error.mistakes]
