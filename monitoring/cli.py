"""What the package adds to `celery`: `start`, a monitored worker, and `monitor`, questions about the monitoring.

`celery -A worker start` checks, shows what is monitored, then runs Celery's own worker command, whole.

Every `celery` command of every app in this environment imports this module, so it imports nothing but click and what
`celery` itself has loaded already.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any, Final

import click
from celery.bin.base import CeleryOption
from celery.bin.worker import worker

#: sysexits' "configuration error": a supervisor need not try again (systemd: RestartPreventExitStatus=78).
EX_CONFIG: Final = 78

HELP: Final = """Check that everything is there, show what is monitored, then start a worker.

Takes every option of `celery worker`, from the command line, from CELERY_WORKER_* variables and from the
application's configuration. Exits with 78, and starts nothing, when the worker could not do its work.

\b
Examples
--------

\b
$ celery -A worker start -l INFO
$ celery -A worker start -Q orders,market --concurrency 4
$ celery -A worker start --check-only
"""

_CHECK_ONLY: Final = CeleryOption(
    ["--check-only"],
    is_flag=True,
    allow_from_autoenv=False,
    help="Check and show, then exit: with 0, or 78 if a worker would not be started.",
    help_group="Monitoring Options",
)


class _Forwarding(click.Command):
    """Keep the one parameter that was declared.

    Celery adds the app's preload options to all commands; here they would be eaten before the worker sees them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._declared = tuple(self.params)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:  # noqa: ARG002  # click's signature
        return list(self._declared)


@click.command(
    "start",
    cls=_Forwarding,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Start a monitored worker.",
)
@click.argument("worker_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def start(ctx: click.Context, worker_args: tuple[str, ...]) -> Any:
    """Run the real worker command in a context of its own.

    Copied parameters would not do: Celery reads `worker_pidfile` and its like by the command's name, and
    CELERY_WORKER_* by the context's prefix.
    """
    command = copy.copy(worker)
    command.help = HELP
    command.params = [_CHECK_ONLY, *worker.params]
    forwarded = command.make_context("start", list(worker_args), parent=ctx.parent, auto_envvar_prefix="CELERY_WORKER")
    with forwarded:
        check_only = forwarded.params.pop("check_only")
        # Here and not above: only now is the app's own `init_sentry` known to have run, and other commands stay light.
        from monitoring.preflight import examine  # noqa: PLC0415
        from monitoring.preflight.screen import show  # noqa: PLC0415

        report = examine(ctx.obj.app, forwarded.params)
        show(report, ctx.obj)
        if report.refused:
            ctx.exit(EX_CONFIG)
        if check_only:
            ctx.exit(0)
        return command.invoke(forwarded)


#: Command of `monitor` -> module and name of it: loaded when it is asked for.
MONITOR: Final = {
    "explain": "monitoring.commands.explain:explain",
    "spool": "monitoring.commands.spool:spool",
}


class _Lazy(click.Group):
    """Load a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(MONITOR)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        if cmd_name not in MONITOR:
            return None
        module, _, name = MONITOR[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group("monitor", cls=_Lazy, short_help="Ask the monitoring what it does, and why.")
def monitor() -> None:
    """Ask the monitoring what it does, and why. Needs the application: `celery -A worker monitor ...`."""
