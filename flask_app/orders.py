"""`POST /api/trading/orders`: place an order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal

from flask import Blueprint, request

import monitoring
from flask_app.publishing import accepted
from flask_app.trading_request import Quantity, TradingRequest, matching, read, refuse

if TYPE_CHECKING:
    from celery import Task
    from flask import Response

#: What the strictest of the exchanges takes as a client order id.
_ORDER_ID: Final = r"[A-Za-z0-9_-]{1,36}"
_ORDER_ID_RULE: Final = "must be 1 to 36 letters, digits, - or _"


class OrderRequest(TradingRequest):
    """An order as it is asked for; without `price` at the market's."""

    side: Literal["buy", "sell"]
    amount: Quantity
    price: Quantity | None = None
    client_order_id: Annotated[str, matching(_ORDER_ID, _ORDER_ID_RULE)] | None = None


def blueprint(place_order: Task) -> Blueprint:
    """Return the route that publishes `place_order`."""
    routes = Blueprint("orders", __name__)

    @routes.post("/api/trading/orders")
    def place() -> Response:
        order = read(OrderRequest)
        key = _idempotency_key(order.client_order_id)
        monitoring.set_trading_context(bot_id=order.bot_id, exchange=order.exchange, symbol=order.symbol)
        arguments = order.arguments()
        if key is not None:
            arguments["client_order_id"] = key
        return accepted(place_order, arguments)

    return routes


def _idempotency_key(client_order_id: str | None) -> str | None:
    """Return what makes the order the same one when it is sent again: the header, or the field, or nothing."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return client_order_id
    # The header's draft standard has it as a quoted string; most clients send it bare.
    key = header.strip().removeprefix('"').removesuffix('"')
    if not re.fullmatch(_ORDER_ID, key):
        refuse([{"header": "Idempotency-Key", "rule": _ORDER_ID_RULE, "value": header[:100]}])
    if client_order_id not in {None, key}:
        rule = "must be the same as the header Idempotency-Key"
        refuse([{"pointer": "#/client_order_id", "rule": rule, "value": client_order_id}])
    return key
