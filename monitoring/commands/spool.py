"""`celery -A app monitor spool`: what waits on this host's disk for Sentry, and what to do about it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import click
import sentry_sdk

from monitoring import sdk
from monitoring.delivery.folders import REASON, REFUSED
from monitoring.delivery.inventory import LEFT, Kept, inventory
from monitoring.delivery.transport import WorkerTransport
from monitoring.settings import Settings, spool_folder

if TYPE_CHECKING:
    from pathlib import Path

_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


@click.group("spool", short_help="Show, re-send or drop what waits on disk for Sentry.")
def spool() -> None:
    r"""Show, re-send or drop what waits on this host's disk for Sentry.

    `waiting`: a living process tries to send it. `left`: its process is dead, and the next one takes it over.
    `refused`: Sentry does not want it, for the reason given; nothing is tried again until you say so.

    \b
    $ celery -A worker monitor spool list
    $ celery -A worker monitor spool show 3f9a12c4
    $ celery -A worker monitor spool resend --refused
    $ celery -A worker monitor spool drop 3f9a12c4
    """


@spool.command("list")
def list_kept() -> None:
    """List everything that is kept, oldest first, with what it takes of its bound."""
    settings = _settings()
    place = spool_folder(settings)
    found = inventory(place)
    now, size = time.time(), 0
    for kept in found:
        with contextlib.suppress(OSError):
            size += kept.path.stat().st_size
        line = f"{kept.name}  {kept.state:<8} {_age(now - kept.written_at):>7}  {kept.kind:<12} {_told(kept.payload)}"
        click.echo(f"{line.rstrip()}  [{kept.reason}]" if kept.reason else line.rstrip())
    states = ", ".join(
        f"{sum(kept.state == state for kept in found)} {state}" for state in ("waiting", "left", REFUSED)
    )
    click.echo(f"{states}; {size} of {settings.spool_bytes} bytes in {place}")


@spool.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print one of them as it would be sent, scrubbed as it is."""
    (kept,) = _chosen(spool_folder(_settings()), (name,))
    if kept.reason:
        click.echo(f"refused: {kept.reason}", err=True)
    click.echo(json.dumps(kept.payload, indent=2, ensure_ascii=False))


@spool.command("resend")
@click.argument("names", nargs=-1)
@click.option("--refused", is_flag=True, help="Everything that Sentry has refused, now that the reason is gone.")
@click.option("--timeout", default=30.0, show_default=True, help="How long to wait for Sentry. Seconds.")
def resend(names: tuple[str, ...], timeout: float, *, refused: bool) -> None:
    """Send now what dead processes have left, and of what was refused the NAMES or (--refused) all.

    What a living process holds is its own to send. Exits with 1 when something is still there afterwards.
    """
    transport = sentry_sdk.get_client().transport
    if not isinstance(transport, WorkerTransport) or transport.spool is None:
        raise click.UsageError("monitoring is off here, or keeps no spool: there is nothing to send with")
    root = transport.spool.root
    wanted = _chosen(root.parent, names)
    again = {kept.path.name for kept in _of(root, REFUSED) if refused or kept in wanted}
    tried = len(again) + len(_of(root, LEFT))
    transport.readmit(sorted(again))
    transport.watch()
    sentry_sdk.flush(timeout=timeout)
    transport.kill()
    left = _of(root, LEFT)
    back = [kept for kept in _of(root, REFUSED) if kept.path.name in again]
    click.echo(f"{max(0, tried - len(left) - len(back))} sent, {len(back)} refused again, {len(left)} still to be sent")
    if left or back:
        raise SystemExit(1)


@spool.command("drop")
@click.argument("names", nargs=-1)
@click.option("--refused", is_flag=True, help="Everything that Sentry has refused.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(names: tuple[str, ...], *, refused: bool, yes: bool) -> None:
    """Delete the NAMES, or (--refused) everything that Sentry has refused. What is dropped is gone."""
    place = spool_folder(_settings())
    going = list(_chosen(place, names))
    if refused:
        going += (kept for kept in inventory(place) if kept.state == REFUSED and kept not in going)
    if not going:
        raise click.UsageError("say which: NAMES as `list` shows them, or --refused")
    if not yes:
        click.confirm(f"Drop {len(going)} for good?", abort=True)
    for kept in going:
        kept.path.unlink(missing_ok=True)
        kept.path.with_name(f"{kept.path.name}{REASON}").unlink(missing_ok=True)
    click.echo(f"{len(going)} dropped")


def _settings() -> Settings:
    return sdk.started() or Settings.from_env()


def _of(root: Path, state: str) -> list[Kept]:
    """Return what one DSN's spool keeps in a state, oldest first."""
    return [kept for kept in inventory(root.parent) if kept.state == state and kept.path.parent.parent == root]


def _chosen(place: Path, names: tuple[str, ...]) -> list[Kept]:
    known = {kept.name: kept for kept in inventory(place)}
    for name in names:
        if name not in known:
            raise click.BadParameter(f"nothing is called {name!r}; `list` shows what there is", param_hint="NAME")
    return [known[name] for name in names]


def _told(payload: Any) -> str:
    """Say in a line what an item is about."""
    if not isinstance(payload, dict):
        return ""
    values = (payload.get("exception") or {}).get("values") or [{}]
    message = (payload.get("logentry") or {}).get("message") or payload.get("message") or payload.get("transaction")
    what = f"{values[-1]['type']}: {values[-1].get('value')}" if values[-1].get("type") else message or ""
    tags = payload.get("tags") or {}
    about = " ".join(f"{key}={tags[key]}" for key in ("task", "bot_id", "exchange", "symbol") if tags.get(key))
    return " ".join(f"{' '.join(str(what).split())[:120]} {about}".split())


def _age(seconds: float) -> str:
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return "now"
