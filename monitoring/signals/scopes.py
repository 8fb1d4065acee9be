"""The two scopes of an attempt, filled when somebody first looks at them.

Forking the SDK's scopes and telling them whose work is done costs more than a task that succeeds is worth, and most
tasks never look. Here an attempt gets two empty scopes at once; the first tag, breadcrumb, span or event, from wherever
it comes, finds them forked and told as if they had been from the start.
"""

from __future__ import annotations

import os
import threading
from copy import copy
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from sentry_sdk import scope
from sentry_sdk.client import NonRecordingClient
from sentry_sdk.scope import Scope, _current_scope, _isolation_scope
from sentry_sdk.traces import NoOpStreamedSpan
from sentry_sdk.tracing import NoOpSpan
from sentry_sdk.utils import capture_internal_exceptions, disable_capture_event

from monitoring import transactions
from monitoring.signals.undisturbed import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sentry_sdk.client import BaseClient

_SLOTS: Final = tuple(Scope.__slots__)
_NAMES: Final = frozenset(_SLOTS)
_contents: Final = attrgetter(*_SLOTS)
_PUT: Final = tuple(getattr(Scope, slot).__set__ for slot in _SLOTS)

#: One for all: filling one scope may look at the other. Held for microseconds, and no code of the application's runs.
_filling = threading.RLock()


def _renew_lock() -> None:
    global _filling  # noqa: PLW0603  # a thread of the parent may have held it, and does not exist in the child
    _filling = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


class AttemptScope(Scope):
    """Be one of an attempt's two scopes."""

    __slots__ = ("_unfilled",)

    def capture_event(self, event: Any, hint: Any = None, scope: Any = None, **more: Any) -> str | None:
        """Send the attempt's own transaction the short way; everything else is the SDK's."""
        plain = hint is None and scope is None and not more and not disable_capture_event.get(False)
        if plain and event.get("type") == "transaction":
            sent = transactions.send(event, self._merge_scopes())
            if sent is not None:
                return sent or None
        with undisturbed:
            return super().capture_event(event, hint, scope, **more)


_new: Final = object.__new__
_set: Final = object.__setattr__
_set_unfilled: Final = AttemptScope._unfilled.__set__  # type: ignore[attr-defined]  # noqa: SLF001  # our own slot


class Owner(Protocol):
    """Whose scopes they are: an attempt."""

    def tell_isolation(self, scope: Scope) -> None:
        """Write on a fork of the isolation scope what stands there from the start."""

    def tell_current(self, scope: Scope) -> None:
        """Do the same for the current scope."""

    def looked(self) -> None:
        """Know that one of them has been filled, by the thread that looked, before it sees anything."""


class LazyScope(AttemptScope):
    """Become a fork of `origin`, with what `tell` writes on it, as soon as anything of it is read or written."""

    __slots__ = ()

    #: What it stands in front of; then, until it is filled, what fills it and whose it is.
    _unfilled: tuple[Any, ...]

    def __getattr__(self, name: str) -> Any:
        """Fill the scope: Python calls this only for what is not there yet."""
        if name == "client":
            # The SDK asks for it all the time, and it says nothing of the attempt.
            return self._unfilled[0].client
        if name not in _NAMES:
            raise AttributeError(name)
        self._fill()
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._fill()
        _set(self, name, value)

    def __copy__(self) -> Scope:
        self._fill()
        return copy(self)

    def _fill(self) -> None:
        with _filling, undisturbed:
            if type(self) is not LazyScope:
                return  # another thread was here first
            origin, tell, owner = self._unfilled
            fork = copy(origin)
            # Told before anything of it shows: another thread may read this scope without waiting for us. Whoever looks
            # may be the application, and nothing of ours is raised into that.
            with capture_internal_exceptions():
                tell(fork)
            for put, value in zip(_PUT, _contents(fork), strict=True):
                put(self, value)
            # From here on it is a scope like any other, at no cost. A streamed segment is a cycle of the SDK's, which
            # holds it: the attempt is not to be held with it.
            _set(self, "_unfilled", (origin,))
            _set(self, "__class__", AttemptScope)
            with capture_internal_exceptions():
                owner.looked()


def _lazy(origin: Scope, tell: Callable[[Scope], None], owner: Owner) -> LazyScope:
    # Past the SDK's own constructor: what it would set is what is left open here.
    lazy = _new(LazyScope)
    _set_unfilled(lazy, (origin, tell, owner))
    return lazy


def unfilled_owner() -> Any | None:
    """Return whose isolation scope is in force, if it is one that nobody has filled."""
    isolation = _isolation_scope.get()
    return isolation._unfilled[2] if type(isolation) is LazyScope else None  # noqa: SLF001  # our own


class AttemptScopes:
    """Hold the scopes of a running attempt, and what they stand in front of."""

    __slots__ = ("before", "client", "current", "everywhere", "isolation")

    def __init__(self, owner: Owner) -> None:
        #: What was in force: the current scope and the isolation scope; and the scope below both.
        current = _current_scope.get() or Scope.get_current_scope()
        isolation = _isolation_scope.get() or Scope.get_isolation_scope()
        self.before = current, isolation
        self.everywhere = everywhere = scope._global_scope or Scope.get_global_scope()  # noqa: SLF001  # saves a call
        #: The one in force: mostly the process's, and then to ask the SDK costs three calls.
        self.client: BaseClient = everywhere.client
        if not (type(current.client) is type(isolation.client) is NonRecordingClient):
            self.client = Scope.get_client()
        self.current: Scope = _lazy(current, owner.tell_current, owner)
        self.isolation: Scope = _lazy(isolation, owner.tell_isolation, owner)
        _current_scope.set(self.current)
        _isolation_scope.set(self.isolation)

    def close(self) -> None:
        """Put back what was in force before."""
        current, isolation = self.before
        _current_scope.set(current)
        _isolation_scope.set(isolation)

    @property
    def untouched(self) -> bool:
        """Say that nobody has looked at either scope so far."""
        return type(self.isolation) is type(self.current) is LazyScope

    def place_in_trace(self) -> tuple[str, str | None]:
        """Return the ids of the running trace, and of its running span if that is sampled."""
        span = self.current._span or self.isolation._span  # noqa: SLF001  # what both lifecycles share
        if span is not None and not isinstance(span, NoOpStreamedSpan | NoOpSpan):
            return span.trace_id, span.span_id
        return self.isolation.get_active_propagation_context().trace_id, None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Return the attributes in force, without filling anything: while nobody looked, those from before."""
        current, isolation = self.current, self.isolation
        if type(isolation) is type(current) is LazyScope:
            current, isolation = self.before
        below, above = isolation._attributes, current._attributes  # noqa: SLF001  # the scope has no public reader
        everywhere = self.everywhere._attributes  # noqa: SLF001  # as above
        return {**everywhere, **below, **above} if below or above else everywhere
