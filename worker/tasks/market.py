"""Looking at the market."""
# Celery types no decorators:
# mypy: disable-error-code="untyped-decorator"

from typing import Any

from celery import Task

import monitoring
from worker.arguments import read
from worker.celery import app
from worker.exchanges import Candle, get_exchange
from worker.momentum import analyse
from worker.tasks.policy import READS


# An analysis older than this describes another market.
@app.task(bind=True, **READS, expires=120)
def analyze_market(  # noqa: PLR0913, PLR0917  # the context's three names come first in every task
    self: Task,  # noqa: ARG001  # bound like every task that retries
    bot_id: str,
    exchange: str,
    symbol: str,
    interval_seconds: int = 60,
    limit: int = 100,
) -> dict[str, Any]:
    """Fetch candles and return RSI and MACD at the last of them."""
    wanted = read(
        {"bot_id": bot_id, "exchange": exchange, "symbol": symbol, "interval_seconds": interval_seconds, "limit": limit}
    )
    candles = fetch_candles(**wanted)
    analysis = analyse(candles)
    return {
        **wanted,
        "close": str(analysis.close),
        "rsi": analysis.rsi,
        "macd": {"macd": analysis.macd, "signal": analysis.signal, "histogram": analysis.histogram},
        "trend": analysis.trend,
        "candles": len(candles),
    }


@monitoring.track_trading_operation("fetch_candles")
def fetch_candles(bot_id: str, exchange: str, symbol: str, interval_seconds: int, limit: int) -> list[Candle]:
    """Fetch what the indicators are computed from, as the bot's account sees it."""
    account = get_exchange(exchange, bot_id)
    return account.fetch_candles(symbol, interval_seconds=interval_seconds, limit=limit)
