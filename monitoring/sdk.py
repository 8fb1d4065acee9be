"""Start the SDK: the only call of `sentry_sdk.init`. Worker, web and beat all come through here.

Every hook runs the application's own first, then the noise filter (which fails open), then the scrubber (which fails
closed), so that what leaves is scrubbed whatever anybody added.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger, ignore_logger_for_sentry_logs
from sentry_sdk.integrations.redis import RedisIntegration

from monitoring import metrics, scrubbing
from monitoring.delivery.losses import count_suppressed
from monitoring.delivery.transport import WorkerTransport, transport_for
from monitoring.filtering import EventFilter, shared_window
from monitoring.settings import spool_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentry_sdk.integrations import Integration

    from monitoring.settings import Settings

logger = logging.getLogger(__name__)

DEFAULT_COMPONENT: Final = "trading_engine"

#: Celery's log lines about a task: each repeats what our reports tell, some with the task's arguments in clear.
TASK_LOGGERS: Final = ("celery.app.trace", "celery.worker.strategy", "celery.worker.job", "celery.redirected")
#: What is logged while an item is prepared would be an item itself, for the same hook to raise at, without end.
OWN_LOGGERS: Final = (__name__, "monitoring.filtering", "monitoring.filtering.*", "monitoring.delivery.*")


#: Says of a log record whether it becomes an event, a breadcrumb, a Sentry log: one filter for each.
Records = tuple[Callable[[logging.LogRecord], bool], ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Remember how the SDK was started. A forked child inherits it: the transport makes itself new there."""

    settings: Settings
    event_filter: EventFilter


_started: Started | None = None


def start(  # noqa: PLR0913  # one keyword for each part that start.py joins
    settings: Settings,
    *,
    component: str | None,
    event_filter: EventFilter,
    integrations: Sequence[Integration],
    records: Records,
    options: dict[str, Any],
) -> bool:
    """Start the SDK once in this process and say whether it runs.

    Later calls start nothing; a `component` named then replaces the first. `event_filter` decides which errors are
    noise. `records` say of a log record whether it becomes an event, a breadcrumb, a Sentry log. `options` go to the
    SDK; hooks among them run before ours.
    """
    global _started  # noqa: PLW0603  # the SDK's client is global to the process, and so is whether we started it
    if not settings.active:
        return False
    if _started is None:
        for name in (*TASK_LOGGERS, *OWN_LOGGERS):
            ignore_logger(name)
            ignore_logger_for_sentry_logs(name)
        chosen = _options(settings, event_filter, integrations, records, options)
        _started = Started(settings, event_filter)
        use_servers(settings.broker_url.get_secret_value(), settings.result_backend.get_secret_value())
        sentry_sdk.init(**chosen)
        client = sentry_sdk.get_client()
        metrics.install(client)
        if not client.options["debug"]:
            # Its filter drops every record then, but only after each has been made: some 30 µs for a sampled task.
            logging.getLogger("sentry_sdk.errors").setLevel(logging.WARNING)
        _name_component(component or DEFAULT_COMPONENT)
    else:
        if settings != _started.settings:
            logger.warning("init_sentry was called again with other settings; the first ones stay in force")
        if component is not None:
            _name_component(component)
    return True


def started() -> Settings | None:
    """Return the settings that the SDK runs with, or None while it does not run."""
    return _started.settings if _started is not None else None


def use_servers(*urls: object) -> None:
    """Count what must persist in the first of these servers that is Redis, and never let their passwords leave.

    `MONITORING_REDIS_URL` goes first. What is no text (Celery also takes objects) is passed over.
    """
    if _started is None:
        return
    own = _started.settings.redis_url
    known = [url for group in urls for url in (group if isinstance(group, list | tuple) else [group])]
    texts = [own.get_secret_value()] if own is not None else []
    texts += [url for url in known if isinstance(url, str)]
    scrubbing.register_passwords(*texts)
    _started.event_filter.count_in(shared_window(*texts, budget_seconds=_started.settings.redis_timeout))


def event_filter() -> EventFilter | None:
    """Return the noise filter in force, or None while the SDK does not run."""
    return _started.event_filter if _started is not None else None


def finish() -> None:
    """Wait for Sentry, at most the shutdown time-out; what it has not taken by then goes to the spool."""
    client = sentry_sdk.get_client()
    client.flush()
    if isinstance(client.transport, WorkerTransport):
        client.transport.finish()


