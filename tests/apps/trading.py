"""A small trading application: one task for each way a task can end. Works under every pool."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"
# ruff: noqa: PLR0913, PLR0917  # the context's three names come first in every task, what the task needs follows
# ruff: noqa: F841  # local variables are there for Sentry to show

import os
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

import monitoring
from tests.apps.orders import Order

# Seconds until a retry. Celery publishes it before it stores RETRY: without a rest, the state of a repetition that has
# ended in between is overwritten, and whoever waits for the result waits for ever.
REST = 0.5

app = Celery("trading")
app.conf.update(
    broker_url=os.environ["CELERY_BROKER_URL"],
    result_backend=os.environ["CELERY_RESULT_BACKEND"],
    accept_content=["json", "pickle"],
    task_track_started=True,
    result_expires=600,
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    # Redelivery after a lost worker within a test's patience.
    broker_transport_options={"visibility_timeout": 5},
)
monitoring.init_sentry()


class ExchangeError(Exception):
    """What an exchange answers when it does not do as asked."""


class ExpectedError(Exception):
    """An outcome that a task declares with `throws`."""


def ask(attempt: int) -> NoReturn:
    """Get no answer from an exchange."""
    raise ExchangeError(f"attempt {attempt} timed out")


def told(task: Task, **more: Any) -> dict[str, Any]:
    """Tell where this attempt ran."""
    return {"pid": os.getpid(), "attempt": task.request.retries + 1, "id": task.request.id, **more}


@app.task(bind=True)
def succeed(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """End well."""
    monitoring.add_breadcrumb(f"attempt {self.request.retries + 1} asked {exchange} about {symbol}")
    return told(self)


@app.task(bind=True)
def fail(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", message: str = "no margin") -> NoReturn:
    """End with an error."""
    monitoring.add_breadcrumb(f"attempt {self.request.retries + 1} asked {exchange} about {symbol}")
    raise ExchangeError(message)


@app.task(bind=True, throws=(ExpectedError,))
def expected(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """End with an error that the task has declared."""
    raise ExpectedError("market closed")


@app.task(bind=True, max_retries=10)
def retry_then_succeed(
    self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", failures: int = 1, countdown: float = REST
) -> dict[str, Any]:
    """Fail the first attempts, each followed by a retry, then end well."""
    attempt = self.request.retries + 1
    monitoring.add_breadcrumb(f"attempt {attempt} in process {os.getpid()}", data={"pid": os.getpid()})
    if attempt <= failures:
        raise self.retry(exc=ExchangeError(f"attempt {attempt} timed out"), countdown=countdown)
    return told(self)


@app.task(bind=True, max_retries=2)
def retry_then_fail(
    self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", countdown: float = REST, hold: float = 0
) -> NoReturn:
    """Fail three attempts; each takes `hold` seconds, and its message tells its number."""
    attempt = self.request.retries + 1
    monitoring.add_breadcrumb(f"attempt {attempt} in process {os.getpid()}", data={"pid": os.getpid()})
    time.sleep(hold)
    try:
        ask(attempt)
    except ExchangeError as error:
        raise self.retry(exc=error, countdown=countdown) from error


@app.task(bind=True, autoretry_for=(ExchangeError,), max_retries=1, default_retry_delay=REST)
def autoretry(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Fail twice, retried by Celery itself."""
    monitoring.add_breadcrumb(f"attempt {self.request.retries + 1} asked {exchange}")
    raise ExchangeError(f"attempt {self.request.retries + 1} refused")


@app.task(bind=True)
def sleepy(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", seconds: float = 1) -> dict[str, Any]:
    """Take `seconds` of wall time."""
    time.sleep(seconds)
    return told(self)


@app.task(bind=True, soft_time_limit=1)
def soft_limit(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> None:
    """Run into the soft time limit (prefork and gevent enforce it)."""
    time.sleep(30)


@app.task(bind=True, time_limit=1)
def hard_limit(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> None:
    """Run into the hard time limit (prefork enforces it)."""
    time.sleep(30)


@app.task(bind=True)
def kill_self(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", number: int = signal.SIGKILL) -> None:
    """Kill the process that runs this task, as the kernel does when memory runs out."""
    os.kill(os.getpid(), number)
    time.sleep(5)


@app.task(bind=True)
def exit_process(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", hard: bool = False) -> NoReturn:  # noqa: FBT001, FBT002  # a task's arguments are data
    """Leave the process: by SystemExit, or (`hard`) at once."""
    if hard:
        os._exit(3)
    sys.exit(3)


@app.task(bind=True)
def unserialisable(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> object:
    """End well, with a result that cannot be stored."""
    return object()


@app.task(bind=True)
def ignore(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Leave without an outcome."""
    raise Ignore


@app.task(bind=True, acks_late=True)
def reject(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> NoReturn:
    """Give the message back for good."""
    raise Reject("not ours", requeue=False)


@app.task(bind=True)
def spawn(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", child: str = "succeed") -> str:
    """Publish a child that is told nothing of bot, exchange or symbol; return its id."""
    return str(app.tasks[f"{__name__}.{child}"].delay().id)


@app.task(bind=True)
def shell(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "", seconds: float = 30) -> int:
    """Start a program that outlives the task; return its process id."""
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"]).pid


@app.task(bind=True)
def step(self: Task, before: Any = None, message: str | None = None) -> dict[str, Any]:
    """Be a link of a chain or a member of a chord, told nothing of bot, exchange or symbol; fail with `message`."""
    if message is not None:
        raise ExchangeError(message)
    return told(self, before=before)


@app.task(bind=True)
def headers(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """Tell which headers the application sees."""
    return told(self, headers=self.request.headers or {}, mine=self.request.get("mine"))


@app.task(bind=True)
def retry_headers(self: Task, bot_id: str = "", exchange: str = "", symbol: str = "") -> dict[str, Any]:
    """Tell the same after a retry."""
    if self.request.retries == 0:
        raise self.retry(countdown=REST)
    return told(self, headers=self.request.headers or {}, mine=self.request.get("mine"))


@app.task(bind=True)
def withhold(
    self: Task, order: dict[str, Any], note: str = "", size: float = 0, bot_id: str = "", symbol: str = ""
) -> NoReturn:
    """End with an error far below, with what it was given in every form that a local variable takes."""
    spread, pair = 1723, symbol.replace("/", "-")
    message, kept = f"{pair}: {note}", Order(bot_id, "", symbol, size, order["routing"]["account"])
    refuse(note, [kept, {"of": order}], message)


def refuse(reason: str, given: list[Any], text: str) -> NoReturn:
    """Be handed the arguments of a task, and refuse."""
    asked, text_bytes = {reason: given}, text.encode()
    raise ExchangeError("not today")


@app.task(bind=True)
def take_order(self: Task, order: Order | dict[str, Any], message: str | None = None) -> dict[str, Any]:
    """Find bot, exchange and symbol inside an argument."""
    if message is not None:
        raise ExchangeError(message)
    return told(self)
