"""Half an hour of a trading platform, told to a DSN in a second: what the local Sentry's page is looked at with.

`python local_sentry_traffic.py DSN [RUNS]`: real SDK, real envelopes; only the clock of each run is made up.
"""

from __future__ import annotations

import random
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any

import sentry_sdk
from sentry_sdk import metrics

HALF_AN_HOUR = 1800
TASKS = {  # name: typical run time in ms, share of retries, share of failures
    "worker.tasks.orders.place_order": (85, 0.06, 0.03),
    "worker.tasks.orders.cancel_order": (60, 0.03, 0.01),
    "worker.tasks.positions.sync_positions": (140, 0.02, 0.004),
    "worker.tasks.positions.reconcile": (420, 0.01, 0.01),
    "worker.tasks.market.analyze_market": (230, 0.04, 0.0),
    "worker.tasks.strategy.run_strategy": (320, 0.0, 0.015),
}
EXCHANGES = {"binance": 0.7, "kraken": 1.0, "coinbase": 1.6}  # how slow each answers
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
BOTS = tuple(f"bot-{number}" for number in range(1, 6))


class ExchangeTimeoutError(Exception):
    """Stand for the platform's own errors."""


class RateLimitError(ExchangeTimeoutError):
    """The same."""


class AuthenticationError(ExchangeTimeoutError):
    """The same."""


class InsufficientFundsError(ExchangeTimeoutError):
    """The same."""


ERRORS = {
    "order_state_unknown": ExchangeTimeoutError("no answer to create_order after 10 s, the order may be live"),
    "rate_limit": RateLimitError("429 Too Many Requests (weight 1204 of 1200)"),
    "credentials": AuthenticationError("the exchange refused the key"),
    "insufficient_funds": InsufficientFundsError("0.0021 BTC are free, 0.0500 are needed"),
}


@dataclass(frozen=True)
class Work:
    """One task run, with the wall clock of its end."""

    at: float
    task: str
    bot_id: str
    exchange: str
    symbol: str
    run_time: float
    queue_wait: float
    outcome: str

    @property
    def tags(self) -> dict[str, str]:
        """What every item of the run carries."""
        return {
            "task": self.task,
            "queue": self.task.split(".")[2],
            "bot_id": self.bot_id,
            "exchange": self.exchange,
            "symbol": self.symbol,
            "outcome": self.outcome,
        }


def draw(dice: random.Random, at: float) -> Work:
    """Make up one run, slower in the middle of the half hour when Kraken is in trouble."""
    task, (typical, retries, failures) = dice.choice(list(TASKS.items()))
    exchange = dice.choice(list(EXCHANGES))
    trouble = exchange == "kraken" and abs(at - time.time() + HALF_AN_HOUR * 0.45) < 200
    slow = EXCHANGES[exchange] * (3.5 if trouble else 1.0)
    roll, more = dice.random(), 6 if trouble else 1
    outcome = "retry" if roll < retries * more else "failure" if roll < (retries + failures) * more else "success"
    return Work(
        at,
        task,
        dice.choice(BOTS),
        exchange,
        dice.choice(SYMBOLS),
        typical * slow * dice.lognormvariate(0, 0.35),
        (40 if trouble else 6) * dice.lognormvariate(0, 0.8),
        outcome,
    )


def send(work: Work, *, sampled: bool) -> None:
    """Send what the contract says a run sends: metrics always, a transaction if sampled, an event if it failed."""
    started = work.at - work.run_time / 1000
    with sentry_sdk.isolation_scope() as scope:
        scope.set_tags({**work.tags, "component": "trading_engine", "attempt": "1"})
        transaction = sentry_sdk.start_transaction(
            op="queue.task.celery", name=work.task, source="task", sampled=sampled, start_timestamp=started
        )
        with transaction:
            scope.set_extra("at", work.at)
            for name, value in (("task.run_time", work.run_time), ("task.queue_wait", work.queue_wait)):
                metrics.distribution(name, value, unit="millisecond", attributes={**work.tags, "at": work.at})
            if work.outcome == "failure":
                _fail(work, scope)
            transaction.set_status("internal_error" if work.outcome == "failure" else "ok")


def _fail(work: Work, scope: sentry_sdk.Scope) -> None:
    kind, error = list(ERRORS.items())[(BOTS.index(work.bot_id) + SYMBOLS.index(work.symbol)) % len(ERRORS)]
    scope.set_tags({"error_kind": kind, "attempt": "3", "celery_task_id": str(uuid.uuid4())})
    records = [
        {
            "attempt": number,
            "worker": f"trading@host-{number % 2 + 1}",
            "pid": 4100 + number,
            "started_at": work.at - 70 + 20 * number,
            "queue_wait_ms": round(work.queue_wait * number, 1),
            "run_time_ms": round(work.run_time / number, 1),
            "error_class": "ExchangeTimeoutError" if number < 3 else type(error).__name__,
            "message": "no answer after 10 s" if number < 3 else str(error),
            "retry_delay_s": 5 * 2**number if number < 3 else None,
        }
        for number in (1, 2, 3)
    ]
    scope.set_context("attempts", {"records": records})
    scope.set_context("celery", {"worker": "trading@host-2", "max_retries": 2, "run_time_ms": round(work.run_time, 1)})
    for number in (1, 2, 3):
        _crumb(
            scope, work.at - 70 + 20 * number, number, ("exchange.order", "info", "balance checked"), free="0.0021 BTC"
        )
        _crumb(
            scope, work.at - 69 + 20 * number, number, ("exchange.order", "info", "create_order"), side="buy", qty=0.05
        )
        _crumb(scope, work.at - 59 + 20 * number, number, ("exchange.http", "error", "no answer"), waited_s=10)
    try:
        _place(error)
    except ExchangeTimeoutError:
        sentry_sdk.capture_exception()


def _crumb(scope: sentry_sdk.Scope, at: float, attempt: int, what: tuple[str, str, str], **data: Any) -> None:
    category, level, message = what
    crumb = {"timestamp": at, "category": category, "level": level, "message": message}
    scope.add_breadcrumb({**crumb, "data": {"attempt": attempt, **data}})


def _place(error: Exception) -> None:
    raise type(error)(*error.args)  # a new one: an old one would bring its old traceback


def _at_its_time(metric: Any, _hint: Any) -> Any:
    metric["timestamp"] = metric["attributes"].pop("at")
    return metric


def _event_at_its_time(event: Any, _hint: Any) -> Any:
    event["timestamp"] = event.get("extra", {}).pop("at", time.time())
    return event


def main(dsn: str, count: int) -> None:
    """Send `count` runs and wait until they left."""
    sentry_sdk.init(
        dsn=dsn,
        traces_sample_rate=1.0,
        environment="demo",
        release="trading@1.4.2",
        default_integrations=False,
        before_send=_event_at_its_time,
        before_send_transaction=_event_at_its_time,
        before_send_metric=_at_its_time,
    )
    dice = random.Random(7)
    now = time.time()
    for number in range(count):
        send(draw(dice, now - HALF_AN_HOUR * (1 - (number + 1) / count)), sampled=number % 10 == 0)
        if number % 50 == 0:  # the SDK's queue holds 100 envelopes
            sentry_sdk.flush(10)
    sentry_sdk.flush(30)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000)
