"""The spellings of one secret: what a log, a URL, a header or a traceback may have made of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_SECRET: Final = 8

_PART: Final = 8
_LONG_ENOUGH_FOR_PARTS: Final = 16
# A part stands alone only if no word of a language looks like it: "password" begins many a bad secret.
_TELLING_PART: Final = re.compile(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])[\w+/=-]{8}")
_LEAST_VARIETY: Final = 5
_LONG_LINE: Final = 16
_PERCENT: Final = re.compile(r"%[0-9A-F]{2}")


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One spelling; a head is the beginning of a secret, and what follows it in the same token goes too."""

    text: str
    is_head: bool = False


def forms_of(secret: str) -> tuple[Form, ...]:
    """Return every spelling of a secret that is long enough to be told from ordinary text, without repetition."""
    whole = {text for text in _spellings(secret) if len(text) >= SHORTEST_SECRET}
    heads, tails = _parts(secret)
    return (
        *(Form(text) for text in sorted(whole)),
        *(Form(text, is_head=True) for text in heads - whole),
        *(Form(text) for text in tails - whole - heads),
    )


def _spellings(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogateescape")
    plain = {secret, *_lines(secret), secret.removeprefix("0x")}
    for text in plain:
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield json.dumps(json.dumps(text)[1:-1])[1:-1]  # JSON within JSON: an exchange's answer in a log line
    yield repr(raw)[2:-1]
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(quote(raw, safe=""), safe="")):
        yield encoded
        yield _PERCENT.sub(lambda escape: escape[0].lower(), encoded)
    yield raw.hex()
    yield raw.hex().upper()
    for core in _base64_cores(raw):
        yield core
        yield core.replace("+", "-").replace("/", "_")
        yield quote(core, safe="")


def _base64_cores(raw: bytes) -> Iterator[str]:
    """Yield what base64 makes of the secret at each of the three places it can have within a longer text."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + raw).decode()
        # The first and last characters also depend on the neighbours.
        yield encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]


def _lines(secret: str) -> Iterator[str]:
    """Yield the lines of a key in PEM form, but for the first and last, which every key has."""
    if "\n" in secret:
        yield from (
            line.strip() for line in secret.splitlines() if len(line.strip()) >= _LONG_LINE and "-----" not in line
        )


def _parts(secret: str) -> tuple[set[str], set[str]]:
    if len(secret) < _LONG_ENOUGH_FOR_PARTS:
        return set(), set()
    return {part for part in (secret[:_PART],) if _tells(part)}, {part for part in (secret[-_PART:],) if _tells(part)}


def _tells(part: str) -> bool:
    return len(set(part)) >= _LEAST_VARIETY and _TELLING_PART.fullmatch(part) is not None
