"""Chance that repeats itself: the paper exchanges' prices and faults come from here."""

from hashlib import blake2b


def uniform(*key: object) -> float:
    """Return a number from 0 up to 1 that is a pure function of `key`, on every host and in every process."""
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
