"""Secrets this process holds, recognised in every form in which they could leave it.

A secret is known in its plain form and as JSON, `repr`, a URL, base64, base64url or hexadecimal would spell it, and by
its first and last eight characters. Looking for hundreds of forms must not cost hundreds of searches: each form is
filed under the four short grams it begins with, and a text is sampled at every fourth place, so that any occurrence
of a form covers a sample. Readers take no lock. Memory is bounded: the least recently registered secret makes room.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from threading import Lock
from typing import Final

from monitoring.scrubbing.encodings import SHORTEST_SECRET, Form, forms_of
from monitoring.scrubbing.marks import FILTERED, MARKS

MOST_SECRETS: Final = 2000
LONGEST_SECRET: Final = 16_384

_GRAM: Final = 5
_STRIDE: Final = SHORTEST_SECRET - _GRAM + 1
_REST_OF_TOKEN: Final = re.compile(r"[\w+/=%-]{0,512}")
_MOST_ROUNDS: Final = 4


class Registry:
    """The secrets of one process."""

    def __init__(self, most_secrets: int = MOST_SECRETS) -> None:
        self._most = most_secrets
        self._forms: OrderedDict[str, tuple[Form, ...]] = OrderedDict()
        self._index: dict[str, tuple[tuple[Form, int], ...]] = {}
        #: Goes up with each new secret: what was cleaned before may have to be cleaned again.
        self.generation = 0
        self._lock = Lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def register(self, secret: str | bytes) -> None:
        """Never let this value leave the process in anything that is sent, in any of its forms.

        Known to this process and to those that it forks afterwards; of more than 2000 the least recently registered is
        forgotten.

        Raises ValueError for a value that cannot be told from ordinary text (shorter than 8 characters), is longer than
        16384, or is part of a mark; TypeError for anything but text and bytes. The message never holds the value.
        """
        text = _checked(secret)
        with self._lock:
            if text in self._forms:
                self._forms.move_to_end(text)
                return
            forms = tuple(form for form in forms_of(text) if not any(form.text in mark for mark in MARKS))
            self._forms[text] = forms
            for form in forms:
                for offset in range(_STRIDE):
                    gram = form.text[offset : offset + _GRAM]
                    self._index[gram] = (*self._index.get(gram, ()), (form, offset))
            self.generation += 1
            if len(self._forms) > self._most:
                self._forget(self._forms.popitem(last=False)[1])

    def redact(self, text: str) -> str:
        """Return the text without any registered secret; the same object if there is none."""
        if not self._index or len(text) < SHORTEST_SECRET:
            return text
        for _ in range(_MOST_ROUNDS):
            spans = self._find(text)
            if not spans:
                return text
            text = _without(text, spans)
        return FILTERED  # what is left still spells a secret: nothing of it may stay

    def clear(self) -> None:
        """Forget every secret."""
        with self._lock:
            self._forms.clear()
            self._index.clear()

    def __len__(self) -> int:
        return len(self._forms)

    def _find(self, text: str) -> list[tuple[int, int]]:
        index = self._index
        spans: list[tuple[int, int]] = []
        for at in range(0, len(text) - _GRAM + 1, _STRIDE):
            gram = text[at : at + _GRAM]
            if gram in index:
                for form, offset in index.get(gram, ()):
                    start = at - offset
                    if start >= 0 and text.startswith(form.text, start):
                        end = start + len(form.text)
                        spans.append((start, _end_of_token(text, end) if form.is_head else end))
        return spans

    def _forget(self, forms: tuple[Form, ...]) -> None:
        for form in forms:
            for offset in range(_STRIDE):
                gram = form.text[offset : offset + _GRAM]
                left = tuple(entry for entry in self._index.get(gram, ()) if entry[0] is not form)
                if left:
                    self._index[gram] = left
                else:
                    self._index.pop(gram, None)

    def _renew_lock(self) -> None:
        # The fork may have happened while another thread of the parent held the lock; that thread does not exist here.
        self._lock = Lock()


def _checked(secret: str | bytes) -> str:
    if isinstance(secret, bytes | bytearray):
        text = bytes(secret).decode("utf-8", "surrogateescape")
    elif isinstance(secret, str):
        text = str.__str__(secret)
    else:
        raise TypeError(f"a secret must be str or bytes, got {type(secret).__name__}")
    text = text.strip()
    if len(text) < SHORTEST_SECRET:
        raise ValueError(
            f"a secret must have at least {SHORTEST_SECRET} characters, got {len(text)}: "
            "a shorter one would blank out ordinary text"
        )
    if len(text) > LONGEST_SECRET:
        raise ValueError(f"a secret must have at most {LONGEST_SECRET} characters, got {len(text)}")
    if any(text in mark for mark in MARKS):
        raise ValueError("a secret must not be part of a mark that stands in the place of secrets")
    return text


def _end_of_token(text: str, start: int) -> int:
    rest = _REST_OF_TOKEN.match(text, start)
    return rest.end() if rest else start


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept: list[str] = []
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            kept += text[done:start], FILTERED
        done = max(done, end)
    return "".join(kept) + text[done:]


SECRETS: Final = Registry()
