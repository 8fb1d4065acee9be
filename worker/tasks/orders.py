"""Placing and cancelling orders: once, whatever happens on the way.

Every order has a client order id that stays the same on each retry and redelivery, and is written into the ledger
before it is sent. An attempt that may not be the first asks the exchange for the order before it places one.
"""
# Celery types no decorators:
# mypy: disable-error-code="untyped-decorator"

from typing import Any

from celery import Task

import monitoring
from worker.arguments import OrderRequest, client_order_id_of, read
from worker.celery import app
from worker.errors import DuplicateOrderId, ExchangeError, OrderNotFound
from worker.exchanges import Exchange, Order, as_json, get_exchange
from worker.ledger import Ledger
from worker.tasks.policy import MONEY


@app.task(bind=True, **MONEY)
def place_order(  # noqa: PLR0913, PLR0917  # an order has this many parts
    self: Task,
    bot_id: str,
    exchange: str,
    symbol: str,
    side: str,
    amount: str | float,
    price: str | float | None = None,
    client_order_id: str | None = None,
) -> dict[str, Any]:
    """Place an order, at the market if it has no price, and return it as the exchange has it.

    Raises `BadRequest` for arguments that make no order. After any other failure the order may exist only if the error
    is an `OperationFailed`; then it stays in the ledger until `reconcile` has found out.
    """
    request = OrderRequest.read(
        bot_id=bot_id,
        exchange=exchange,
        symbol=symbol,
        side=side,
        amount=amount,
        price=price,
        client_order_id=client_order_id or _own_order_id(self),
    )
    account = get_exchange(request.exchange, request.bot_id)
    ledger = Ledger(request.exchange)
    order = _found(account, request) if _may_have_run(self) else None
    if order is None:
        ledger.begin(request)
        try:
            order = _SUBMIT[request.side](request, account)
        except ExchangeError:
            # Refused: that there is no order is certain.
            ledger.settle(request.bot_id, request.client_order_id)
            raise
    ledger.settle(request.bot_id, request.client_order_id)
    monitoring.add_breadcrumb(
        f"order {order.status}", "exchange.order", data={"order_id": order.id, "filled": str(order.filled)}
    )
    return {"bot_id": request.bot_id, **as_json(order)}


@app.task(bind=True, **MONEY)
def cancel_order(
    self: Task,  # noqa: ARG001  # bound like every task that moves money
    bot_id: str,
    exchange: str,
    symbol: str,
    client_order_id: str,
) -> dict[str, Any]:
    """Take an order out of the book and return what became of it; one that is filled or cancelled already is no error.

    Raises `OrderNotFound` when the exchange has never had such an order.
    """
    wanted = read({"bot_id": bot_id, "exchange": exchange, "symbol": symbol, "client_order_id": client_order_id})
    order = _cancel(get_exchange(wanted["exchange"], wanted["bot_id"]), client_order_id, symbol)
    monitoring.add_breadcrumb(
        f"order {order.status}", "exchange.order", data={"order_id": order.id, "filled": str(order.filled)}
    )
    return {"bot_id": wanted["bot_id"], **as_json(order)}


def _submit(request: OrderRequest, account: Exchange) -> Order:
    """Send the order. An exchange that already has it under this id has taken it before."""
    monitoring.add_breadcrumb(
        f"{request.side} {request.amount} {request.symbol} at {request.price or 'the market'}",
        "exchange.order",
        data={"client_order_id": request.client_order_id},
    )
    try:
        return account.create_order(
            request.client_order_id, request.symbol, request.side, request.amount, request.price
        )
    except DuplicateOrderId:
        order = account.fetch_order(request.client_order_id, request.symbol)
        if not request.describes(order):
            raise
        return order


_SUBMIT = {
    "buy": monitoring.track_trading_operation("buy_order")(_submit),
    "sell": monitoring.track_trading_operation("sell_order")(_submit),
}


@monitoring.track_trading_operation("cancel_order")
def _cancel(account: Exchange, client_order_id: str, symbol: str) -> Order:
    try:
        return account.cancel_order(client_order_id, symbol)
    except OrderNotFound:
        return account.fetch_order(client_order_id, symbol)


def _found(account: Exchange, request: OrderRequest) -> Order | None:
    """Ask the exchange whether an earlier attempt has placed the order after all."""
    try:
        order = account.fetch_order(request.client_order_id, request.symbol)
    except OrderNotFound:
        monitoring.add_breadcrumb("no earlier attempt has placed the order", "exchange.order")
        return None
    monitoring.add_breadcrumb("an earlier attempt has placed the order", "exchange.order", level="warning")
    return order


def _may_have_run(task: Task) -> bool:
    """Tell whether this can be a repetition: a retry, or a message that another worker has had before."""
    return bool(task.request.retries or (task.request.delivery_info or {}).get("redelivered"))


def _own_order_id(task: Task) -> str:
    if task.request.id is None:
        raise ValueError("client_order_id must be given when place_order is called as a function")
    return client_order_id_of(task.request.id)
