"""`celery -A app monitor explain`: which rule decides about an error, and why."""

from __future__ import annotations

import builtins
import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from monitoring import sdk
from monitoring.filtering import EventFilter, errors_as_table, policy_as_table
from monitoring.verdict import explain as explain_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery


@click.command("explain", short_help="Say which errors are sent, which are noise, and why.")
@click.argument("error", required=False)
@click.argument("message", default="")
@click.option("--task", default="", help="The task that raises it: what it declares (moves_money, throws) counts.")
@click.option("--operation", default="", help="What the task was doing: buy_order, fetch_ticker.")
@click.option("--exchange", default="", help="The exchange that it was doing it at.")
@click.option("--bot-id", default="", help="The bot that it was doing it for.")
@click.option("--symbol", default="", help="The symbol that it was about.")
@click.option("--http", type=click.IntRange(100, 599), help="The HTTP status that the error carries.")
@click.option("--web", is_flag=True, help="It was raised in a web request, where a user's mistake is noise.")
@click.option("--environment", help="By default that of the settings.")
@click.option("--errors", is_flag=True, help="Print the table of all errors that are known, and exit.")
@click.pass_context
def explain(  # noqa: PLR0913  # one for each thing that decides
    ctx: click.Context,
    /,
    error: str | None,
    message: str,
    http: int | None,
    *,
    environment: str | None,
    errors: bool,
    task: str,
    web: bool,
    **where: str,
) -> None:
    r"""Say what the noise filter decides about ERROR (a class, with the MESSAGE it would carry), and why.

    Without ERROR the policy is printed. Nothing is counted and nothing is sent; but what was counted lately, by all
    workers, is taken into account.

    \b
    $ celery -A worker monitor explain
    $ celery -A worker monitor explain ccxt.RequestTimeout --exchange okx --operation fetch_ticker
    $ celery -A worker monitor explain DDoSProtection "binance 418 I'm a teapot" --task worker.tasks.market.update
    """
    event_filter = sdk.event_filter() or EventFilter()
    if errors:
        click.echo(errors_as_table(event_filter.table.rows))
    elif error is None:
        click.echo(policy_as_table(event_filter))
    else:
        told: dict[str, Any] = {**where, **_declared(ctx.obj.app, task), "web": web}
        if environment is not None:
            told["environment"] = environment
        click.echo(str(explain_error(_made(_class_of(error, event_filter), message, http), **told)))


def _declared(app: Celery, task: str) -> dict[str, Any]:
    """Return what a task says of itself to the filter; a task that the app does not have is a mistake."""
    if not task:
        return {}
    app.loader.import_default_modules()
    if task not in app.tasks:
        raise click.BadParameter(f"the app has no task {task!r}{_meant(task, app.tasks)}", param_hint="--task")
    found = app.tasks[task]
    return {
        "task": task,
        "moves_money": bool(getattr(found, "moves_money", False)),
        "throws": tuple(found.throws or ()),
    }


def _class_of(name: str, event_filter: EventFilter) -> type[BaseException]:
    """Find a class of errors by its name; one whose package is not installed here is known by its name alone."""
    module, _, bare = name.rpartition(".")
    if not module:
        module = _package_of(bare, event_filter)
    try:
        home = import_module(module)
    except ImportError:
        # The filter goes by names: that is enough for an error of a package that only the workers have.
        return type(bare, (Exception,), {"__module__": module})
    found = getattr(home, bare, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise click.BadParameter(f"{module} has no error {bare!r}{_meant(bare, vars(home))}", param_hint="ERROR")
    return found


def _package_of(bare: str, event_filter: EventFilter) -> str:
    if isinstance(getattr(builtins, bare, None), type):
        return "builtins"
    packages = sorted({row.package for row in event_filter.table.rows if row.name == bare and row.package})
    if len(packages) > 1:
        told = " or ".join(f"{package}.{bare}" for package in packages)
        raise click.BadParameter(f"which {bare}: {told}?", param_hint="ERROR")
    if not packages:
        known = {row.name for row in event_filter.table.rows}
        raise click.BadParameter(
            f"no row names {bare!r}{_meant(bare, known)}; say package.{bare} for a class of your own",
            param_hint="ERROR",
        )
    return packages[0]


def _made(kind: type[BaseException], message: str, http: int | None) -> BaseException:
    """Make an error without knowing what its class wants to be made of."""
    error = kind.__new__(kind, message)
    error.args = (message,)
    if http is not None:
        error.status_code = http  # type: ignore[attr-defined]  # where the filter looks for it, on any class
    return error


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
