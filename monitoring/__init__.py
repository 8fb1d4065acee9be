"""Celery worker monitoring for trading platforms that watch their tasks in Sentry.

`monitoring.init_sentry()` where the Celery app is made is all of the setup. The rest is for what an application knows
and its tasks' arguments do not say: whose work it is, what happened, what must not leave, what moves money.

Names are loaded when they are first used: `monitoring.cli` is imported by every `celery` command, of any app.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from monitoring.capture import (
        add_breadcrumb,
        capture_exception,
        capture_message,
        flush,
        set_user_context,
        track_trading_operation,
    )
    from monitoring.context import TradingContext, set_trading_context, trading_context
    from monitoring.scrubbing import register_secret
    from monitoring.settings import Settings, SettingsError
    from monitoring.start import init_sentry
    from monitoring.verdict import explain
    from monitoring.version import __version__

__all__ = [
    "Settings",
    "SettingsError",
    "TradingContext",
    "__version__",
    "add_breadcrumb",
    "capture_exception",
    "capture_message",
    "explain",
    "flush",
    "init_sentry",
    "register_secret",
    "set_trading_context",
    "set_user_context",
    "track_trading_operation",
    "trading_context",
]

_HOMES = {
    "Settings": "settings",
    "SettingsError": "settings",
    "TradingContext": "context",
    "__version__": "version",
    "add_breadcrumb": "capture",
    "capture_exception": "capture",
    "capture_message": "capture",
    "explain": "verdict",
    "flush": "capture",
    "init_sentry": "start",
    "register_secret": "scrubbing",
    "set_trading_context": "context",
    "set_user_context": "capture",
    "track_trading_operation": "capture",
    "trading_context": "context",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_loaded(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def _loaded(module: str) -> ModuleType:
    """Import a module while the garbage collector rests.

    What modules make stays for good. Left to itself the collector looks through all of it, and all that Celery and the
    application have made, again and again: some 70 ms of a worker's start.
    """
    rests = not gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if not rests:
            gc.enable()
