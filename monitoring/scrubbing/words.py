"""Names as words, and tables of them."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHORTEST_PLURAL: Final = 4


def words_of(name: str) -> tuple[str, ...]:
    """Split a name into its words in lower case, without a plural's s: `walletPrivateKeys` is wallet, private, key."""
    return tuple(_singular(word.lower()) for word in _WORD.findall(name))


def names(text: str) -> frozenset[str]:
    """Read a table of names in the form in which names are compared: their words, joined by underscores."""
    return frozenset("_".join(words_of(name)) for name in text.split())


def verbatim(text: str) -> frozenset[str]:
    """Read a table of words as they stand."""
    return frozenset(text.split())


def _singular(word: str) -> str:
    return word[:-1] if len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss") else word
