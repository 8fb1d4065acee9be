"""Cut an error or a transaction to what Sentry takes: of one larger than 1 MiB it takes nothing.

What tells least goes first, and no more than has to. Whose trouble it is and what it was stays whatever happens: tags,
the error's class and text, the fingerprint, the contexts of the task. The context `cut` says what is gone.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sentry_sdk.envelope import PayloadRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sentry_sdk.envelope import Item

    #: Takes an event and the bytes that are too many; says how many parts of it it has taken out.
    Step = Callable[["Entry", int], int]

Entry = dict[str, Any]

#: What has a bound at Sentry and may be larger: the rest is small by what it is.
FITTED: Final = frozenset({"event", "transaction"})
#: Bytes of JSON; Sentry's own limit is 1 MiB, and it adds to what it is sent.
MOST_BYTES: Final = 900_000
CUT: Final = "cut"
#: Bytes for the context that says what is gone.
_RESERVE: Final = 1000
_LATEST_CRUMBS: Final = 20
_INNERMOST_FRAMES: Final = 10
#: The longest a text may be, in characters; then, if it is still too much, in turn.
_LONGEST_TEXTS: Final = (8000, 2000, 500, 200)

_CONTEXTS: Final = ("celery", "attempts", "trading", "trace")
#: Of these a part goes at a time.
_SECTIONS: Final = ("extra", "request", "contexts")
_SCALARS: Final = (
    *("event_id", "type", "timestamp", "start_timestamp", "level", "platform", "release", "environment"),
    *("server_name", "transaction", "logger", "message"),
)
#: Sections that have a step of their own, or are small.
_KEPT: Final = frozenset(
    {
        *_SCALARS,
        *_SECTIONS,
        *("transaction_info", "logentry", "tags", "fingerprint", "sdk", "user", "measurements"),
        *("exception", "threads", "stacktrace", "breadcrumbs", "spans"),
    }
)


def fit(item: Item) -> Counter[str]:
    """Cut an item that is too large, in place; return how many parts of each kind went. An item that fits is left."""
    before = item.get_bytes()
    text, gone = cut_to_fit(before)
    if text is not before:
        item.payload = PayloadRef(bytes=text, json=json.loads(text))
    return gone


def cut_to_fit(text: bytes) -> tuple[bytes, Counter[str]]:
    """Return an event's JSON, at most `MOST_BYTES` of it, and how many parts of each kind went. Never raises."""
    gone: Counter[str] = Counter()
    if len(text) <= MOST_BYTES:
        return text, gone
    try:
        event = json.loads(text)
        if not isinstance(event, dict):
            return text, gone
        # The SDK spells each character beyond ASCII with six bytes or twelve; as itself it takes two to four.
        shorter = _text(event)
        if len(shorter) <= MOST_BYTES:
            return shorter, gone
        event, gone = _cut_down(event)
        contexts = event["contexts"] = {**_entry(event.get("contexts"))}
        contexts[CUT] = {"bytes": len(text), **gone}
        return _text(event), gone
    except (ValueError, RecursionError):
        return text, Counter()  # not JSON, or deeper than anybody's: nobody's to cut, and nobody's to send


def _cut_down(event: Entry) -> tuple[Entry, Counter[str]]:
    gone: Counter[str] = Counter()
    room = MOST_BYTES - _RESERVE
    event.pop("_meta", None)  # it tells of parts by their place, and the places change
    for name, step in _STEPS:
        excess = _size(event) - room
        if excess <= 0:
            break
        gone[name] += step(event, excess)
    else:
        if _size(event) > room:
            event = _least(event, room)
            gone["all_else"] = 1
    return event, +gone


def _text(value: object) -> bytes:
    # Half a surrogate pair has no other spelling than JSON's own escape, which is also Python's.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _size(value: object) -> int:
    return len(_text(value))


def _entry(value: object) -> Entry:
    return value if isinstance(value, dict) else {}


def _values(section: object) -> list[Any]:
    """Return the list in a section that Sentry takes as a list or as `{"values": list}`."""
    values = section.get("values") if isinstance(section, dict) else section
    return values if isinstance(values, list) else []


def _drop(values: list[Any], excess: int, most: int, *, last: bool = False) -> int:
    """Take out the first entries (or the last), at most so many, until enough is saved."""
    count = 0
    for value in values[::-1] if last else values[:]:
        if excess <= 0 or count >= most:
            break
        excess -= _size(value) + 1
        count += 1
    if count:
        del values[slice(-count, None) if last else slice(count)]
    return count


