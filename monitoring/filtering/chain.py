"""From an exception to what was behind it: causes, contexts, groups, and the wrappers that Celery puts around errors.

Bounded and never raising: what is walked here was raised by anybody's code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

#: An error is seldom wrapped more than three times.
MAX_LINKS: Final = 16
#: Enough of a message to find codes in; an exchange may answer with a whole page.
MAX_MESSAGE: Final = 4096

Lineage = tuple[tuple[str, str], ...]
"""(module, class name) of a class and its ancestors, nearest first."""


@dataclass(frozen=True, slots=True)
class Link:
    """One error of the chain. `explicit` is False once a step was taken that only says "while handling"."""

    lineage: Lineage
    message: str
    error: object
    traceback: TracebackType | None
    explicit: bool


def links(error: object) -> tuple[Link, ...]:
    """Return the chain from the outermost error inwards; wrappers that say nothing themselves are left out.

    `error` may also be billiard's ExceptionInfo. `raise … from None` hides a context from readers, not from here: an
    order that timed out has timed out.
    """
    found: list[Link] = []
    seen: set[int] = set()
    waiting: list[tuple[object, bool]] = [(error, True)]
    while waiting and len(found) < MAX_LINKS and len(seen) < 4 * MAX_LINKS:
        current, explicit = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        wrapped = _wrapped(current)
        if wrapped is not None:
            waiting[:0] = [(wrapped, explicit)]
        elif (link := _link(current, explicit=explicit)) is not None:
            found.append(link)
        waiting += _behind(current, explicit=explicit)
    return tuple(found)


def lineage(kind: type) -> Lineage:
    """Return the names of a class and its ancestors, without what every exception has."""
    return tuple(
        (ancestor.__module__, ancestor.__name__)
        for ancestor in kind.__mro__
        if ancestor not in {object, BaseException, Exception}
    )


def _link(current: object, *, explicit: bool) -> Link | None:
    names = {name for _, name in lineage(type(current))}
    if "UnpickleableExceptionWrapper" in names:
        module, name = str(getattr(current, "exc_module", "")), str(getattr(current, "exc_cls_name", ""))
        return Link(((module, name),), _text(current), current, None, explicit)
    if not isinstance(current, BaseException) or names & _SILENT:
        return None
    return Link(lineage(type(current)), _text(current), current, current.__traceback__, explicit)


#: Celery's wrappers, and groups: what they hold is told, they are not. RemoteTraceback is only a text.
_SILENT: Final = frozenset(
    {"ExceptionWithTraceback", "RemoteTraceback", "TaskPredicate", "MaxRetriesExceededError", "BaseExceptionGroup"}
)

#: wrapper's class name -> the attribute that holds the error
_HOLDERS: Final = {
    "ExceptionInfo": "exception",
    "ExceptionWithTraceback": "exc",
    "Retry": "exc",
    "Reject": "reason",
}


def _wrapped(current: object) -> object | None:
    for ancestor in type(current).__mro__:
        if (attribute := _HOLDERS.get(ancestor.__name__)) is not None:
            held = getattr(current, attribute, None)
            return held if held is not None and not isinstance(held, str) else None
    return None


def _behind(current: object, *, explicit: bool) -> Iterator[tuple[object, bool]]:
    if isinstance(current, BaseExceptionGroup):
        for member in current.exceptions:
            yield member, explicit
    if isinstance(current, BaseException):
        # Celery raises MaxRetriesExceededError while it handles the last attempt's error: that is no accident.
        ours = type(current).__name__ == "MaxRetriesExceededError"
        yield current.__cause__, explicit
        yield current.__context__, explicit and (ours or current.__context__ is current.__cause__)


def _text(current: object) -> str:
    try:
        return str(current)[:MAX_MESSAGE]
    except Exception:  # noqa: BLE001  # anybody's __str__
        return ""
