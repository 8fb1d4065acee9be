"""Any value, however nested: names judge what they name, texts are cleaned, sizes are bounded.

What lies beyond a bound is replaced, never passed through. The value given is left as it is; what changed is new.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from typing import Final
from uuid import UUID

from sentry_sdk.utils import AnnotatedValue

from monitoring.scrubbing.marks import CYCLE, FAILED, FILTERED, TOO_DEEP, TOO_LARGE
from monitoring.scrubbing.names import Kind, classify, classify_header, classify_query, classify_user
from monitoring.scrubbing.pairs import Reading
from monitoring.scrubbing.phrases import SHORTEST_PHRASE, is_phrase
from monitoring.scrubbing.text import LONGEST_TEXT, clean
from monitoring.scrubbing.values import masked

DEEPEST: Final = 16
MOST_ITEMS: Final = 1000
MOST_NODES: Final = 20_000


class Place(Enum):
    """Where a value stands: it decides which names count there."""

    ANYWHERE = "anywhere"
    HEADERS = "HTTP headers"
    QUERY = "a query string"
    USER = "a person"


_CLASSIFY: Final = {
    Place.ANYWHERE: classify,
    Place.HEADERS: classify_header,
    Place.QUERY: classify_query,
    Place.USER: classify_user,
}
_READING: Final = {
    Place.ANYWHERE: Reading.TEXT,
    Place.HEADERS: Reading.HEADERS,
    Place.QUERY: Reading.QUERY,
    Place.USER: Reading.TEXT,
}
# What stands under these names is another place.
_PLACES: Final = {
    "headers": Place.HEADERS,
    "header": Place.HEADERS,
    "query_string": Place.QUERY,
    "query": Place.QUERY,
    "http.query": Place.QUERY,
    "url.query": Place.QUERY,
    "params": Place.QUERY,
    "user": Place.USER,
}
_ATOMS: Final = (bool, int, float, complex, Decimal, Fraction, dt.date, dt.time, dt.timedelta, dt.tzinfo, UUID)
_KEY_BYTES: Final = 64
# An exchange client holds every credential; a header object holds one. No `repr` of theirs is read.
_CLOSED_MODULES: Final = ("ccxt.",)


class Walk:
    """One walk over one value: it carries the bounds."""

    __slots__ = ("_above", "_left")

    def __init__(self) -> None:
        self._left = MOST_NODES
        self._above: set[int] = set()

    def value(self, value: object, place: Place = Place.ANYWHERE, kind: Kind = Kind.PLAIN) -> object:
        """Return the value without secrets, given what its name says of it."""
        self._left -= 1
        if self._left < 0:
            return TOO_LARGE
        if type(value) is str:
            return self._text(value, place, kind)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, _ATOMS):
            return FILTERED if kind in (Kind.SECRET, Kind.PERSONAL) else value
        if isinstance(value, str):
            return self._text(str.__str__(value), place, kind)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), place, kind)
        if isinstance(value, AnnotatedValue):
            return AnnotatedValue(self.value(value.value, place, kind), value.metadata)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._container(value, place, kind)
        return self._object(value, place, kind)

    def _container(self, value: object, place: Place, kind: Kind) -> object:
        if kind in (Kind.SECRET, Kind.PERSONAL):
            return FILTERED if value else value
        if id(value) in self._above:
            return CYCLE
        if len(self._above) >= DEEPEST:
            return TOO_DEEP
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self.mapping(value, place)
            if isinstance(value, list | tuple):
                return self._sequence(value, place, kind)
            items = [self.value(item, place, kind) for item in islice(iter(value), MOST_ITEMS)]  # type: ignore[call-overload]  # a set
            return frozenset(items) if isinstance(value, frozenset) else set(items)
        finally:
            self._above.discard(id(value))

    def mapping(self, value: Mapping[object, object], place: Place) -> dict[object, object]:
        """Return a dictionary without secrets: what its keys name, and what the keys themselves hold."""
        classify_name = _CLASSIFY[place]
        named = _named_by_sibling(value)
        result: dict[object, object] = {}
        for key, item in islice(value.items(), MOST_ITEMS):
            if type(key) is str:
                name = named if named and key == "value" else key.strip("'\"")
                kind, inner = classify_name(name), _place_of(name, place)
                key = clean(key) if len(key) > 7 else key  # noqa: PLR2004, PLW2901 (no secret is shorter)
            else:
                kind, inner = Kind.PLAIN, place
                key = self._key(key)  # noqa: PLW2901
            result[_free(key, result)] = self.value(item, inner, kind)
        if len(value) > MOST_ITEMS:
            result.popitem()
            result[TOO_LARGE] = TOO_LARGE
        return result

    def _sequence(self, value: Sequence[object], place: Place, kind: Kind) -> object:
        if _is_key_in_bytes(value) or (len(value) >= SHORTEST_PHRASE and is_phrase(value)):
            return FILTERED
        names = getattr(type(value), "_fields", None)
        if isinstance(names, tuple) and len(names) == len(value):
            return self.mapping(dict(zip(names, value, strict=True)), place)
        classify_name = _CLASSIFY[place]
        items: list[object] = []
        following = Kind.PLAIN
        for item in islice(value, MOST_ITEMS):
            items.append(self.value(item, place, kind if following is Kind.PLAIN else following))
            following = Kind.PLAIN
            if type(item) is str and (len(value) == 2 or item.startswith(("--", "'--"))):  # noqa: PLR2004 (a name and its value)
                following = (
                    classify_name(item.strip("'\""))
                    if len(items) == 1 or item.lstrip("'").startswith("--")
                    else following
                )
        if len(value) > MOST_ITEMS:
            items[-1] = TOO_LARGE
        return tuple(items) if isinstance(value, tuple) else items

    def _key(self, key: object) -> object:
        if key is None or isinstance(key, bool | int | float):
            return key
        cleaned = self.value(key)
        try:
            hash(cleaned)
        except TypeError:
            return FAILED
        return cleaned

    def _text(self, value: str, place: Place, kind: Kind) -> str:
        if kind is not Kind.PLAIN:
            mark = masked(kind, value)
            if mark is not None:
                return mark
        return clean(value, _READING[place])

    def _bytes(self, value: bytes, place: Place, kind: Kind) -> bytes:
        text = value[: LONGEST_TEXT + 1].decode("utf-8", "surrogateescape")
        return self._text(text, place, kind).encode("utf-8", "surrogateescape")

    def _object(self, value: object, place: Place, kind: Kind) -> object:
        if kind in (Kind.SECRET, Kind.PERSONAL):
            return FILTERED
        if isinstance(value, type):
            return value
        kin = type(value)
        if any(base.__module__.startswith(_CLOSED_MODULES) for base in kin.__mro__):
            return f"<{kin.__module__}.{kin.__qualname__}>"
        try:
            text = repr(value)
        except Exception:  # noqa: BLE001 (any code may stand behind repr)
            return f"<{kin.__qualname__}: {FAILED}>"
        return self._text(str.__str__(text), place, kind)


def _place_of(name: str, place: Place) -> Place:
    found = _PLACES.get(name.lower())
    if found is not None:
        return found
    return Place.HEADERS if name.lower().endswith("headers") else place if place is not Place.QUERY else Place.ANYWHERE


def _named_by_sibling(value: Mapping[object, object]) -> str | None:
    """Read `{"name": "OK-ACCESS-KEY", "value": …}`: the name stands beside the value."""
    if "value" not in value:
        return None
    name = value.get("name") or value.get("key")
    return name.strip("'\"") if isinstance(name, str) else None


def _free(key: object, taken: dict[object, object]) -> object:
    """Return the key, numbered if another one became the same mark: nothing is lost."""
    if key not in taken:
        return key
    number = 2
    while f"{key} {number}" in taken:
        number += 1
    return f"{key} {number}"


def _is_key_in_bytes(value: Sequence[object]) -> bool:
    return len(value) == _KEY_BYTES and all(type(item) is int and 0 <= item <= 255 for item in value)  # noqa: PLR2004 (a byte)
