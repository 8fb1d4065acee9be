"""Any value, however nested: names judge what they name, texts are cleaned, sizes are bounded.

A name counts as it came and as it leaves, cleaned or written out: either may say what the other does not. What lies
beyond a bound is replaced, never passed through. The value given is left as it is; what changed is new.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Final
from uuid import UUID

from sentry_sdk._types import AnnotatedValue

from monitoring.scrubbing.encodings import SHORTEST_SECRET
from monitoring.scrubbing.marks import CYCLE, FAILED, FILTERED, TOO_DEEP, TOO_LARGE
from monitoring.scrubbing.names import LONGEST_NAME, Kind
from monitoring.scrubbing.phrases import SHORTEST_PHRASE, is_phrase
from monitoring.scrubbing.readings import ANYWHERE, Reading, judge
from monitoring.scrubbing.registry import SECRETS
from monitoring.scrubbing.text import LONGEST_TEXT, clean, known_clean
from monitoring.scrubbing.values import masked

DEEPEST: Final = 16
MOST_ITEMS: Final = 1000
MOST_NODES: Final = 20_000
_UNIT: Final = 6  # sixty-four characters of text count as one node more

_ATOMS: Final = (bool, int, float, complex, Decimal, Fraction, dt.date, dt.time, dt.timedelta, dt.tzinfo, UUID)
_NUMBERS: Final = frozenset({bool, int, float})
_WHOLE: Final = (Kind.SECRET, Kind.PERSONAL)
_KEY_BYTES: Final = 64
_LARGEST_BYTE: Final = 255
_PAIR: Final = 2
# An exchange client holds every credential, so no `repr` of one is read.
_CLOSED_MODULES: Final = ("ccxt.",)


#: Names that say nothing and hold nothing, by reading: when they were found to be so, and what is known of what they
#: name. Bounded; a name that is a secret is never in it.
_harmless: defaultdict[Reading, dict[str, tuple[int, Mapping[str, int]]]] = defaultdict(dict)
_MOST_HARMLESS: Final = 8192


class Walk:
    """One walk over one value: it carries the bounds."""

    __slots__ = ("_above", "_keys", "_left")

    def __init__(self) -> None:
        self._left = MOST_NODES
        self._above: set[int] = set()
        self._keys: dict[str, str] = {}

    def value(  # noqa: PLR0911  # one type, one return
        self, value: object, reading: Reading = ANYWHERE, kind: Kind = Kind.PLAIN
    ) -> object:
        """Return the value without secrets, given what its name says of it."""
        self._left -= 1 + (len(value) >> _UNIT if type(value) is str or type(value) is bytes else 0)
        if self._left < 0:
            return TOO_LARGE
        if type(value) is str:
            return _text(value, reading, kind)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, _ATOMS):
            return FILTERED if kind in _WHOLE else value
        if isinstance(value, str):
            return _text(str.__str__(value), reading, kind)
        if isinstance(value, bytes | bytearray | memoryview):
            return _bytes(bytes(value), reading, kind)
        if isinstance(value, AnnotatedValue):
            return AnnotatedValue(self.value(value.value, reading, kind), value.metadata)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._container(value, reading, kind)
        return _object(value, reading, kind)

    def mapping(
        self, value: Mapping[object, object], reading: Reading, kept: Container[object] = ()
    ) -> dict[object, object]:
        """Return a dictionary without secrets: what its keys name, and what the keys themselves hold.

        What stands under one of the names in `kept` stays as it is.
        """
        named = _named_by_sibling(value) if "value" in value else None
        items = value.items() if len(value) <= MOST_ITEMS else islice(value.items(), MOST_ITEMS)
        harmless, generation = _harmless[reading], SECRETS.generation
        result: dict[object, object] = {}
        for key, item in items:
            if key in kept:
                result[key] = item
                continue
            # Most of any item is as it was when it was last read: a harmless name, and a value that was found clean.
            if type(key) is str and key not in result and (named is None or key != "value"):
                found = harmless.get(key)
                if found is not None and found[0] == generation and self._passes(item, found[1], generation):
                    result[key] = item
                    continue
            name = _free(self._key(key), result)
            told = self._named(key, item, reading, named)
            if name is not key:
                told = self._told_again(told, _said_by(key, named, reading), _said_by(name, named, reading))
            result[name] = told
        if "value" in result and (renamed := _named_by_sibling(result)) is not None:
            said = _said_by("value", named, reading)
            result["value"] = self._told_again(result["value"], said, judge(renamed, reading))
        if len(value) > MOST_ITEMS:
            result.popitem()
            result[TOO_LARGE] = TOO_LARGE
        return result

    def _named(self, key: object, item: object, reading: Reading, named: str | None) -> object:
        kind, inner = _said_by(key, named, reading)
        generation = SECRETS.generation  # a secret that is registered while the name is read makes it unread
        if type(key) is str and kind is Kind.PLAIN and len(key) <= LONGEST_NAME and clean(key) == key:
            remembered = _harmless[reading]
            if len(remembered) >= _MOST_HARMLESS:
                remembered.clear()
            if not (named and key == "value"):
                remembered[key] = (generation, known_clean(inner))
        return self.value(item, inner, kind)

    def _told_again(self, told: object, before: tuple[Kind, Reading], after: tuple[Kind, Reading]) -> object:
        """Clean a value once more if its name says something else as it leaves than it said as it came."""
        kind, inner = after
        return told if after == before else self.value(told, inner, kind)

    def _passes(self, item: object, known: Mapping[str, int], generation: int) -> bool:
        kind = type(item)
        if kind is str:
            if known.get(item) != generation:  # type: ignore[call-overload]  # a str, as its type says
                return False
        elif item is not None and kind not in _NUMBERS:
            return False
        self._left -= 1
        return self._left >= 0

    def _container(
        self, value: Mapping[object, object] | Sequence[object] | AbstractSet[object], reading: Reading, kind: Kind
    ) -> object:
        if kind in _WHOLE:
            return FILTERED if value else value
        if id(value) in self._above:
            return CYCLE
        if len(self._above) >= DEEPEST:
            return TOO_DEEP
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self.mapping(value, reading)
            if isinstance(value, AbstractSet):
                items = (self.value(item, reading, kind) for item in islice(value, MOST_ITEMS))
                return frozenset(items) if isinstance(value, frozenset) else set(items)
            return self._sequence(value, reading, kind)
        finally:
            self._above.discard(id(value))

    def _sequence(self, value: Sequence[object], reading: Reading, kind: Kind) -> object:
        if _is_key_in_bytes(value) or (len(value) >= SHORTEST_PHRASE and is_phrase(value)):
            return FILTERED
        fields = getattr(type(value), "_fields", None)
        if isinstance(fields, tuple) and len(fields) == len(value):
            return self.mapping(dict(zip(fields, value, strict=True)), reading)
        items: list[object] = []
        said = again = Kind.PLAIN
        for item in islice(value, MOST_ITEMS):
            told = self.value(item, reading, kind if said is Kind.PLAIN else said)
            if again is not said:
                told = self.value(told, reading, kind if again is Kind.PLAIN else again)
            items.append(told)
            said = _said_of_next(item, value, reading, first=len(items) == 1)
            again = said if told is item else _said_of_next(told, value, reading, first=len(items) == 1)
        if len(value) > MOST_ITEMS:
            items[-1] = TOO_LARGE
        return tuple(items) if isinstance(value, tuple) else items

    def _key(self, key: object) -> object:
        if type(key) is str:
            if len(key) < SHORTEST_SECRET:
                return key
            cleaned = self._keys.get(key)
            if cleaned is None:
                cleaned = self._keys[key] = clean(key)
            return cleaned
        if key is None or isinstance(key, bool | int | float):
            return key
        return self.value(key)


def _said_by(key: object, named: str | None, reading: Reading) -> tuple[Kind, Reading]:
    """Say what a key tells of its value: `named` is what stands beside `value`."""
    name = _name_in(key)
    if name is None:
        return Kind.PLAIN, reading
    return judge(named if named and name == "value" else name, reading)


def _text(value: str, reading: Reading, kind: Kind) -> str:
    if kind is Kind.PLAIN:
        return clean(value, reading)
    mark = masked(kind, value)
    if mark is None:
        # A mark may make a text as long as a secret is.
        value = clean(value, reading)
        mark = masked(kind, value)
    return value if mark is None else mark


def _bytes(value: bytes, reading: Reading, kind: Kind) -> bytes:
    text = value[: LONGEST_TEXT + 1].decode("utf-8", "surrogateescape")
    return _text(text, reading, kind).encode("utf-8", "surrogateescape")


def _object(value: object, reading: Reading, kind: Kind) -> object:
    """Describe what is no data by its `repr`, as the SDK would."""
    if kind in _WHOLE:
        return FILTERED
    kin = type(value)
    if isinstance(value, type) or any(base.__module__.startswith(_CLOSED_MODULES) for base in kin.__mro__):
        return f"<{kin.__module__}.{kin.__qualname__}>"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # any code may stand behind repr
        return f"<{kin.__qualname__}: {FAILED}>"
    return _text(str.__str__(text), reading, kind)


def _said_of_next(item: object, whole: Sequence[object], reading: Reading, *, first: bool) -> Kind:
    """Say what an item tells of the one that follows: `("OK-ACCESS-KEY", …)` and `["--password", …]`."""
    name = _name_in(item)
    if name is None or not ((first and len(whole) == _PAIR) or name.startswith(("--", "'--"))):
        return Kind.PLAIN
    return judge(name, reading)[0]


def _name_in(value: object) -> str | None:
    """Read a name in text, or in bytes, as Redis and ASGI give them."""
    if type(value) is bytes and len(value) <= LONGEST_TEXT:
        return value.decode("utf-8", "replace")
    return value if type(value) is str else None


def _named_by_sibling(value: Mapping[object, object]) -> str | None:
    """Read `{"name": "OK-ACCESS-KEY", "value": …}`: the name stands beside the value."""
    if "value" not in value:
        return None
    name = value.get("name") or value.get("key")
    return name if isinstance(name, str) else _name_in(name)


def _free(key: object, taken: Mapping[object, object]) -> object:
    """Return the key, numbered if another one became the same mark: nothing is lost."""
    if key not in taken:
        return key
    number = 2
    while f"{key} {number}" in taken:
        number += 1
    return f"{key} {number}"


def _is_key_in_bytes(value: Sequence[object]) -> bool:
    """Know a Solana key pair as its file has it: 64 bytes in decimal."""
    return len(value) == _KEY_BYTES and all(type(item) is int and 0 <= item <= _LARGEST_BYTE for item in value)