def _drop_spans(event: Entry, excess: int) -> int:
    spans = _values(event.get("spans"))
    return _drop(spans, excess, len(spans), last=True)


def _drop_crumbs(event: Entry, excess: int, *, keep: int) -> int:
    crumbs = _values(event.get("breadcrumbs"))
    return _drop(crumbs, excess, len(crumbs) - keep)


def _stacks(event: Entry) -> Iterator[list[Any]]:
    """Yield the frames of every stack, those of the error that was raised last at the end."""
    for section in (event.get("threads"), [event], event.get("exception")):
        for value in _values(section):
            frames = _entry(_entry(value).get("stacktrace")).get("frames")
            if isinstance(frames, list):
                yield frames


def _drop_of_frames(event: Entry, excess: int, *, parts: tuple[str, ...]) -> int:
    """Take these parts out of frames, the outermost frame first."""
    count = 0
    for frame in (frame for frames in _stacks(event) for frame in frames if isinstance(frame, dict)):
        for part in parts:
            if excess <= 0:
                return count
            if part in frame:
                excess -= _size(frame.pop(part))
                count += 1
    return count


def _drop_frames(event: Entry, excess: int) -> int:
    count = 0
    for frames in _stacks(event):
        gone = frames[:-_INNERMOST_FRAMES]
        excess -= _size(gone)
        count += len(gone)
        del frames[: len(gone)]
        if excess <= 0:
            break
    return count


def _drop_sections(event: Entry, excess: int) -> int:
    """Take out what is no part of the story, the largest first."""
    parts = [(event, name) for name in event if name not in _KEPT]
    parts += [(event[section], name) for section in _SECTIONS for name in _entry(event.get(section))]
    sizes = [(_size(of[name]), at) for at, (of, name) in enumerate(parts) if name not in _CONTEXTS]
    count = 0
    for size, at in sorted(sizes, reverse=True):
        if excess <= 0:
            break
        of, name = parts[at]
        del of[name]
        excess -= size
        count += 1
    return count


def _cut_texts(event: Entry, excess: int) -> int:
    """Cut every long text, and then shorter ones, but no fingerprint: with another one it would be another issue."""
    others = {name: value for name, value in event.items() if name != "fingerprint"}
    wanted = _size(others) - excess
    count = 0
    for longest in _LONGEST_TEXTS:
        count = sum(_cut_in(others, longest))  # those that were cut before among them
        if _size(others) <= wanted:
            break
    event |= others
    return count


def _cut_in(value: Any, longest: int) -> Iterable[int]:
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, str):
            if len(inner) > longest:
                value[key] = inner[: longest - 3] + "..."
                yield 1
        elif isinstance(inner, dict | list):
            yield from _cut_in(inner, longest)


def _least(event: Entry, room: int) -> Entry:
    """Return what an operator cannot do without, each part if there is still room for it."""
    kept: Entry = {"tags": {}, "contexts": {}}
    left = room - _size(kept)
    for section, name, value in _needed(event):
        size = _size({name: value})
        if size <= left:
            (kept[section] if section else kept)[name] = value
            left -= size
    return kept


def _needed(event: Entry) -> Iterator[tuple[str, str, Any]]:
    """Yield (section or "", name, value), what is needed most first."""
    for name in (*_SCALARS, "fingerprint"):
        if isinstance(value := event.get(name), str | int | float | list):
            yield "", name, value
    for error in map(_entry, _values(event.get("exception"))[-1:]):
        told = _some(error, "type", "value")
        yield "", "exception", {"values": [told]}
        if mechanism := _some(error.get("mechanism"), "type", "handled"):
            yield "", "exception", {"values": [{**told, "mechanism": mechanism}]}
    tags = _entry(event.get("tags"))
    yield from (("tags", name, tags[name]) for name in sorted(tags, key=lambda name: _size({name: tags[name]})))
    yield from (("contexts", name, value) for name, value in _some(event.get("contexts"), *_CONTEXTS).items())
    yield from (("", name, value) for name, value in _some(event, "logentry").items())


def _some(entry: object, *names: str) -> Entry:
    return {name: value for name in names if (value := _entry(entry).get(name)) is not None}


_STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("spans", _drop_spans),
    ("breadcrumbs", partial(_drop_crumbs, keep=_LATEST_CRUMBS)),
    ("frame_variables", partial(_drop_of_frames, parts=("vars",))),
    ("source_lines", partial(_drop_of_frames, parts=("pre_context", "post_context"))),
    ("sections", _drop_sections),
    ("breadcrumbs", partial(_drop_crumbs, keep=0)),
    ("texts", _cut_texts),
    ("frames", _drop_frames),
)
