"""Who somebody is, known by form: e-mail addresses, card numbers, IBANs.

Each has a guard, because trading data is full of look-alikes: a worker is called `celery@host`, an order id has sixteen
digits.
"""

from __future__ import annotations

import re
import socket
from functools import cache
from typing import Final

from monitoring.scrubbing.marks import FILTERED

_EMAIL: Final = re.compile(r"(?<![\w.%+-])([\w.%+-]++)@((?:[A-Za-z0-9-]++\.)+[A-Za-z0-9-]++)")
# Celery's own names for nodes, and the user of every git host.
_NODE_NAMES: Final = re.compile(r"(?:celery|gen\d+|worker|beat|flower|default)(?:[\w-]*\d[\w-]*)?|git|w\d+")
_NODE_DOMAINS: Final = (
    "internal",
    "local",
    "localdomain",
    "localhost",
    "lan",
    "cluster",
    "svc",
    "intra",
    "corp",
    "home",
    "arpa",
)
_FILE_TYPES: Final = ("png", "jpg", "svg", "py", "js", "css", "json", "log", "txt", "md", "toml", "cfg", "so", "zip")
_TOP_LEVEL: Final = re.compile(r"[A-Za-z][A-Za-z-]{0,22}[A-Za-z]")

# Only with separators: one in ten order ids passes Luhn's check.
_CARD: Final = re.compile(r"\d(?<![\d-]\d)\d{3}(?:([ -])\d{4}\1\d{4}\1\d{1,7}|([ -])\d{6}\2\d{5})(?![\d-])")
_IBAN: Final = re.compile(r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}(?![A-Za-z0-9])")
_IBAN_LENGTHS: Final = range(15, 35)


def scrub_email(text: str) -> str:
    """Take out e-mail addresses; names of workers stay."""
    return _EMAIL.sub(lambda found: found[0] if _is_node(found[1], found[2]) else FILTERED, text)


def scrub_card(text: str) -> str:
    """Take out card numbers that are written in groups and pass Luhn's check."""
    return _CARD.sub(lambda found: FILTERED if _passes_luhn(found[0]) else found[0], text)


def scrub_iban(text: str) -> str:
    """Take out bank account numbers that pass their own check (mod 97)."""
    return _IBAN.sub(lambda found: FILTERED if _passes_mod_97(found[0]) else found[0], text)


def _is_node(user: str, host: str) -> bool:
    top = host.rpartition(".")[2].lower()
    return (
        top in _NODE_DOMAINS
        or top in _FILE_TYPES
        or _TOP_LEVEL.fullmatch(top) is None
        or _NODE_NAMES.fullmatch(user) is not None
        or host.lower().endswith(_this_host())
    )


@cache
def _this_host() -> str:
    """Name this machine: its workers are called after it. `gethostname` asks the kernel, not the network."""
    return socket.gethostname().lower() or "localhost"


def _passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in number if digit.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]  # noqa: PLR2004  # the check's own
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_mod_97(number: str) -> bool:
    bare = number.replace(" ", "")
    if len(bare) not in _IBAN_LENGTHS:
        return False
    return int("".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])) % 97 == 1
