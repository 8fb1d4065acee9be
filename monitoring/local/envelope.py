"""Bytes of an HTTP body to an envelope: bounded decompression, framing and the shape of every item. Pure.

Source of the format and of the limits: develop.sentry.dev/sdk/foundations/transport/envelopes (sizes, framing,
item types) and the capture of sentry-sdk 2.75.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

try:
    import brotli
except ImportError:  # optional: without it a sender that compresses with brotli is told so (415)
    brotli = None

KIB: Final = 1024
MIB: Final = 1024 * KIB

# The bounded decoder came with brotli 1.2; without the bound, a few hundred bytes could ask for gigabytes.
BROTLI_IS_BOUNDED: Final = hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data")

# How zlib tells the two formats apart; "deflate" in HTTP means zlib's own.
WINDOW_BITS: Final[Mapping[str, int]] = MappingProxyType({"gzip": 31, "deflate": 15})

JSON_TYPES: Final = frozenset(
    {
        "event",
        "transaction",
        "log",
        "trace_metric",
        "check_in",
        "session",
        "sessions",
        "client_report",
        "span",
        "feedback",
        "user_report",
        "profile",
        "profile_chunk",
    },
)
# These hold many entries in {"version": 2, "items": [...]}; `span` does so in its second version only.
CONTAINER_TYPES: Final = frozenset({"log", "trace_metric"})

ITEM_BYTES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "event": MIB,
        "transaction": MIB,
        "check_in": 100 * KIB,
        "client_report": 4 * KIB,
        "session": MIB,
        "sessions": MIB,
        "profile": 50 * MIB,
        "profile_chunk": 50 * MIB,
    },
)
ENTRY_BYTES: Final[Mapping[str, int]] = MappingProxyType({"log": MIB, "span": MIB, "trace_metric": 2 * KIB})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what one request may hold, in bytes (Sentry's published limits) and items (ours)."""

    compressed: int = 40 * MIB
    envelope: int = 200 * MIB
    items: int = 1000
    item: Mapping[str, int] = field(default_factory=lambda: ITEM_BYTES)
    entry: Mapping[str, int] = field(default_factory=lambda: ENTRY_BYTES)


class RefusedError(Exception):
    """Say why a request is not accepted: an HTTP status, a countable reason, and a sentence for the sender."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Item:
    """Hold one item as it came: `head` and `payload` are its bytes, `content` the parsed payload of a JSON type."""

    type: str
    head: bytes
    headers: Mapping[str, Any]
    payload: bytes
    content: Any

    @property
    def entries(self) -> list[dict[str, Any]]:
        """List the logs, metrics or spans inside a container; any other JSON item is its own only entry."""
        if isinstance(self.content, dict):
            inner = self.content.get("items")
            return inner if isinstance(inner, list) else [self.content]
        return []


@dataclass(frozen=True, slots=True)
class Envelope:
    """Hold one envelope: its header object (`head` as bytes) and its items in order."""

    head: bytes
    headers: Mapping[str, Any]
    items: tuple[Item, ...]


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the Content-Encoding, reading no more than `limit` bytes out of it. Raise RefusedError."""
    match encoding.strip().lower():
        case "" | "identity":
            plain = body
        case "gzip" | "deflate" as name:
            plain = _inflate(body, limit, name)
        case "br":
            plain = _unbrotli(body, limit)
        case other:
            _refuse(
                415,
                "content_encoding",
                f"Content-Encoding {other[:40]!r} is not supported; use gzip, deflate, br, none",
            )
    if len(plain) > limit:
        _refuse(413, "too_large", f"the envelope is larger than {limit} bytes after decompression")
    return plain


def _inflate(body: bytes, limit: int, name: str) -> bytes:
    stream = zlib.decompressobj(WINDOW_BITS[name])
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        _refuse(400, name, f"the body is not valid {name}: {error}")
    if len(plain) <= limit and (not stream.eof or stream.unused_data):
        _refuse(400, name, f"the {name} body is truncated or is followed by other bytes")
    return plain


