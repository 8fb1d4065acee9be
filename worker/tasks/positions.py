"""Keeping the platform's books in step with the exchanges'."""
# Celery types no decorators:
# mypy: disable-error-code="untyped-decorator"

from dataclasses import asdict
from typing import Any

from celery import Task

import monitoring
from worker.arguments import read
from worker.celery import app
from worker.errors import OrderNotFound
from worker.exchanges import as_json, get_exchange
from worker.ledger import Ledger, Unsettled
from worker.tasks.policy import MONEY, READS

GIVE_UP_AFTER_SECONDS = MONEY["expires"] + MONEY["time_limit"]
"""Nobody is still working on an order that was begun so long ago: its signal has expired and its last run is over."""


@app.task(bind=True, **READS)
def sync_positions(
    self: Task,  # noqa: ARG001  # bound like every task that retries
    bot_id: str,
    exchange: str,
    symbol: str | None = None,
) -> dict[str, Any]:
    """Fetch what a bot holds (of one symbol, if named), write it into the ledger, and return it."""
    wanted = read({"bot_id": bot_id, "exchange": exchange, **({"symbol": symbol} if symbol else {})})
    account = get_exchange(wanted["exchange"], wanted["bot_id"])
    positions = account.fetch_positions()
    open_orders = account.fetch_open_orders(symbol)
    Ledger(wanted["exchange"]).record_positions(wanted["bot_id"], positions)
    monitoring.add_breadcrumb(f"{len(positions)} positions, {len(open_orders)} open orders", "exchange.account")
    return {
        **wanted,
        "positions": [as_json(position) for position in positions if symbol in (None, position.symbol)],
        "open_orders": [as_json(order) for order in open_orders],
    }


@app.task(bind=True, **READS)
def sync_all_positions(self: Task, exchange: str) -> dict[str, Any]:  # noqa: ARG001  # bound like every task
    """Start `sync_positions` for every bot that trades on the exchange: one bot, one task, one outcome."""
    wanted = read({"exchange": exchange})
    bots = Ledger(wanted["exchange"]).bots()
    for bot_id in bots:
        sync_positions.apply_async(kwargs={"bot_id": bot_id, **wanted})
    return {**wanted, "bots": bots}


@app.task(bind=True, **READS)
def reconcile(
    self: Task,  # noqa: ARG001  # bound like every task that retries
    exchange: str,
    older_than_seconds: float = GIVE_UP_AFTER_SECONDS,
) -> dict[str, Any]:
    """Ask the exchange about every order whose outcome nobody knows, and settle it.

    An order that was placed although its task failed is told to Sentry as a warning: a bot holds what it does not know.
    Stops at the first order that can not be asked for; those before it are settled, and the retry goes on from there.
    """
    wanted = read({"exchange": exchange})
    ledger = Ledger(wanted["exchange"])
    placed: list[dict[str, Any]] = []
    missing: list[dict[str, Any]] = []
    for unsettled in ledger.unsettled(older_than_seconds=older_than_seconds):
        found = _outcome(wanted["exchange"], unsettled)
        ledger.settle(unsettled.bot_id, unsettled.client_order_id)
        (missing if found is None else placed).append(found or asdict(unsettled))
    return {**wanted, "placed": placed, "missing": missing}


def _outcome(exchange: str, unsettled: Unsettled) -> dict[str, Any] | None:
    """Return the order if it exists, told as a warning, else None."""
    account = get_exchange(exchange, unsettled.bot_id)
    try:
        order = account.fetch_order(unsettled.client_order_id, unsettled.symbol)
    except OrderNotFound:
        return None
    monitoring.capture_message(
        "An order was placed although its task got no answer",
        level="warning",
        bot_id=unsettled.bot_id,
        exchange=exchange,
        symbol=unsettled.symbol,
        client_order_id=unsettled.client_order_id,
        status=order.status,
        filled=str(order.filled),
    )
    return {"bot_id": unsettled.bot_id, **as_json(order)}
