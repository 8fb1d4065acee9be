"""Show a URL to people: where it points, and nothing that could be a password. Knows nobody."""

from __future__ import annotations

import re
from typing import Final

#: A URL as one writes it, with nothing in a place where a raw password could have put it.
_SHOWN_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?P<credentials>[^@/?#\s]*@)?"
    r"(?P<place>(?:[\w.,-]|:\d+(?=[,/?]|\Z)|\[[0-9A-Fa-f:.]*\])*(?:/[^@?#\s]*)?)(?P<query>\?[^@\s]*)?"
)


def masked_url(url: str) -> str:
    """Show where URLs (separated by ';') point without the credentials and the query that they hold.

    What is not clearly a URL is not shown at all: it may be a password.
    """
    found = [_SHOWN_URL.fullmatch(part) for part in url.split(";")]
    return ";".join(_masked(part) for part in found if part) if all(found) else "***"


def _masked(url: re.Match[str]) -> str:
    credentials, query = "***@" if url["credentials"] else "", "?***" if url["query"] else ""
    return f"{url['scheme']}{credentials}{url['place']}{query}"