def _unbrotli(body: bytes, limit: int) -> bytes:
    if brotli is None or not BROTLI_IS_BOUNDED:
        _refuse(
            415,
            "content_encoding",
            "brotli needs the package brotli>=1.2 in the local Sentry's environment (pip install 'brotli>=1.2'), or "
            'the sender must use gzip: sentry_sdk.init(_experiments={"transport_compression_algo": "gzip"})',
        )
    stream = brotli.Decompressor()
    pieces, size = [], 0
    try:
        piece = stream.process(body, output_buffer_limit=limit + 1)
        while piece:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                break
            piece = b"" if stream.is_finished() else stream.process(b"", output_buffer_limit=limit + 1 - size)
    except brotli.error as error:
        _refuse(400, "brotli", f"the body is not valid brotli: {error}")
    if size <= limit and not stream.is_finished():
        _refuse(400, "brotli", "the brotli body is truncated")
    return b"".join(pieces)


def parse(body: bytes, limits: Limits) -> Envelope:
    """Read an envelope, or raise RefusedError naming the item and the rule it breaks. Unknown types stay opaque."""
    head, position = _line(body, 0)
    headers = _object(head, "header", "the envelope header")
    items: list[Item] = []
    while position < len(body):
        line, position = _line(body, position)
        if not line.strip():
            continue
        if len(items) == limits.items:
            _refuse(413, "too_large", f"an envelope may hold {limits.items} items")
        item_headers = _object(line, "item_header", f"the header of item {len(items)}")
        payload, position = _payload(body, position, item_headers, len(items))
        items.append(_item(line, item_headers, payload, len(items), limits))
    return Envelope(head, headers, tuple(items))


def _line(body: bytes, start: int) -> tuple[bytes, int]:
    end = body.find(b"\n", start)
    return (body[start:], len(body)) if end < 0 else (body[start:end], end + 1)


def _payload(body: bytes, start: int, headers: Mapping[str, Any], index: int) -> tuple[bytes, int]:
    length = headers.get("length")
    if length is None:
        return _line(body, start)
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        _refuse(400, "length", f"item {index}: length must be a whole number of bytes, got {str(length)[:40]!r}")
    end = start + length
    if end > len(body):
        _refuse(400, "truncated", f"item {index}: length says {length} bytes, {len(body) - start} are left")
    if end < len(body) and body[end : end + 1] != b"\n":
        _refuse(400, "length", f"item {index}: no newline after the {length} bytes that length announces")
    return body[start:end], end + 1


def _item(head: bytes, headers: Mapping[str, Any], payload: bytes, index: int, limits: Limits) -> Item:
    kind = headers.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= 64 or not kind.isprintable():  # noqa: PLR2004 - ours
        _refuse(400, "item_header", f"item {index}: type must be a short printable text")
    limit = limits.item.get(kind, limits.envelope)
    if len(payload) > limit:
        _refuse(413, "too_large", f"item {index} ({kind}): {len(payload)} bytes, Sentry takes {limit}")
    content = _object(payload, "json", f"item {index} ({kind})") if kind in JSON_TYPES else None
    item = Item(kind, head, headers, payload, content)
    if content is not None and (kind in CONTAINER_TYPES or "items" in content):
        _check_entries(item, index, limits)
    return item


def _check_entries(item: Item, index: int, limits: Limits) -> None:
    name = f"item {index} ({item.type})"
    entries = item.content.get("items")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        _refuse(400, "shape", f'{name}: the payload must be {{"items": [objects]}}')
    announced = item.headers.get("item_count")
    if announced is not None and announced != len(entries):
        _refuse(400, "item_count", f"{name}: item_count says {str(announced)[:40]}, the payload holds {len(entries)}")
    limit = limits.entry.get(item.type, limits.envelope)
    if len(item.payload) > limit:
        # Plain ASCII is never shorter in Python's notation than in JSON, and cheaper to write: most entries pass so.
        plain = item.payload.isascii() and b"\\" not in item.payload
        for position, entry in enumerate(entries):
            if plain and len(repr(entry)) <= limit:
                continue
            size = len(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
            if size > limit:
                _refuse(413, "too_large", f"{name}: entry {position} has {size} bytes, Sentry takes {limit}")


def _object(data: bytes, reason: str, name: str) -> dict[str, Any]:
    try:
        # Decoded here, as json.loads would also take UTF-16 and UTF-32, which the page could not show again.
        value = json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(400, reason, f"{name} is not valid JSON: {str(error)[:200]}")
    if not isinstance(value, dict):
        _refuse(400, reason, f"{name} must be a JSON object, got {type(value).__name__}")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(status: int, reason: str, detail: str) -> NoReturn:
    raise RefusedError(status, reason, detail)
