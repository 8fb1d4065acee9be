"""Which bot, on which exchange, with which symbol: the context that everything a task produces is told with.

The bound context lives on Sentry's scopes, as tags and as attributes, and nowhere else: scopes are already kept apart
per request, per attempt, per thread and per greenlet, and a tag set by hand (`sentry_sdk.set_tag("bot_id", …)`) counts
as well. Tags reach events and transactions; attributes reach streamed spans, logs and metrics; neither reaches both.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import sentry_sdk

from monitoring.settings import CONTEXT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from sentry_sdk.scope import Scope

#: Sentry cuts a tag's value at 200 characters; a name this long is a mistake already.
MAX_VALUE: Final = 128

_CASE: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType({"exchange": str.lower, "symbol": str.upper})


def normalised(field: str, value: object) -> str | None:
    """Give a context value the one spelling that it is searched by, or None for what cannot be one. Never raises.

    Exchanges are lower case and symbols upper case. Only plain values count: the text of any other object could hold
    anything.
    """
    if type(value) is str and len(value) <= _CACHED:
        return _spelled(field, value)
    try:
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, bool) or not isinstance(value, str | int | UUID):
            return None
        text = str(value)[: 4 * MAX_VALUE]
    except Exception:  # noqa: BLE001  # a number of 5000 digits, an object that lies about its class: not a name
        return None
    return _spelled.__wrapped__(field, text)


#: Names come again and again; a long text is no name, and not worth keeping.
_CACHED: Final = 64


@lru_cache(maxsize=4096)
def _spelled(field: str, text: str) -> str | None:
    if not text.isprintable():
        # Relay turns a tag with a line break into null.
        text = "".join(character for character in text if character.isprintable() or character.isspace())
    # Last, because a letter may become several: ß is SS.
    return _CASE.get(field, str)(" ".join(text.split()))[:MAX_VALUE].rstrip() or None


@dataclass(frozen=True, slots=True)
class TradingContext:
    """Name the bot, exchange, symbol and strategy that a piece of work is for; each may be unknown (None).

    A plain value: making one binds nothing. `of` gives values their one spelling; the constructor takes them as given.
    """

    bot_id: str | None = None
    exchange: str | None = None
    symbol: str | None = None
    strategy: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> TradingContext:
        """Take the context's own fields out of a mapping, normalised; whatever else it holds is left out."""
        return cls(**{field: normalised(field, values[field]) for field in CONTEXT_FIELDS if field in values})

    @classmethod
    def current(cls) -> TradingContext:
        """Return what is bound to the running task, request or `with` block."""
        # Scope has no public reader for tags.
        bound = {**sentry_sdk.get_isolation_scope()._tags, **sentry_sdk.get_current_scope()._tags}  # noqa: SLF001
        return cls.of(bound)

    def over(self, other: TradingContext) -> TradingContext:
        """Return this context with its gaps filled from `other`."""
        if other is NOTHING or other == NOTHING:
            return self
        return TradingContext(
            self.bot_id or other.bot_id,
            self.exchange or other.exchange,
            self.symbol or other.symbol,
            self.strategy or other.strategy,
        )

    def known(self) -> dict[str, str]:
        """Return the fields that are known, by name."""
        return {field: value for field in CONTEXT_FIELDS if (value := getattr(self, field)) is not None}

    def bind(self, scope: Scope) -> None:
        """Write the known fields on a scope, both as tags and as attributes."""
        known = self.known()
        scope.set_tags(known)
        scope.set_attributes(known)  # type: ignore[arg-type]  # str is an AttributeValue; dict is invariant in it


NOTHING: Final = TradingContext()


@contextmanager
def trading_context(**values: object) -> Iterator[TradingContext]:
    """Bind context for the length of a `with` block: for events in it and for the tasks that it publishes.

    Fields that are not named, or whose value cannot be one, keep what is bound outside. Yields what is bound inside.
    Unknown names raise TypeError, also where monitoring is off.
    """
    _refuse_unknown(values)
    with sentry_sdk.new_scope() as scope:
        TradingContext.of(values).bind(scope)
        yield TradingContext.current()


def set_trading_context(**values: object) -> None:
    """Bind context to the rest of the running task or request, and to the tasks that it publishes.

    Fields that are not named, or whose value cannot be one, keep what is bound. Unknown names raise TypeError, also
    where monitoring is off.
    """
    _refuse_unknown(values)
    TradingContext.of(values).bind(sentry_sdk.get_isolation_scope())


