"""An envelope as it goes over the wire."""

from __future__ import annotations

import json
import time
import zlib
from typing import TYPE_CHECKING, Final

from sentry_sdk.envelope import Envelope, PayloadRef

from monitoring.latency import iso_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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
        envelope.headers["sent_at"] = iso_moment(time.time())
    return envelope.serialize()


def sent_now(text: bytes) -> bytes:
    """Return an envelope that has waited as one that is sent now."""
    head, newline, rest = text.partition(b"\n")
    headers = json.loads(head)
    if "sent_at" in headers:
        headers["sent_at"] = iso_moment(time.time())
    return json.dumps(headers, separators=(",", ":")).encode() + newline + rest


def encoding_for(wanted: str | None) -> str:
    """Return the content encoding to use where the SDK would use this one: brotli where it is installed, else gzip.

    `_experiments={"transport_compression_algo": "gzip"}` among the options of `init_sentry` asks for gzip.
    """
    return wanted if wanted is not None and wanted in _PACKERS else GZIP


class Pieces(PayloadRef):
    """Be a payload of one line that is spelled out only as it is packed, piece by piece, and never stands whole.

    Half a megabyte that is made and given back every second costs its page faults each time, and they far exceed the
    work on it: 12 ms for a thousand metrics instead of one (measured).
    """

    def __init__(self, spell: Callable[[], Iterator[bytes]]) -> None:
        super().__init__()
        self.spell = spell

    def get_bytes(self) -> bytes:
        """Return it whole, for a file."""
        return b"".join(self.spell())


def spelled(envelope: Envelope) -> bytes | Iterator[bytes]:
    """Return an envelope as text, said to be sent now: whole, or in pieces if any of it is to be made as it is packed.

    May raise once for an iterator as well, while that is read: TypeError or ValueError, for what is no JSON.
    """
    return _pieces(envelope) if any(isinstance(item.payload, Pieces) for item in envelope.items) else plain(envelope)


def _pieces(envelope: Envelope) -> Iterator[bytes]:
    yield plain(Envelope(headers=envelope.headers))
    for item in envelope.items:
        if isinstance(item.payload, Pieces):
            # Without a length: it ends where its line ends.
            yield json.dumps(item.headers, separators=(",", ":")).encode() + b"\n"
            yield from item.payload.spell()
            yield b"\n"
        else:
            yield item.serialize()


def packed(text: bytes | Iterable[bytes], encoding: str) -> bytes:
    """Return it as the body of a request with this content encoding."""
    whole, streamed = _PACKERS[encoding]
    return whole(text) if isinstance(text, bytes) else streamed(text)


def _gzipped(text: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[len(text) < _SMALL], _MEMORY)
    return packer.compress(text) + packer.flush()


def _gzip_streamed(pieces: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[False], _MEMORY)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def _brotlied(text: bytes) -> bytes:
    body: bytes = brotli.compress(text, quality=_BROTLI_QUALITY)
    return body


def _brotli_streamed(pieces: Iterable[bytes]) -> bytes:
    packer = brotli.Compressor(quality=_BROTLI_QUALITY)
    return b"".join([*map(packer.process, pieces), packer.finish()])


_PACKERS: Final[Mapping[str, tuple[Callable[[bytes], bytes], Callable[[Iterable[bytes]], bytes]]]] = {
    GZIP: (_gzipped, _gzip_streamed),
    **({"br": (_brotlied, _brotli_streamed)} if brotli is not None else {}),
}
