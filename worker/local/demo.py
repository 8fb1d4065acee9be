"""The whole stack, bounded: 300 trading tasks with real retries and failures, and every one of them accounted for.

Nothing of it leaves this machine, whatever `.env` says: the broker, the exchanges and Sentry are its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.local.accounting import Book, differences
from worker.local.bots import EXCHANGES, requests
from worker.local.demo_report import Performance, chosen_failure, lost, story, summed
from worker.local.environment import DATA_DIRECTORY, ConfigurationError, Plan, prepare, read_dotenv
from worker.local.json_client import JsonClient, RefusedError, UnreachableError
from worker.local.procfile import Procfile
from worker.local.screen import Screen
from worker.local.services import HOST, SERVICES
from worker.local.stack import ProcessDiedError, Stack, StopRequestedError
from worker.local.terminal import foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PER_SECOND: Final = 40.0
_LOOK_EVERY_SECONDS: Final = 0.3
_LOOK_WHILE_ENQUEUEING_SECONDS: Final = 1.5
_WIDTH: Final = 120
_OURS: Final = ("APP_VERSION", "SENTRY_", "CELERY_", "MONITORING_", "TRADING_", "PAPER_")
_INTERRUPTED: Final = 130

SETTINGS: Final[Mapping[str, str]] = {
    "APP_VERSION": "demo",
    # A quarter of the traces; the performance table is of all tasks all the same.
    "SENTRY_TRACES_SAMPLE_RATE": "0.25",
    "TRADING_BEAT_SECONDS": "5",
    "TRADING_EXCHANGES": ",".join(EXCHANGES),
    "PAPER_FAULTS": (
        "binance:create_order.timeout=0.6,slow=0.05@0.4s;"
        "kraken:create_order.lost=0.3,rate_limit=0.08;"
        "okx:fetch_candles.outage=always,create_order.reject=0.05"
    ),
}


class IncompleteError(Exception):
    """Not every task is accounted for; the message names what is missing."""


def plan_for(procfile: Procfile, environ: Mapping[str, str], dotenv: Mapping[str, str], data: Path, seed: int) -> Plan:
    """Plan the stack without live traffic, with nothing of the operator's own settings but the ports."""
    ports = {service.port_variable for service in SERVICES.values()}
    clean = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    given = {**SETTINGS, "PAPER_SEED": str(seed), "LOCAL_DATA": str(data)}
    commands = {name: command for name, command in procfile.commands.items() if name != "traffic"}
    chosen_ports = {name: value for name, value in dotenv.items() if name in ports}
    plan = prepare(commands, commands, {**chosen_ports, **clean, **given}, dotenv={})
    # The processes would read `.env` themselves; there is none where they run.
    path = os.pathsep.join(filter(None, (str(procfile.path.resolve().parent), environ.get("PYTHONPATH"))))
    return replace(plan, directory=data, environment={**plan.environment, "PYTHONPATH": path})


def trade(stack: Stack, api: JsonClient, options: argparse.Namespace, console: Console) -> Book:
    """Enqueue the tasks and wait for all of them and what they start; raise IncompleteError after the time-out."""
    book = Book()
    deadline = time.monotonic() + options.timeout
    looked = 0.0
    with _progress(console, options.tasks) as show:
        for request in islice(requests(options.seed, "demo"), options.tasks):
            book.enqueue(api, request)
            if time.monotonic() - looked > _LOOK_WHILE_ENQUEUEING_SECONDS:
                book.look(api)
                looked = time.monotonic()
            show(book)
            stack.pause(1 / _PER_SECOND)
        while book.outstanding:
            book.look(api)
            show(book)
            if book.outstanding and time.monotonic() > deadline:
                left = [f"  {known}  {book.states[known.task_id]}" for known in book.outstanding.values()]
                raise IncompleteError(
                    "\n".join([f"{len(left)} tasks have not finished within {options.timeout:g} s:", *left])
                )
            stack.pause(_LOOK_EVERY_SECONDS)
    return book