def _refuse_unknown(values: Mapping[str, object]) -> None:
    if unknown := values.keys() - set(CONTEXT_FIELDS):
        raise TypeError(f"trading context has {', '.join(CONTEXT_FIELDS)}; got {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True, eq=False)  # by identity: it is a cache's key for every task
class ArgumentNames:
    """Know which argument names mean which field: the fields' own names and what `MONITORING_ARGUMENT_NAMES` adds."""

    field_of: Mapping[str, str]

    @classmethod
    def extended_by(cls, extra: Mapping[str, str]) -> ArgumentNames:
        """Return the fields' own names and these others. An argument with a field's own name goes first."""
        return cls(MappingProxyType({**{field: field for field in CONTEXT_FIELDS}, **extra}))

    def context_of(self, function: Callable[..., object], args: Any, kwargs: Any) -> TradingContext:
        """Find the context in the arguments of a call. Never raises; costs a look-up per field.

        By the function's signature, so positional arguments count; then in the fields of arguments that are
        dictionaries, dataclasses, named tuples or models; then in the signature's defaults.
        """
        plan, count = _plan(function, self), len(args)
        given, are_texts = [], True
        for name, position in plan.places:  # one loop, and no calls: it runs for every task
            value = kwargs[name] if name in kwargs else args[position] if position < count else None
            if value is not None and (type(value) is not str or len(value) > _CACHED):
                are_texts = False
            given.append(value)
        if (
            are_texts
            and _PLAIN.issuperset(map(type, args))
            and (not kwargs or _PLAIN.issuperset(map(type, kwargs.values())))
        ):
            return _context_of_texts(self, plan, tuple(given))
        return self._context_in(plan, given, (*args, *kwargs.values()))

    def _context_in(self, plan: _Plan, given: Sequence[object], values: tuple[Any, ...]) -> TradingContext:
        found: dict[str, str] = {}
        for field, value in zip(plan.fields, given, strict=True):
            if field not in found and (text := normalised(field, value)) is not None:
                found[field] = text
        if len(found) < len(CONTEXT_FIELDS):
            self._look_inside(values, found)
        for field, default in zip(plan.fields, plan.defaults, strict=True):
            if default is not None:
                found.setdefault(field, default)
        return _context(*map(found.get, CONTEXT_FIELDS))

    def _look_inside(self, values: tuple[object, ...], found: dict[str, str]) -> None:
        for value in values[:_MAX_CONTAINERS]:
            if type(value) in _PLAIN:
                continue
            member = _reader(value)
            if member is None:
                continue
            for name, field in self.field_of.items():
                if field not in found and (text := normalised(field, member(name))) is not None:
                    found[field] = text


#: The same few come with every task: to find one again costs less than to make it.
_context: Final = lru_cache(maxsize=4096)(TradingContext)


@lru_cache(maxsize=4096)
def _context_of_texts(names: ArgumentNames, plan: _Plan, given: tuple[str | None, ...]) -> TradingContext:
    """Find it where it depends on these texts alone, as in most calls. Nothing but texts: 1, 1.0 and True are equal."""
    return names._context_in(plan, given, ())  # noqa: SLF001  # its own, kept


#: Arguments that are looked into; tasks take few.
_MAX_CONTAINERS: Final = 16


def _reader(value: object) -> Callable[[str], object] | None:
    """Return how to read a named field of a container argument, or None for what is no container. Never raises."""
    # By its true type: a proxy lies about its class, or raises when asked.
    kind = type(value)
    if issubclass(kind, dict):
        return partial(dict.get, value)
    for declared in _FIELD_LISTS:
        names = _attempted(partial(getattr, kind), declared)
        if isinstance(names, dict | tuple):
            # Declared fields only: a property would run the application's code.
            return partial(_declared, names, partial(getattr, value))
    return None


_PLAIN: Final = frozenset({str, int, float, bool, bytes, list, tuple, set, type(None)})

#: Where a dataclass, a pydantic model and a named tuple list their fields.
_FIELD_LISTS: Final = ("__dataclass_fields__", "model_fields", "_fields")


def _declared(names: Container[str], read: Callable[[str], object], name: str) -> object:
    return _attempted(read, name) if name in names else None


def _attempted(read: Callable[[str], object], name: str) -> object:
    try:
        return read(name)
    except Exception:  # noqa: BLE001  # this runs inside the user's task: a field that cannot be read is unknown
        return None


@dataclass(frozen=True, slots=True, eq=False)  # by identity: it is a cache's key for every task
class _Plan:
    """List where to look for a context in a task's arguments, in order: fields, (name, position), and defaults."""

    fields: tuple[str, ...]
    places: tuple[tuple[str, int], ...]
    defaults: tuple[str | None, ...]


#: The position of an argument that has none.
_NAMED_ONLY: Final = sys.maxsize


@lru_cache(maxsize=2048)
def _plan(function: Callable[..., object], names: ArgumentNames) -> _Plan:
    """Make a task's plan, once."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        named = names.field_of
        return _Plan(tuple(named.values()), tuple((name, _NAMED_ONLY) for name in named), (None,) * len(named))
    positions = {
        parameter.name: position
        for position, parameter in enumerate(parameters)
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    }
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    # `Parameter.empty` is no plain value, so that it normalises to None.
    defaults = {parameter.name: parameter.default for parameter in parameters}
    taken = {name: field for name, field in names.field_of.items() if open_ended or name in defaults}
    return _Plan(
        tuple(taken.values()),
        tuple((name, positions.get(name, _NAMED_ONLY)) for name in taken),
        tuple(normalised(field, defaults.get(name)) for name, field in taken.items()),
    )


assert tuple(field.name for field in fields(TradingContext)) == CONTEXT_FIELDS  # noqa: S101  # one list, told twice
