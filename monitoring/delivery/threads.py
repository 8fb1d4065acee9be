"""Start a thread of ours out of whatever task happens to need it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope

if TYPE_CHECKING:
    import threading


def start(thread: threading.Thread) -> bool:
    """Start a thread; False if the interpreter is ending, and no thread can be started any more."""
    # The SDK gives every thread a copy of the scopes it was started in: a task's, kept for life.
    with use_scope(Scope(ScopeType.CURRENT)), use_isolation_scope(Scope(ScopeType.ISOLATION)):
        try:
            thread.start()
        except RuntimeError:
            return False
    return True
