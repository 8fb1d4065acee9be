"""Where a name stands: it decides which names count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from monitoring.scrubbing.names import (
    LONGEST_NAME,
    Kind,
    classify,
    classify_header,
    classify_query,
    classify_user,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One way to read names and texts."""

    what: str
    classify: Callable[[str], Kind]


ANYWHERE: Final = Reading("anything", classify)
HEADERS: Final = Reading("HTTP headers: a bare KEY is one", classify_header)
QUERY: Final = Reading("a query string or a form: a bare sig is one", classify_query)
USER: Final = Reading("a person: a bare name is somebody's", classify_user)
SOURCE: Final = Reading("source code: only literals are values", classify)

# What stands under one of these names is read in another way.
_INNER: Final = {
    "headers": HEADERS,
    "header": HEADERS,
    "query_string": QUERY,
    "query": QUERY,
    "http.query": QUERY,
    "url.query": QUERY,
    "params": QUERY,
    "user": USER,
}


def judge(name: str, reading: Reading) -> tuple[Kind, Reading]:
    """Say what a name tells of its value, and how that value is to be read."""
    return _judge(name, reading) if len(name) <= LONGEST_NAME else _judge.__wrapped__(name[-LONGEST_NAME:], reading)


@lru_cache(maxsize=8192)
def _judge(name: str, reading: Reading) -> tuple[Kind, Reading]:
    name = name.strip("'\"")
    lowered = name.lower()
    inner = _INNER.get(lowered) or (
        HEADERS if lowered.endswith("headers") else ANYWHERE if reading is QUERY else reading
    )
    return reading.classify(name), inner
