"""Secrets that give themselves away by their form, whatever they are called.

Bare hexadecimal and UUIDs are no such form: transaction hashes, order ids and task ids look the same. Each shape names
the substrings without which it cannot occur; a search for those is what an ordinary text costs. Every pattern is
linear: it can start only where a word starts, and its repetitions do not give back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from monitoring.scrubbing.identity import scrub_card, scrub_email, scrub_iban
from monitoring.scrubbing.marks import FILTERED
from monitoring.scrubbing.phrases import scrub_phrases
from monitoring.scrubbing.values import looks_mixed

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Shape:
    """A form of secret: what must occur in the text, the pattern, and what stands in its place."""

    name: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: Replacement = FILTERED

    def scrub(self, text: str) -> str:
        """Return the text without this shape; the same object if it has none."""
        for trigger in self.triggers:
            if trigger in text:
                return self.pattern.sub(self.replacement, text)
        return text


def _scheme(found: re.Match[str]) -> str:
    """Keep "basic strategy" and "token expired", take "Basic dXNlcjpwYXNz"."""
    return f"{found[1]}{FILTERED}" if looks_mixed(found[2]) else found[0]


def _named_key(found: re.Match[str]) -> str:
    return f"{found[1]}{FILTERED}" if any(map(str.isdigit, found[2])) else found[0]


_WORD_START: Final = r"(?<![A-Za-z0-9])"

# Prefixes that services give their keys so that they can be found.
_PREFIXED: Final = _WORD_START + (
    r"(?:(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
    r"|xox[abeoprs]-[\w-]{10,}+|xapp-[\w-]{10,}+"
    r"|[srp]k_(?:live|test)_\w{8,}+|whsec_[\w+/=]{16,}+"
    r"|AIza[\w-]{35}|ya29\.[\w-]{16,}+|GOCSPX-[\w-]{16,}+"
    r"|sk-[\w-]{20,}+|SG\.[\w-]{16,}\.[\w-]{16,}+|hf_[A-Za-z0-9]{30,}+"
    r"|npm_[A-Za-z0-9]{30,}+|pypi-[\w-]{50,}+|dop_v1_[0-9a-f]{40,}+|shpat_[0-9a-fA-F]{20,}+"
    r"|sntry[su]_[\w+/=-]{20,}+"
    r"|[xyztuv]prv[1-9A-HJ-NP-Za-km-z]{90,}+"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}+)"
)

# What a text must hold for one of them to be in it.
_KEY_PREFIXES: Final = (
    "KIA", "SIA", "ROA", "IDA", "gh", "glpat-", "xox", "xapp-", "k_live_", "k_test_", "whsec_", "AIza",
    "ya29.", "GOCSPX-", "sk-", "SG.", "hf_", "npm_", "pypi-", "dop_v1_", "shpat_", "sntry", "prv", "AGE-",
)  # fmt: skip

SHAPES: Final[tuple[Shape, ...]] = (
    # A PEM key may have real or escaped line ends, and may be cut off.
    Shape(
        "pem",
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END[ A-Z0-9]{0,40}-----|\Z)", re.DOTALL
        ),
    ),
    Shape(
        "pem tail",
        ("PRIVATE KEY",),
        re.compile(r"(?:[A-Za-z0-9+/=]{16,}+(?:\s|\\n)*)*-----END[ A-Z0-9]{0,40}PRIVATE KEY-----"),
    ),
    # Also a Flask session, and the JSON that some exchanges sign and send as base64.
    Shape(
        "jwt",
        ("eyJ", ".eJ"),
        re.compile(
            r"(?<![\w-])(?:eyJ[\w-]{8,}+(?:\.[\w-]*+){1,4}|eyJ[\w+/-]{30,}+={0,2}|\.eJ[\w-]{8,}+(?:\.[\w-]++){1,2})"
        ),
    ),
    Shape(
        "prefixed key",
        _KEY_PREFIXES,
        re.compile(_PREFIXED),
    ),
    Shape("telegram bot token", (":",), re.compile(r"\d(?<!\d\d)\d{5,11}:[A-Za-z0-9_-]{30,}+")),
    Shape(
        "authorization scheme",
        (
            "earer",
            "asic",
            "hmac",
            "HMAC",
            "Hmac",
            "igest",
            "oken",
            "pikey",
            "piKey",
            "BEARER",
            "BASIC",
            "TOKEN",
            "APIKEY",
        ),
        re.compile(
            _WORD_START + r"((?i:basic|bearer|hmac|hmac-sha256|digest|token|apikey)[ \t]{1,4})([\w+/=.~:-]{16,}+)"
        ),
        _scheme,
    ),
    Shape(
        "named key",
        (" key", " Key", "-key", " KEY", "_key", "-Key", "eKey", "tKey", "iKey"),
        re.compile(
            _WORD_START + r"((?i:api|private|secret|access|signing|wallet)[ _-]?(?i:key)"
            r"(?:\s{1,2}(?:is|was)|\s?[:=])?\s{1,2}[\"'(]?)"
            r"([A-Za-z0-9+/=_-]{16,}+)"
        ),
        _named_key,
    ),
    Shape("coinbase key name", ("/apiKeys/",), re.compile(r"organizations/[0-9a-f-]{8,36}/apiKeys/[0-9a-f-]{8,36}")),
    # A Solana key pair as its file has it: 64 bytes in decimal.
    Shape("key as bytes", ("[",), re.compile(r"\[\s?(?:\d{1,3},\s?){63}\d{1,3}\s?\]")),
)

_FEWEST_SPACES: Final = 11


def scrub_shapes(text: str) -> str:
    """Return the text without any secret that its form gives away; the same object if there is none."""
    for shape in SHAPES:
        text = shape.scrub(text)
    if "@" in text:
        text = scrub_email(text)
    if text.count(" ") >= _FEWEST_SPACES or text.count(",") >= _FEWEST_SPACES or text.count("\n") >= _FEWEST_SPACES:
        text = scrub_phrases(text)
    return scrub_iban(scrub_card(text))
