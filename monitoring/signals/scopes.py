"""The two scopes of an attempt, filled when somebody first looks at them.

Forking the SDK's scopes and telling them whose work is done costs more than a task that succeeds is worth, and most
tasks never look. Here an attempt gets two empty scopes at once; the first tag, breadcrumb, span or event, from wherever
it comes, finds them forked and told as if they had been from the start.
"""

from __future__ import annotations

import os
import threading
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from sentry_sdk.scope import Scope
from sentry_sdk.traces import NoOpStreamedSpan
from sentry_sdk.tracing import NoOpSpan

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[Scope], None]

_SLOTS: Final = tuple(Scope.__slots__)
_NAMES: Final = frozenset(_SLOTS)

#: One for all: filling one scope may look at the other. Held for microseconds, and no code of the application's runs.
_filling = threading.RLock()


def _renew_lock() -> None:
    global _filling  # noqa: PLW0603  # a thread of the parent may have held it, and does not exist in the child
    _filling = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


class LazyScope(Scope):
    """Be a fork of `origin`, with what `tell` writes on it, from the moment when anything of it is read."""

    __slots__ = ("_origin", "_tell")

    def __init__(self, origin: Scope, tell: Tell) -> None:
        # Not the SDK's own: what it would set is what is left open here.
        self._origin: Scope | None = origin
        self._tell = tell
        # The SDK asks for it all the time, and it says nothing of the attempt.
        self.client = origin.client

    def __getattr__(self, name: str) -> Any:
        """Fill the scope: Python calls this only for what is not there yet."""
        if name not in _NAMES:
            raise AttributeError(name)
        with _filling:
            origin = getattr(self, "_origin", None)  # a copy of a filled scope has none
            if origin is not None:
                self._origin = None
                self._fill(copy(origin))
        return object.__getattribute__(self, name)

    def _fill(self, fork: Scope) -> None:
        # Told before anything of it shows: another thread may read this scope without waiting for us.
        self._tell(fork)
        for slot in _SLOTS:
            try:
                object.__getattribute__(self, slot)  # somebody has set it before anybody read anything: it stays
            except AttributeError:
                setattr(self, slot, getattr(fork, slot))


class AttemptScopes:
    """Hold the scopes of a running attempt, and what they stand in front of."""

    __slots__ = ("_before", "current", "isolation")

    def __init__(self, tell_isolation: Tell, tell_current: Tell) -> None:
        before = self._before = Scope.get_current_scope(), Scope.get_isolation_scope()
        self.current = LazyScope(before[0], tell_current)
        self.isolation = LazyScope(before[1], tell_isolation)
        Scope.set_current_scope(self.current)
        Scope.set_isolation_scope(self.isolation)

    def close(self) -> None:
        """Put back what was in force before."""
        Scope.set_current_scope(self._before[0])
        Scope.set_isolation_scope(self._before[1])

    @property
    def untouched(self) -> bool:
        """Say that nobody has looked at either scope so far."""
        return self.isolation._origin is not None and self.current._origin is not None  # noqa: SLF001  # ours

    def place_in_trace(self) -> tuple[str, str | None]:
        """Return the ids of the running trace, and of its running span if that is sampled."""
        span = self.current._span or self.isolation._span  # noqa: SLF001  # what both lifecycles share
        if span is not None and not isinstance(span, NoOpStreamedSpan | NoOpSpan):
            return span.trace_id, span.span_id
        return self.isolation.get_active_propagation_context().trace_id, None

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attributes in force, without filling anything: while nobody looked, those from before."""
        current, isolation = self._before if self.untouched else (self.current, self.isolation)
        ambient = Scope.get_global_scope()._attributes  # noqa: SLF001  # the scope has no public reader for them
        return {**ambient, **isolation._attributes, **current._attributes}  # noqa: SLF001  # as above
