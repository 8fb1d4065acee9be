"""Running a bot's strategy once: look, decide, and have the orders placed one after the other."""
# Celery types no decorators:
# mypy: disable-error-code="untyped-decorator"

from decimal import Decimal
from typing import Any

from celery import Signature, Task, chain

import monitoring
from worker.arguments import client_order_id_of, read
from worker.celery import app
from worker.exchanges import Exchange, Order, get_exchange
from worker.momentum import Decision, analyse, decide
from worker.tasks.market import fetch_candles
from worker.tasks.orders import cancel_order, place_order
from worker.tasks.policy import READS
from worker.tasks.positions import sync_positions

INTERVAL_SECONDS, CANDLES = 60, 100


# A run that waited longer than a minute would decide what the next run decides better.
@app.task(bind=True, **READS, expires=60)
def run_strategy(  # noqa: PLR0913, PLR0917  # the context's names come first in every task
    self: Task,
    bot_id: str,
    exchange: str,
    symbol: str,
    strategy: str = "momentum",
    budget: str | float = "1000",
) -> dict[str, Any]:
    """Decide what the bot does now, start it, and return the decision with the ids of the tasks that carry it out.

    An entry spends at most `budget` of quote currency. The orders are a chain: each is placed when the one before is
    done, and none after one that fails. A repetition of this task starts them under the same client order ids.
    """
    wanted = read({"bot_id": bot_id, "exchange": exchange, "symbol": symbol, "strategy": strategy, "budget": budget})
    target = {name: wanted[name] for name in ("bot_id", "exchange", "symbol")}
    account = get_exchange(wanted["exchange"], wanted["bot_id"])
    analysis = analyse(fetch_candles(**target, interval_seconds=INTERVAL_SECONDS, limit=CANDLES))
    monitoring.add_breadcrumb(f"trend: {analysis.trend}", "strategy", data={"rsi": analysis.rsi})

    market = account.fetch_market(symbol)
    held = next((item.amount for item in account.fetch_positions() if item.symbol == symbol), Decimal(0))
    affordable = account.fetch_balance()[market.quote].free
    decision = decide(analysis, held=held, affordable=affordable, budget=wanted["budget"], market=market)
    monitoring.add_breadcrumb(f"decision: {decision.action}", "strategy", data={"reason": decision.reason})

    steps = _steps(decision, target, origin=self.request.id or "", resting=_resting(decision, account, symbol))
    return {
        **target,
        "strategy": wanted["strategy"],
        "action": decision.action,
        "reason": decision.reason,
        "rsi": analysis.rsi,
        "histogram": analysis.histogram,
        "tasks": _started(steps),
    }


def _resting(decision: Decision, account: Exchange, symbol: str) -> list[Order]:
    """Return the orders that hold what is to be sold: the take-profit of the entry that the bot is leaving."""
    return account.fetch_open_orders(symbol) if decision.action == "sell" else []


def _steps(decision: Decision, target: dict[str, Any], *, origin: str, resting: list[Order]) -> list[Signature]:
    """Return the tasks that carry the decision out, in their order; none when there is nothing to do."""
    cancellings = [cancel_order.si(**target, client_order_id=order.client_order_id) for order in resting]
    placings = [
        place_order.si(
            **target,
            side=wish.side,
            amount=str(wish.amount),
            price=None if wish.price is None else str(wish.price),
            client_order_id=client_order_id_of(origin, wish.name),
        )
        for wish in decision.wishes
    ]
    return [*cancellings, *placings, sync_positions.si(**target)] if placings else []


def _started(steps: list[Signature]) -> list[dict[str, str]]:
    """Start the chain and return name and id of each task in it, the first first."""
    if not steps:
        return []
    result = chain(*steps).apply_async()
    ids: list[str] = []
    while result is not None:
        ids.insert(0, result.id)
        result = result.parent
    return [{"task": step.task, "id": task_id} for step, task_id in zip(steps, ids, strict=True)]
