"""`name%3Dvalue`: a URL within a URL (`?next=…`), a form within a form, a value of W3C baggage."""

from __future__ import annotations

import re
from typing import Final

from monitoring.scrubbing.marks import MARKS
from monitoring.scrubbing.readings import QUERY
from monitoring.scrubbing.values import masked

# A name begins after an encoded "?" or "&", or where a word does; a value ends at the encoded "&", "#" or ";".
_PAIR: Final = re.compile(
    rf"""(?:(?<=%26)|(?<=%3[Ff])|(?<![\w%-]))(?P<name>[A-Za-z][\w-]*+)%3[Dd]
    (?P<value>(?:{"|".join(map(re.escape, MARKS))}|[^%&\s"'<>,;)}}\]]|%(?!26|23|3[Bb]))*)""",
    re.VERBOSE,
)


def scrub_encoded_pairs(text: str) -> str:
    """Return the text without the values of names that tell a secret; the same object if there is none."""
    if "%3D" not in text and "%3d" not in text:
        return text
    return _PAIR.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    mark = masked(QUERY.classify(found["name"]), found["value"])
    return found[0] if mark is None else found[0][: found.start("value") - found.start()] + mark
