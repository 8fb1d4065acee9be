"""One text: every rule over it in turn, within a bound."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from monitoring.scrubbing.encoded_pairs import scrub_encoded_pairs
from monitoring.scrubbing.marks import FILTERED, TRUNCATED
from monitoring.scrubbing.pairs import scrub_pairs
from monitoring.scrubbing.readings import ANYWHERE, Reading
from monitoring.scrubbing.registry import SECRETS
from monitoring.scrubbing.shapes import scrub_shapes
from monitoring.scrubbing.urls import scrub_urls

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT: Final = 8192
# Marks are longer than the shortest secrets, so a text may have grown; what ends with our mark is not cut again.
_LONGEST_CUT_TEXT: Final = 4 * LONGEST_TEXT

_MOST_ROUNDS: Final = 6

# Nothing but a short word, a symbol, a number, a date: only a registered secret could be in it.
_SHORT: Final = re.compile(r"['\w./ +-]{0,16}")
#: An id is no secret by its form, and never comes twice.
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")
_ID_LENGTHS: Final = (32, 36)
#: Names, symbols and states come in every item: what was found clean is not read again, until another secret is known.
#: Nothing else is kept, so that no secret stays in memory for it.
_SHORT_TEXT: Final = 64
_MOST_KEPT: Final = 8192
_found_clean: defaultdict[Reading, dict[str, int]] = defaultdict(dict)
_LAST_TOKEN: Final = re.compile(r"(?<![^\s,;&])[^\s,;&]*+\Z")


def known_clean(reading: Reading) -> Mapping[str, int]:
    """Return the texts that were found clean, each with the registry's generation then: now's means it still is."""
    return _found_clean[reading]


def clean(text: str, reading: Reading = ANYWHERE) -> str:
    """Return the text without secrets, cut at 8192 characters; the same object if nothing is to be done.

    May raise on an error of ours: the callers turn that into a mark.
    """
    if len(text) <= _SHORT_TEXT:
        known, generation = _found_clean[reading], SECRETS.generation
        if known.get(text) == generation:
            return text
        if len(text) in _ID_LENGTHS and _ID.fullmatch(text):
            return SECRETS.redact(text)
        cleaned = _clean(text, reading)
        if cleaned is text or cleaned == text:
            if len(known) >= _MOST_KEPT:
                known.clear()
            known[text] = generation
        return cleaned
    cut = len(text) > LONGEST_TEXT and not (len(text) <= _LONGEST_CUT_TEXT and text.endswith(TRUNCATED))
    if cut:
        text = _shortened(text)
    cleaned = _clean(text, reading)
    if cut:
        return cleaned + TRUNCATED
    if len(cleaned) > LONGEST_TEXT and len(text) <= LONGEST_TEXT:
        return _shortened(cleaned) + TRUNCATED
    return cleaned


def _clean(text: str, reading: Reading) -> str:
    # A mark ends a word where none ended before, so a text that changed is read again until nothing more is found.
    for _ in range(_MOST_ROUNDS):
        before, text = text, _clean_once(text, reading)
        if text == before:
            return text
    return FILTERED


def _clean_once(text: str, reading: Reading) -> str:
    text = SECRETS.redact(text)
    if _SHORT.fullmatch(text):
        return text
    return scrub_encoded_pairs(scrub_pairs(scrub_urls(scrub_shapes(text)), reading))


def _shortened(text: str) -> str:
    """Cut between two words, because half of a secret is not recognised; a text of one word is all secret."""
    text = text[: LONGEST_TEXT - len(TRUNCATED)]
    last = _LAST_TOKEN.search(text)
    return text[: last.start()] if last and last.start() else FILTERED
