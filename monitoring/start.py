"""Join the SDK and the signals: where monitoring starts, in every kind of process."""

from __future__ import annotations

from typing import Any

from monitoring import sdk
from monitoring.settings import Settings
from monitoring.signals.integration import TradingCeleryIntegration


def init_sentry(settings: Settings | None = None, *, component: str | None = None, **options: Any) -> bool:
    """Start monitoring in this process and say whether it is on. Call it as often as you like: once is what counts.

    Call it before the worker starts, where the Celery app is made. Without `settings` the environment is read.
    `component` says what the process is (`trading_engine` by default, then `web`, `beat` or a name of yours); named in
    a later call it replaces the first. Further `options` go to `sentry_sdk.init`; hooks among them run before ours.
    Without a DSN, or with `SENTRY_ENABLED=false`, nothing is connected and nothing is sent.

    Raises `SettingsError` when a setting cannot be used, with every mistake.
    """
    known = Settings.from_env() if settings is None else settings
    first = sdk.started() is None
    integration = TradingCeleryIntegration(known)
    active = sdk.start(known, component=component, integrations=[integration], fold=integration.fold, options=options)
    if active and first:
        integration.connect()
    return active
