"""Keep a metric, a log, a streamed span as small as Sentry takes one: of a larger metric it refuses all beside it."""

from __future__ import annotations

import json
from typing import Any, Final

from monitoring.scrubbing.words import verbatim

#: Bytes of JSON; Sentry's own limits are 2 KiB of a metric and 1 MiB of a log or a span.
METRIC: Final = 2000
LARGER: Final = 900_000
CUT: Final = "cut"
#: What an operator finds an entry by: shortened before it goes.
WORDS: Final = verbatim("bot_id exchange symbol strategy component task queue attempt outcome operation")

#: Bytes of all but the attributes: a name, ids, times.
_REST: Final = 450
#: Bytes that are written around an attribute.
_AROUND: Final = 40
#: What a character takes at most, as JSON escapes it; and in plain text.
_WIDEST: Final = 12
_WIDEST_PLAIN: Final = 2
_LONGEST_NAME: Final = 200
#: Bytes of an attribute that is no word of ours, from which on it goes before a word is shortened.
_LARGE: Final = 128
_SHORT_WORDS: Final = (40, 16, 8)


def bounded(entry: Any, most: int) -> Any:
    """Return the entry with as many of its attributes as fit; how many are gone stands in `cut`. Never raises."""
    try:
        return _bounded(entry, most)
    except Exception:  # noqa: BLE001  # a number of 5000 digits: then it is as large as it is
        return entry


def _bounded(entry: Any, most: int) -> Any:
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict):
        return entry
    if most == METRIC and isinstance(name := entry.get("name"), str) and len(name) > _LONGEST_NAME:
        entry = {**entry, "name": name[:_LONGEST_NAME]}
    room = most - _REST
    texts = [value if type(value) is str else repr(value) for value in attributes.values()]
    characters = sum(map(len, texts)) + sum(map(len, attributes))
    around = len(attributes) * _AROUND
    if characters * _WIDEST + around <= room:
        return entry
    if characters * _WIDEST_PLAIN + around <= room and _is_plain("".join((*texts, *attributes))):
        return entry
    sizes = {name: _size(name, value) for name, value in attributes.items()}
    if sum(sizes.values()) <= room:
        return entry
    return {**entry, "attributes": _fitted(attributes, sizes, room)}


def _fitted(attributes: dict[Any, Any], sizes: dict[Any, int], room: int) -> dict[Any, Any]:
    kept = dict(attributes)
    # The large ones of the application's go first, then what is long in our words, then the small ones.
    others = sorted((name for name in kept if name not in WORDS), key=lambda name: sizes[name], reverse=True)
    left = room - sum(sizes.values()) - _size(CUT, "0000")
    for name in others:
        if left >= 0 or sizes[name] < _LARGE:
            break
        left += sizes[name]
        del kept[name]
    for longest in _SHORT_WORDS:
        for name in WORDS & kept.keys():
            if left < 0 and len(str(kept[name])) > longest:
                kept[name] = str(kept[name])[:longest]
                left += sizes[name] - (shorter := _size(name, kept[name]))
                sizes[name] = shorter
        for name in others:
            if left < 0 and name in kept:
                left += sizes[name]
                del kept[name]
    # A text, as every attribute of our own.
    return {**kept, CUT: str(len(attributes) - len(kept))}


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _size(name: object, value: object) -> int:
    # As the SDK writes it, which is longer than in UTF-8: what Sentry counts, nobody says.
    return len(json.dumps([str(name), value if isinstance(value, str) else repr(value)])) + _AROUND