def watch_spool() -> None:
    """Take over what dead processes have left on this host, from now on."""
    transport = sentry_sdk.get_client().transport
    if isinstance(transport, WorkerTransport):
        transport.watch()


def name_component(component: str) -> None:
    """Say what this process is, on everything that it sends from now on. Does nothing while the SDK does not run."""
    if _started is not None:
        _name_component(component)


def _name_component(component: str) -> None:
    scope = sentry_sdk.get_global_scope()
    scope.set_tag("component", component)
    scope.set_attribute("component", component)


def _options(
    settings: Settings,
    dropped: EventFilter,
    integrations: Sequence[Integration],
    records: Records,
    given: dict[str, Any],
) -> dict[str, Any]:
    assert settings.dsn is not None  # noqa: S101  # `active` says so; this is for the type checker
    # An old DSN holds a secret beside its public key.
    scrubbing.register_passwords(settings.dsn.get_secret_value())
    ours: dict[str, Any] = {
        "dsn": settings.dsn.get_secret_value(),
        "environment": settings.environment,
        "release": settings.release,
        "sample_rate": settings.sample_rate,
        "traces_sample_rate": settings.traces_sample_rate,
        "trace_lifecycle": settings.trace_lifecycle,
        "shutdown_timeout": settings.shutdown_timeout,
        "debug": settings.debug,
        "transport": transport_for(spool_folder(settings), settings.spool_bytes, scrubbing.scrub_envelope),
        # SENTRY_SPOTLIGHT would send a copy of everything, synchronously, on the application's threads.
        "spotlight": False,
        "disabled_integrations": _without(given.get("integrations", ()), RedisIntegration),
    }
    hooks: dict[str, tuple[Callable[[Any, Any], Any], ...]] = {
        "before_send": (lambda event, hint: _filtered(dropped, event, hint), scrubbing.scrub_event),
        "before_send_transaction": (scrubbing.scrub_transaction,),
        "before_breadcrumb": (scrubbing.scrub_breadcrumb,),
        "before_send_log": (scrubbing.scrub_log,),
        "before_send_metric": (scrubbing.scrub_metric,),
    }
    if given.get("trace_lifecycle", settings.trace_lifecycle) == "stream":
        # The SDK warns at every start of a hook that it will not call.
        hooks["before_send_span"] = (scrubbing.scrub_span,)
    chained = {name: _chain(given.get(name), ours_after) for name, ours_after in hooks.items()}
    extra = list(given.get("integrations", ()))
    logs = next((each for each in extra if isinstance(each, LoggingIntegration)), None)
    if logs is None:
        extra.append(logs := LoggingIntegration())
    # Before an event is made: a hook that drops it would count as a loss.
    handlers = (logs._handler, logs._breadcrumb_handler, logs._sentry_logs_handler)  # noqa: SLF001  # no public access
    for handler, lets_pass in zip(handlers, records, strict=True):
        if handler is not None:
            handler.addFilter(lets_pass)
    return {**ours, **given, **chained, "integrations": [*integrations, *extra]}


def _without(given: Sequence[Integration], *kinds: type[Integration]) -> list[type[Integration]]:
    """Return which of these integrations stay off because the application did not ask for them.

    RedisIntegration traces the worker's own broker and result commands: some ten spans and breadcrumbs per task that
    say nothing of the task, and push its own breadcrumbs out.
    """
    return [kind for kind in kinds if not any(isinstance(integration, kind) for integration in given)]


def _filtered(event_filter: EventFilter, event: Any, hint: Any) -> Any:
    if event.get("type") == "check_in":
        return event
    kept = event_filter(event, hint)
    for rule, quantity in event_filter.ledger.drain().items():
        count_suppressed(rule, quantity)
    return kept


def _chain(
    application: Callable[[Any, Any], Any] | None, ours: tuple[Callable[[Any, Any], Any], ...]
) -> Callable[[Any, Any], Any]:
    """Run hooks in order until one says None. The application's own may fail; then its input goes on to ours."""
    if application is None and len(ours) == 1:
        return ours[0]

    def run(item: Any, hint: Any) -> Any:
        if application is not None:
            try:
                item = application(item, hint)
            except Exception:
                # Without this the SDK drops the item (or, for a breadcrumb, keeps it unscrubbed) and says nothing.
                logger.exception("a hook of the application's own raised; the item goes on without it")
        for hook in ours:
            if item is None:
                return None
            item = hook(item, hint)
        return item

    return run
