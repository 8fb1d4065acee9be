"""Keep the arguments of a task out of what its events tell of stack frames, where a local variable would show them.

When an event is captured the SDK has already made each variable a text (its `repr`), or a list or dictionary of texts.
So what is looked for is an argument's text, as it stands in a `repr` however deep. What a task computes from one is its
own and stays, as does what it says of one in an error, a log line or a breadcrumb.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk.utils import current_stacktrace, safe_repr

from monitoring.delivery.losses import count_lost
from monitoring.signals.argument_texts import DEEPEST, ArgumentTexts

if TYPE_CHECKING:
    from monitoring.context import ArgumentNames

MARK: Final = "[task argument]"


def conceal(event: Any, task: Any, request: Any, names: ArgumentNames) -> None:
    """Replace what holds an argument of a task in the variables of an event's frames, by `MARK`.

    `request` has the call's `args` and `kwargs`, and Celery's `argsrepr` and `kwargsrepr` where there are any.
    In frames of the task's own function that is every parameter but those that make the context; in all frames, each
    value that contains an argument's. Never raises: on an error of ours no variable is left, and that is counted.
    """
    try:
        _add_stack(event)
        frames = [frame for frame in _frames(event) if frame.get("vars")]
        if not frames:
            return
        texts = ArgumentTexts(names, event.get("tags") or {})
        texts.take_call(task.run, request.args or (), request.kwargs or {})
        for name in ("argsrepr", "kwargsrepr"):
            # As they were published: a task may have taken a value out of its argument.
            texts.take_shown(getattr(request, name, None))
        own = _own_parameters(task.run, names)
        for frame in frames:
            hidden = own.get((frame.get("abs_path"), frame.get("function")), frozenset())
            frame["vars"] = {
                name: MARK if name in hidden else _without(value, texts, 0) for name, value in frame["vars"].items()
            }
    except Exception:  # noqa: BLE001  # the application's own objects are read; fails closed
        for frame in _frames(event):
            frame.pop("vars", None)
        count_lost("task_arguments")


def _add_stack(event: Any) -> None:
    """Give a message its stack where the application wants one: the SDK would do it when nobody can look any more."""
    options = sentry_sdk.get_client().options
    if options.get("attach_stacktrace") and not event.keys() & {"exception", "stacktrace", "threads"}:
        stack = current_stacktrace(include_local_variables=options["include_local_variables"])
        event["threads"] = {"values": [{"stacktrace": stack, "crashed": False, "current": True}]}


def _frames(event: Any) -> Iterator[dict[str, Any]]:
    """Walk through all stack frames of an event, whatever it tells."""
    entries = [event]
    for section in (event.get("exception"), event.get("threads")):
        values = section.get("values") if isinstance(section, Mapping) else section
        entries += values if isinstance(values, list) else []
    for entry in entries:
        for name in ("stacktrace", "raw_stacktrace"):
            trace = entry.get(name) if isinstance(entry, Mapping) else None
            frames = trace.get("frames") if isinstance(trace, Mapping) else None
            yield from (frame for frame in frames or () if isinstance(frame, dict))


def _own_parameters(function: Any, names: ArgumentNames) -> dict[tuple[Any, Any], frozenset[str]]:
    """Return what to hide by name: (file, function) to parameters, for a task's function and all that wraps it."""
    found: dict[tuple[Any, Any], frozenset[str]] = {}
    bound = False
    for _ in range(DEEPEST):
        bound = bound or inspect.ismethod(function)
        code = getattr(function, "__code__", None)
        if code is not None:
            named, *starred = inspect.getargs(code)
            parameters = {*named[bound:], *filter(None, starred)}
            key = (os.path.abspath(code.co_filename), code.co_name)  # noqa: PTH100  # as the SDK names the file
            found[key] = found.get(key, frozenset()) | (parameters - names.field_of.keys())
        function = getattr(function, "__wrapped__", None)
    return found


def _without(value: object, texts: ArgumentTexts, depth: int) -> object:
    """Return a variable's value, rebuilt, with a mark for each part that holds an argument."""
    if depth > DEEPEST:
        return MARK
    if isinstance(value, Mapping):
        result: dict[str, object] = {}
        for key, item in value.items():
            name = key if isinstance(key, str) else safe_repr(key)
            if texts.show_in(name):
                name = MARK if MARK not in result else f"{MARK} {len(result)}"
            result[name] = _without(item, texts, depth + 1)
        return result
    if isinstance(value, list | tuple | set | frozenset):
        return [_without(item, texts, depth + 1) for item in value]
    text = value if isinstance(value, str) else safe_repr(value)
    if texts.show_in(text):
        return MARK
    return value if value is None or isinstance(value, bool | int | float) else text
