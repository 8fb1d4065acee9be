"""`POST /api/trading/strategies`: run a strategy once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from flask import Blueprint

import monitoring
from flask_app.publishing import accepted
from flask_app.trading_request import Quantity, TradingRequest, read
from monitoring.settings import CONTEXT_FIELDS

if TYPE_CHECKING:
    from celery import Task
    from flask import Response


class StrategyRequest(TradingRequest):
    """A strategy as it is to be run; an entry spends at most `budget` of the quote currency."""

    strategy: Literal["momentum"] | None = None
    budget: Quantity | None = None


def blueprint(run_strategy: Task) -> Blueprint:
    """Return the route that publishes `run_strategy`."""
    routes = Blueprint("strategies", __name__)

    @routes.post("/api/trading/strategies")
    def run() -> Response:
        arguments = read(StrategyRequest).arguments()
        monitoring.set_trading_context(**{name: arguments[name] for name in CONTEXT_FIELDS if name in arguments})
        return accepted(run_strategy, arguments)

    return routes
