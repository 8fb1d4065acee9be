"""An envelope as it goes over the wire."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sentry_sdk.utils import format_timestamp

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

#: gzip, level 1. A smaller window and less memory cost a third for what a transaction is: 16 µs instead of 50 for
#: 3.5 kB, the same size (measured); a long event needs the whole window.
_SMALL: Final = 8 * 1024
_WINDOW: Final = {True: 16 + 12, False: 16 + 15}
_MEMORY: Final = 5

ENCODING: Final = "gzip"


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


def packed(text: bytes) -> bytes:
    """Return it as the body of a request."""
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[len(text) < _SMALL], _MEMORY)
    return packer.compress(text) + packer.flush()
