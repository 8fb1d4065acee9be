"""Recovery phrases of wallets: twelve words or more in a row from the list of BIP-0039."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from monitoring.scrubbing.marks import FILTERED
from monitoring.scrubbing.phrase_words import is_phrase_word

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST_PHRASE: Final = 12

_BETWEEN: Final = r"""[\s,;|"'_-]{1,4}(?:\d{1,2}[.):]{0,2}\s{0,2})?"""
_ONE: Final = r"[A-Za-z]{3,8}+(?![A-Za-z])"
_RUN: Final = re.compile(rf"(?<![A-Za-z]){_ONE}(?:{_BETWEEN}{_ONE}){{{SHORTEST_PHRASE - 1},}}")
_WORD: Final = re.compile(r"[A-Za-z]+")


def scrub_phrases(text: str) -> str:
    """Replace each recovery phrase in a text; words before and after it stay."""
    return _RUN.sub(lambda run: _without_phrases(run[0]), text)


def is_phrase(words: Sequence[object]) -> bool:
    """Tell whether a list of words is a recovery phrase."""
    return len(words) >= SHORTEST_PHRASE and all(
        isinstance(word, str) and is_phrase_word(word.strip("'\"")) for word in words
    )


def _without_phrases(run: str) -> str:
    kept: list[str] = []
    done = 0
    phrase: list[re.Match[str]] = []
    for word in [*_WORD.finditer(run), None]:
        if word is not None and is_phrase_word(word[0]):
            phrase.append(word)
            continue
        if len(phrase) >= SHORTEST_PHRASE:
            kept += run[done : phrase[0].start()], FILTERED
            done = phrase[-1].end()
        phrase = []
    return "".join(kept) + run[done:]
