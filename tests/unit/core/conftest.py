"""Give every test of the core a process that nobody has monitored yet, and take its monitoring down again."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import sentry_sdk.scope
from celery import Celery, signals
from celery._state import _tls
from celery.utils.dispatch import Signal
from sentry_sdk.integrations import logging as sdk_logging
from sentry_sdk.traces import StreamedSpan
from sentry_sdk.tracing import Transaction

import monitoring
from monitoring.signals.scopes import LazyScope
from tests.harness import judges
from tests.harness.sentry import Sentry

PREFIXES = ("SENTRY_", "MONITORING_", "CELERY_", "APP_VERSION")
SIGNALS = [signal for signal in vars(signals).values() if isinstance(signal, Signal)]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave no variable and no `.env` of the machine's in sight."""
    import os  # noqa: PLC0415  # read here only

    for name in [name for name in os.environ if name.upper().startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _unmonitored_process() -> Iterator[None]:
    """Start from empty scopes, and undo what starting the SDK changes in the whole process."""
    receivers = [(signal, list(signal.receivers or ())) for signal in SIGNALS]
    ignored = set(sdk_logging._IGNORED_LOGGERS), set(sdk_logging._IGNORED_LOGGERS_SENTRY_LOGS)
    level = logging.getLogger("sentry_sdk.errors").level
    _empty_scopes()
    yield
    sentry_sdk.get_client().close(timeout=0)
    _empty_scopes()
    if (sdk := sys.modules.get("monitoring.sdk")) is not None:
        vars(sdk)["_started"] = None
    for signal, before in receivers:
        signal.receivers = before
        signal.sender_receivers_cache.clear()
    for loggers, names in zip(
        (sdk_logging._IGNORED_LOGGERS, sdk_logging._IGNORED_LOGGERS_SENTRY_LOGS), ignored, strict=True
    ):
        loggers.clear()
        loggers.update(names)
    logging.getLogger("sentry_sdk.errors").setLevel(level)


def _empty_scopes() -> None:
    """Do what the SDK's own tests do: the global scope holds the client, the others what a test has bound."""
    sentry_sdk.scope._global_scope = None
    sentry_sdk.scope._isolation_scope.set(None)
    sentry_sdk.scope._current_scope.set(None)


@pytest.fixture
def sentry(request: pytest.FixtureRequest) -> Iterator[Sentry]:
    """Receive envelopes over HTTP in this process, without the servers of a whole stage; judged in the end."""
    receiving = Sentry()
    yield receiving
    sentry_sdk.get_client().close(timeout=2)
    excused = {name for mark in request.node.iter_markers("unjudged") for name in mark.args or tuple(judges.JUDGES)}
    found = judges.judge(receiving, frozenset(excused))
    receiving.close()
    if found:
        pytest.fail("\n".join(found), pytrace=False)


Start = Callable[..., None]


@pytest.fixture
def start(sentry: Sentry) -> Start:
    """Start monitoring against `sentry`: `start(component="web", argument_names={...}, options={...})`."""

    def started(*, component: str | None = None, options: dict[str, Any] | None = None, **settings: Any) -> None:
        chosen = {"dsn": sentry.dsn, "traces_sample_rate": 0.0, "debug": True, **settings}
        assert monitoring.init_sentry(monitoring.Settings(**chosen), component=component, **(options or {}))

    return started


@pytest.fixture
def app() -> Iterator[Celery]:
    """Make a Celery app that talks to nobody outside of this process."""
    before = getattr(_tls, "current_app", None)
    made = Celery("core", broker="memory://", backend="cache+memory://", set_as_current=True)
    yield made
    made.close()
    _tls.current_app = before


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[LazyScope]:
    """List the scopes that were filled."""
    scopes: list[LazyScope] = []
    real = LazyScope._fill

    def fill(self: LazyScope) -> None:
        scopes.append(self)
        real(self)

    monkeypatch.setattr(LazyScope, "_fill", fill)
    return scopes


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """List the transactions and streamed spans that were built by the SDK."""
    made: list[Any] = []
    for kind in (Transaction, StreamedSpan):
        real = kind.__init__

        def init(self: Any, *args: Any, real: Any = real, **kwargs: Any) -> None:
            made.append(self)
            real(self, *args, **kwargs)

        monkeypatch.setattr(kind, "__init__", init)
    return made
