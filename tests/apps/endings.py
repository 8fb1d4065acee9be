"""The trading application with every odd way a task can end: tests look at what Sentry receives of each."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator,misc"

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NoReturn

import sentry_sdk
from celery import Task
from celery.exceptions import Reject

import monitoring
from tests.apps.trading import REST, ExchangeError, app, fail, succeed, told

# A queue that nobody has declared is an error here, so that a callback can fail to be published.
app.conf.task_create_missing_queues = False
# How long billiard waits for the answer of a process that is gone: as short as a test's patience.
app.conf.worker_lost_wait = 0.5
# A pool process may take its time to come up on a busy machine: that is no outcome of a task.
app.conf.worker_proc_alive_timeout = 60.0


def die(number: int = signal.SIGKILL) -> None:
    """Kill the process that runs this task, when the main process has had time to learn that it started.

    A process that is lost before that is none to billiard: it runs the task again, and nobody is told.
    """
    time.sleep(0.3)
    os.kill(os.getpid(), number)
    time.sleep(5)


def run_number(task: Task) -> int:
    """Count the runs of a task under one id, beyond the life of a process."""
    return int(app.backend.client.incr(f"runs:{task.request.id}"))


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True, moves_money=True)
def place_order(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", deaths: int = 0) -> dict[str, Any]:
    """Lose the process in the first `deaths` runs, always as the same attempt; then end well."""
    if run_number(self) <= deaths:
        die()
    return told(self)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def fetch(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", deaths: int = 0) -> dict[str, Any]:
    """Do the same where no money moves."""
    if run_number(self) <= deaths:
        die()
    return told(self)


@app.task(bind=True, retry_on_worker_lost=True, default_retry_delay=0, max_retries=3)
def retried_when_lost(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Lose the process in the first attempt, then fail."""
    monitoring.add_breadcrumb(f"attempt {self.request.retries + 1} asked {exchange}")
    if self.request.retries == 0:
        die()
    raise ExchangeError("no margin")