def conclude(book: Book, sentry: JsonClient, console: Console) -> None:
    """Show what Sentry knows; raise IncompleteError if that is not what happened."""
    stats = sentry.get("/stats.json")
    failure = chosen_failure(sentry.get("/events.json?limit=1000")["events"])
    console.print(Performance(stats["rows"]), "")
    console.print("No task failed after several attempts." if failure is None else story(failure))
    states = Counter(book.states[task_id] for task_id in book.final)
    runs = sum(row["count"] for row in stats["rows"])
    console.print(
        f"\n{book.enqueued} tasks enqueued through the API, {len(book.final) - book.enqueued} started by strategies, "
        f"{runs - len(book.final)} by beat and its tasks."
    )
    console.print(f"Final states of what the API knows: {summed(states)}.")
    unsampled = stats["lost"].get("sample_rate", {}).get("transaction", 0)
    console.print(f"Retries: {sum(row['retries'] for row in stats['rows'])}. Traces left out by sampling: {unsampled}.")
    console.print(f"Events kept back as noise: {summed(stats['suppressed'])}. Lost: {lost(stats['lost'])}.")
    wrong = differences(tuple(book.final.values()), stats["rows"])
    if not any(row["task"] == "worker.tasks.positions.reconcile" for row in stats["rows"]):
        wrong.append("worker.tasks.positions.reconcile: beat has started none")
    if wrong:
        raise IncompleteError("\n".join(["What Sentry was told is not what happened:", *wrong]))


def run(plan: Plan, options: argparse.Namespace, console: Console, output: Screen) -> None:
    """Start the stack, trade, stop what trades, look at what Sentry has, stop the rest."""
    with foreground(), Stack(plan, output) as stack:
        stack.start()
        for line in plan.summary:
            console.print(f"  {line}", highlight=False)
        api, sentry = (JsonClient(f"http://{HOST}:{plan.environment[name]}") for name in ("PORT", "LOCAL_SENTRY_PORT"))
        book = trade(stack, api, options, console)
        # Stopping flushes: afterwards Sentry has all that it will ever have.
        stack.stop(keep=("redis", "sentry"))
        conclude(book, sentry, console)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[Book], None]]:
    """Show how far the tasks are: bars on a terminal, a line now and then elsewhere."""
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = shown = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        enqueued = progress.add_task("enqueued", total=total)
        finished = progress.add_task("finished", total=total)

        def show(book: Book) -> None:
            nonlocal shown
            done, known = len(book.final), len(book.final) + len(book.outstanding)
            progress.update(enqueued, completed=book.enqueued)
            progress.update(finished, completed=done, total=max(total, known))
            now = time.monotonic()
            if not console.is_terminal and (now - shown >= 2 or (done == known and book.enqueued == total)):  # noqa: PLR2004 - seconds
                retrying = sum(state == "RETRY" for state in book.states.values())
                console.print(
                    f"  {now - began:4.1f} s: {book.enqueued} of {total} enqueued, {done} finished, "
                    f"{retrying} will be retried"
                )
                shown = now

        yield show


def main(arguments: list[str] | None = None) -> int:
    """Run the demo: 0 when every task is accounted for, 1 when not, 2 when nothing could start, 130 when stopped."""
    parser = argparse.ArgumentParser(prog="python -m worker.local.demo", description=__doc__)
    parser.add_argument("--tasks", type=int, default=300, help="how many to enqueue (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="other orders, prices and faults (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=120.0, help="for all tasks, in seconds (default: %(default)g)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    began = time.monotonic()
    Path(DATA_DIRECTORY).mkdir(exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="demo-", dir=DATA_DIRECTORY)).resolve()
    log = data / "output.log"
    shown = log.relative_to(Path.cwd())
    code = 1
    try:
        plan = plan_for(Procfile.read(Path("Procfile.dev")), os.environ, read_dotenv(), data, options.seed)
        console.print(
            f"Starting worker, API, beat, Redis-compatible server and local Sentry; their output is in {shown}",
            soft_wrap=True,
        )
        with log.open("w", encoding="utf-8") as output:
            run(plan, options, console, Screen(output))
        code = 0
    except StopRequestedError:
        console.print("Stopped before the end.", style="yellow")
        code = _INTERRUPTED
    except ConfigurationError as error:
        console.print(str(error), style="red", highlight=False, soft_wrap=True)
        code = 2
    except (IncompleteError, ProcessDiedError, UnreachableError, RefusedError) as error:
        console.print(str(error), style="red", highlight=False, soft_wrap=True)
        console.print(f"What the processes wrote: {shown}", soft_wrap=True)
    if code != 1:
        shutil.rmtree(data)
    if code == 0:
        console.print(f"Every task is accounted for, everything is stopped, after {time.monotonic() - began:.0f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
