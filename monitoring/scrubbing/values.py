"""What to do with a value once its name has been read."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from monitoring.scrubbing.marks import FILTERED, MARKS
from monitoring.scrubbing.names import Kind

# Not a secret even under a secret's name: it says that there is none, or where one would stand.
_NOTHING: Final = frozenset(
    {"", "none", "null", "true", "false", "undefined", "nil", "nan", "...", "?", "***", "<redacted>"}
)
_PLACEHOLDER: Final = re.compile(r"%\(?[a-z_]*\)?[sdr]|\{[a-z_]*(?:![rsa])?\}|\$\{?[A-Z_]+\}?")
_GUARD_LENGTH: Final = 16
_OPAQUE_LENGTH: Final = 20
_OPAQUE: Final = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)[A-Za-z0-9+/=]{20,}")
_READABLE_LONG: Final = re.compile(r"[A-Z0-9]{1,15}(?:[-/:][A-Z0-9]{1,15}){1,3}|[a-z]+(?:[ _.-][a-z]+)+")
_WALLET: Final = re.compile(
    r"0x[0-9a-fA-F]{40}"
    r"|(?:bc1|tb1|ltc1|addr1|cosmos1|osmo1|dydx1|inj1|terra1)[02-9ac-hj-np-z]{20,110}"
    r"|[1-9A-HJ-NP-Za-km-z]{25,48}"  # base58: bitcoin, tron, ripple, solana
)
_BASE58_MIX: Final = re.compile(r"(?=.*[A-Z])(?=.*[a-z])(?=.*\d)")
_MIXED: Final = re.compile(r"\d|[a-z][A-Z]")
_QUOTES: Final = "'\"`"


def masked(kind: Kind, value: str) -> str | None:
    """Return what stands in the value's place, or None if it may stay. Quotes around a repr do not count."""
    bare = value.strip().removeprefix("b'").strip(_QUOTES).strip()
    if kind is Kind.PLAIN or bare in MARKS or bare.lower() in _NOTHING or _PLACEHOLDER.fullmatch(bare):
        return None
    if kind is Kind.ADDRESS:
        return pseudonym(bare) if looks_like_wallet(bare) else None
    if (kind is Kind.GUARDED and not _could_be_secret(bare)) or (kind is Kind.OPAQUE and not looks_random(bare)):
        return None
    return FILTERED


def looks_random(value: str) -> bool:
    """Tell a key from a name: twenty characters or more, both cases and digits, no separator."""
    return len(value) >= _OPAQUE_LENGTH and _OPAQUE.fullmatch(value) is not None


def looks_mixed(value: str) -> bool:
    """Tell a token from prose: a digit, or a capital after a small letter."""
    return _MIXED.search(value) is not None


def looks_like_wallet(value: str) -> bool:
    """Tell whether the whole value has the form of an address on a chain."""
    return _WALLET.fullmatch(value) is not None and (
        value.startswith(("0x", "bc1", "tb1", "ltc1", "addr1", "cosmos1", "osmo1", "dydx1", "inj1", "terra1"))
        or _BASE58_MIX.match(value) is not None
    )


def pseudonym(value: str) -> str:
    """Return a short stable token: the same for the same address, and not to be looked up on a chain."""
    return f"[address {blake2b(value.lower().encode(errors='replace'), digest_size=5).hexdigest()}]"


def _could_be_secret(value: str) -> bool:
    return len(value) >= _GUARD_LENGTH and _READABLE_LONG.fullmatch(value) is None