@app.task(bind=True, retry_on_worker_lost=True, default_retry_delay=0, max_retries=3, moves_money=True)
def order_retried_when_lost(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """Lose the process in the first attempt, then end well."""
    if self.request.retries == 0:
        die()
    return told(self)


@app.task(bind=True, moves_money=True)
def order(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", seconds: float = 0) -> dict[str, Any]:
    """Move money, so that not having run is worth a warning."""
    time.sleep(seconds)
    return told(self)


@app.task(bind=True, acks_late=True, soft_time_limit=None)
def late(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", seconds: float = 30) -> dict[str, Any]:
    """Hold the message until the end."""
    time.sleep(seconds)
    return told(self)


@app.task(bind=True)
def out_of_memory(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Get no memory."""
    raise MemoryError("no room for the order book")


class Hooks(Task):
    """Fail in the hooks that run when the outcome is known already."""

    def on_success(self, *_: object) -> None:
        """Fail after the result was stored."""
        if self.name.endswith("on_success"):
            raise ExchangeError("could not book the fill")
        if self.name.endswith("rejects_at_last"):
            raise Reject("not ours after all", requeue=False)

    def after_return(self, *_: object) -> None:
        """Fail at the very end."""
        if self.name.endswith("after_return"):
            raise ExchangeError("could not close the session")

    def on_failure(self, *_: object) -> None:
        """Fail while the failure is handled."""
        if self.name.endswith("on_failure"):
            raise RuntimeError("could not tell the desk")


@app.task(bind=True, base=Hooks)
def broken_on_success(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """End well, and fail in `on_success`."""
    return told(self)


@app.task(bind=True, base=Hooks)
def broken_after_return(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """End well, and fail in `after_return`."""
    return told(self)


@app.task(bind=True, base=Hooks)
def broken_on_failure(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Fail, and fail again in `on_failure`."""
    raise ExchangeError("no margin")


@app.task(bind=True, base=Hooks, acks_late=True)
def rejects_at_last(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """End well, and reject the message in `on_success`."""
    return told(self)


@app.task(bind=True, acks_late=True)
def requeue_once(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """Give the message back to the queue once."""
    if run_number(self) == 1:
        raise Reject("not now", requeue=True)
    return told(self)


@app.task(bind=True)
def replaced(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Let another task take this one's place."""
    raise self.replace(succeed.si(bot_id, exchange, symbol))


@app.task(bind=True, max_retries=3)
def retry_quietly(
    self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", message: str | None = None
) -> dict[str, Any]:
    """Publish the next attempt and end well, or (`message`) with an error, in spite of it."""
    if self.request.retries == 0:
        self.retry(exc=ExchangeError("timed out"), countdown=REST, throw=False)
        if message is not None:
            raise ExchangeError(message)
    return told(self)


@app.task(bind=True, autoretry_for=(ExchangeError,), max_retries=0)
def autoretry_never(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Be retried by Celery no time at all."""
    raise ExchangeError("refused")


@app.task(bind=True, max_retries=3)
def hand_over(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", heir: str = "") -> NoReturn:
    """Retry for another bot, and fail there."""
    monitoring.add_breadcrumb(f"asked for {bot_id}")
    if self.request.retries == 0:
        raise self.retry(
            kwargs={"bot_id": heir, "exchange": "binance", "symbol": "ETH/USDT"},
            countdown=REST,
            exc=ExchangeError("full"),
        )
    raise ExchangeError("no margin")


@app.task(bind=True, max_retries=5)
def talkative(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Leave more breadcrumbs in each of six attempts than any message can carry."""
    size = len(str(self.request.get("worker-monitoring") or ""))
    for number in range(100):
        monitoring.add_breadcrumb(f"{number} " + "x" * 2000, data={"header_bytes": size})
    raise self.retry(exc=ExchangeError(f"attempt {self.request.retries + 1} timed out"), countdown=REST)


class Odd:
    """Be an object that answers no question."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


@app.task(bind=True)
def odd_values(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", message: str = "") -> dict[str, Any]:
    """Give monitoring everything that it may choke on; end well, or with `message`."""
    monitoring.add_breadcrumb("odd", data={"nan": float("nan"), "odd": Odd(), "big": "y" * 1_000_000})
    sentry_sdk.set_tag("odd", Odd())
    odd: dict[Any, Any] = {b"bytes": Odd(), "api_secret": "planted-3f9c1d7b5a"}
    sentry_sdk.set_context("odd", odd)
    self.request.odd = Odd()
    if message:
        raise ExchangeError(message, Odd(), {b"key": float("inf")})
    return told(self)


@app.task(bind=True)
def calls(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", how: str = "") -> dict[str, Any]:
    """Run other tasks inside this one, for another bot: as functions, or eagerly. Their errors are handled here."""
    where = {"bot_id": f"{bot_id}-inner", "exchange": "binance", "symbol": "ETH/USDT"}
    if how == "directly":
        succeed(**where)
        with suppress(ExchangeError):
            fail(**where)
    else:
        succeed.apply(kwargs=where)
        fail.apply(kwargs=where)
    sentry_sdk.capture_message(f"{how} called from {bot_id}")
    return told(self)


@monitoring.track_trading_operation("fetch_balance")
def fetch_balance() -> NoReturn:
    """Be refused by an exchange."""
    raise ExchangeError("no margin")


@app.task(bind=True)
def with_user(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> None:
    """Work for a user, and fail in a tracked operation."""
    monitoring.set_user_context(f"user of {bot_id}", subscription_tier="pro")
    monitoring.add_breadcrumb(f"asked for {bot_id}")
    fetch_balance()


pool = ThreadPoolExecutor(2)


@app.task(bind=True)
def overlapping(
    self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", seconds: float = 0.5
) -> dict[str, Any]:
    """Work beside other tasks, with helper threads of its own and of the process; tell from each, then end well."""
    monitoring.set_user_context(f"user of {bot_id}")
    monitoring.add_breadcrumb(f"asked for {bot_id}")
    time.sleep(seconds)
    helper = threading.Thread(target=sentry_sdk.capture_message, args=(f"thread of {bot_id}",))
    helper.start()
    helper.join()
    pool.submit(sentry_sdk.capture_message, f"executor of {bot_id}").result()
    time.sleep(seconds)
    sentry_sdk.capture_message(f"body of {bot_id}")
    return told(self)


@app.task(bind=True, time_limit=1)
def over_the_limit(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """Take longer than the time limit that only some pools enforce."""
    time.sleep(1.2)
    return told(self)
