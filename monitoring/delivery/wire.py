"""An envelope as it goes over the wire."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sentry_sdk.utils import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sentry_sdk.envelope import Envelope

try:
    import brotli
except ImportError:  # optional, as for the SDK: without it there is gzip
    brotli = None

#: gzip, level 1. A smaller window and less memory cost a third for what a transaction is: 16 µs instead of 50 for
#: 3.5 kB, the same size (measured); a long event needs the whole window.
_SMALL: Final = 8 * 1024
_WINDOW: Final = {True: 16 + 12, False: 16 + 15}
_MEMORY: Final = 5
#: Half of gzip's time for a transaction and 4 % more bytes; a quarter of it for a thousand metrics, and a third fewer
#: bytes; a quarter of it for an error, and fewer bytes as well (measured). Quality 2 takes twice that for little.
_BROTLI_QUALITY: Final = 1

GZIP: Final = "gzip"


def plain(envelope: Envelope) -> bytes:
    """Return an envelope as text, said to be sent now: Sentry corrects clocks by that, so it must not be old."""
    if "sent_at" in envelope.headers:
        envelope.headers["sent_at"] = format_timestamp(datetime.now(UTC))
    return envelope.serialize()


def sent_now(text: bytes) -> bytes:
    """Return an envelope that has waited as one that is sent now."""
    head, newline, rest = text.partition(b"\n")
    headers = json.loads(head)
    if "sent_at" in headers:
        headers["sent_at"] = format_timestamp(datetime.now(UTC))
    return json.dumps(headers, separators=(",", ":")).encode() + newline + rest


def encoding_for(wanted: str | None) -> str:
    """Return the content encoding to use where the SDK would use this one: brotli where it is installed, else gzip.

    `_experiments={"transport_compression_algo": "gzip"}` among the options of `init_sentry` asks for gzip.
    """
    return wanted if wanted is not None and wanted in _PACKERS else GZIP


def packed(text: bytes, encoding: str) -> bytes:
    """Return it as the body of a request with this content encoding."""
    return _PACKERS[encoding](text)


def _gzipped(text: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[len(text) < _SMALL], _MEMORY)
    return packer.compress(text) + packer.flush()


def _brotlied(text: bytes) -> bytes:
    body: bytes = brotli.compress(text, quality=_BROTLI_QUALITY)
    return body


_PACKERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    GZIP: _gzipped,
    **({"br": _brotlied} if brotli is not None else {}),
}
