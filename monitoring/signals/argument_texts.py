"""By which texts the arguments of a task are known again, wherever they stand in a `repr`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from sentry_sdk.utils import safe_repr

from monitoring.context import MAX_VALUE, normalised
from monitoring.settings import CONTEXT_FIELDS

if TYPE_CHECKING:
    from monitoring.context import ArgumentNames

#: A shorter text is found in anything, and tells little: it must be all of a value, and at least `_SHORTEST` long.
SHORTEST_INSIDE: Final = 4
_SHORTEST: Final = 2
#: As much of a long text is looked for, so that one that a `repr` has cut is found too. Characters.
_LONGEST: Final = 64
#: The scrubber cuts every text at about half of this. Characters.
_LONGEST_VALUE: Final = 16_384
DEEPEST: Final = 16
#: The most values in the arguments of a task.
_MOST_VALUES: Final = 2000
#: The most work in one event: characters that are read, times texts that are looked for (some 50 ms).
_MOST_WORK: Final = 100_000_000

#: What quoting and escaping add, once or several times over, and how lines are broken.
_QUOTING: Final = dict.fromkeys(map(ord, " \t\n\r\v\f'\"\\"))
#: A number in a text; after an escaped line break too, whose letter is no part of a word.
_NUMBER: Final = re.compile(r"(?:(?<![\w.])|(?<=\\[nrt]))\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w)")


#: A text in a `repr`, and whether it names what follows.
_QUOTED: Final = re.compile(r"""(['"])((?:(?!\1)[^\\]|\\.)*)\1(:?)""")


class TooLargeError(Exception):
    """The arguments hold more than is looked for."""


@dataclass(slots=True)
class ArgumentTexts:
    """Know a call's arguments by their texts. What the context tells of them is known to be no secret."""

    names: ArgumentNames
    tags: Mapping[str, object]
    _told: set[str] = field(default_factory=set)
    _whole: set[str] = field(default_factory=set)
    _inside: set[str] = field(default_factory=set)
    _numbers: set[str] = field(default_factory=set)
    _values_left: int = _MOST_VALUES
    _work_left: int = _MOST_WORK

    def __post_init__(self) -> None:
        self.tags = {name: self.tags[name] for name in CONTEXT_FIELDS if name in self.tags}
        self._told.update(_bare(str(value)) for value in self.tags.values())

    def take_call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Take the texts of a call's arguments. Raises TooLargeError, and whatever the application's objects raise."""
        positions = _positions(function)
        named = [(positions[number] if number < len(positions) else None, value) for number, value in enumerate(args)]
        for whole, items in ((args, named), (kwargs, list(kwargs.items()))):
            held = [self._take_named(name, value, 0) for name, value in items]
            if any(held):
                # In one piece: what is short shows only beside the others.
                self._add_text(safe_repr(whole))

    def take_shown(self, shown: object) -> None:
        """Take the texts and numbers in what a message says of its arguments; Celery has cut it at 1024 characters."""
        if not isinstance(shown, str):
            return
        for _, text, names in _QUOTED.findall(shown[:_LONGEST_VALUE]):
            if not names and _bare(text) not in self._told:
                self._take(text, 0)
        for number in _NUMBER.findall(_QUOTED.sub("", shown[:_LONGEST_VALUE])):
            if number not in self._told:
                self._take(Decimal(number), 0)

    def show_in(self, text: str) -> bool:
        """Say whether a value's `repr` holds an argument, or may: beyond the bounds all do."""
        text = text[:_LONGEST_VALUE]
        bare = _bare(text)
        if bare in self._told:
            return False
        if bare in self._whole:
            return True
        self._work_left -= len(text) * (len(self._inside) + len(self._numbers))
        if self._work_left < 0 or any(each in bare for each in self._inside):
            return True
        # Most texts hold none of the numbers, and to look is cheaper than to read.
        return any(each in text for each in self._numbers) and not self._numbers.isdisjoint(_NUMBER.findall(text))

    def _take_named(self, name: object, value: object, depth: int) -> bool:
        """Take a value, unless its name makes it part of the context."""
        field_ = self.names.field_of.get(name) if isinstance(name, str) else None
        if field_ is not None and self._is_plain(field_, value):
            self._told.add(_bare(_text_of(value)))
            return False
        return self._take(value, depth)

    def _is_plain(self, field_: str, value: object) -> bool:
        """Say whether a value can be a context's, whole."""
        return normalised(field_, value) is not None and len(_text_of(value)) <= MAX_VALUE

    def _take(self, value: object, depth: int) -> bool:  # noqa: PLR0911  # one kind of value, one return
        """Take the texts of a value and of all in it; say whether there is anything but the context."""
        self._values_left -= 1
        if self._values_left < 0 or depth > DEEPEST:
            raise TooLargeError
        if value is None or isinstance(value, bool):
            return False
        if any(normalised(name, value) == told and self._is_plain(name, value) for name, told in self.tags.items()):
            return False
        if isinstance(value, Enum):
            self._add_text(safe_repr(value))
            return self._take(value.value, depth + 1)
        if isinstance(value, int | float | Decimal):
            self._add_number(value)
            return True
        if isinstance(value, str):
            self._add_text(str.__str__(value))
            return True
        if isinstance(value, bytes | bytearray | memoryview):
            self._add_text(bytes(value).decode("utf-8", "backslashreplace"))
            return True
        if isinstance(value, Mapping):
            return self._take_items(value.items(), depth)
        if isinstance(value, list | tuple | AbstractSet):
            declared: Iterable[Any] = getattr(type(value), "_fields", ())
            pairs = zip(declared, value, strict=False) if declared else ((None, item) for item in value)
            held = [self._take_named(name, item, depth + 1) for name, item in pairs]
            return any(held)
        self._add_text(safe_repr(value))
        self._add_text(str(value))
        self._take_items(_attributes(value), depth)
        return True

    def _take_items(self, items: Iterable[tuple[Any, Any]], depth: int) -> bool:
        """Take the values, and the keys that are data and no names of fields."""
        held = False
        for key, item in items:
            if not (isinstance(key, str) and key.isascii() and key.replace("_", "").isalpha()):
                held |= self._take(key, depth + 1)
            held |= self._take_named(key, item, depth + 1)
        return held

    def _add_text(self, text: str) -> None:
        text = text[:_LONGEST]
        # As it is, and as `repr`, JSON and bytes write what is not ASCII or not printable.
        for form in (text, repr(text), json.dumps(text), repr(text.encode("utf-8", "backslashreplace"))[1:]):
            bare = _bare(form)
            if len(bare) >= SHORTEST_INSIDE:
                self._inside.add(bare)
            elif len(bare) >= _SHORTEST:
                self._whole.add(bare)

    def _add_number(self, number: float | Decimal) -> None:
        try:
            forms = {str(number), str(float(number)), *((str(int(number)),) if number == int(number) else ())}
        except (ValueError, OverflowError):
            # No number, or one so large that nobody can print it.
            return
        for form in forms:
            if len(form) >= _SHORTEST:
                self._whole.add(form)
            if len(unsigned := form.lstrip("-")) >= SHORTEST_INSIDE:
                self._numbers.add(unsigned)


def _bare(text: str) -> str:
    """Return a text without what quoting it may have added."""
    return text.translate(_QUOTING)


def _text_of(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _positions(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's positional parameters, in order."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in parameters if parameter.kind in kinds)


def _attributes(value: object) -> list[tuple[str, object]]:
    """Return what an object holds by name: its own dictionary, or the slots of a dataclass."""
    held: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for name in getattr(type(value), "__dataclass_fields__", ()):
        held.setdefault(name, getattr(value, name, None))
    return list(held.items())
