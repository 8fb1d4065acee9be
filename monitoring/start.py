"""Join the SDK and the signals: where monitoring starts, in every kind of process."""

from __future__ import annotations

from typing import Any

from monitoring import capture, sdk
from monitoring.filtering import EventFilter
from monitoring.recovery import Recovery
from monitoring.settings import Settings
from monitoring.signals.integration import TradingCeleryIntegration


def init_sentry(
    settings: Settings | None = None,
    *,
    component: str | None = None,
    event_filter: EventFilter | None = None,
    **options: Any,
) -> bool:
    """Start monitoring in this process and say whether it is on. Call it as often as you like: once is what counts.

    Call it before the worker starts, where the Celery app is made. Without `settings` the environment is read.
    `component` says what the process is (`trading_engine` by default, then `web`, `beat` or a name of yours); named in
    a later call it replaces the first. `event_filter` is an `EventFilter` that knows rules or errors of the
    application's own. Further `options` go to `sentry_sdk.init`; hooks among them run before ours.
    Without a DSN, or with `SENTRY_ENABLED=false`, nothing is connected and nothing is sent.

    Raises `SettingsError` when a setting cannot be used, with every mistake.
    """
    known = Settings.from_env() if settings is None else settings
    first = sdk.started() is None
    event_filter = event_filter if event_filter is not None else EventFilter()
    recovery = Recovery(event_filter)
    integration = TradingCeleryIntegration(known, recovery)
    active = sdk.start(
        known,
        component=component,
        event_filter=event_filter,
        integrations=[integration],
        records=integration.records,
        options=options,
    )
    if active and first:
        capture.note_successes(recovery.operation_worked)
        integration.connect()
    return active
