"""The passwords in the addresses of our own servers: known to this process, and so never to leave it."""

from __future__ import annotations

from urllib.parse import unquote

from monitoring.scrubbing.encodings import SHORTEST_SECRET
from monitoring.scrubbing.registry import SECRETS


def register_passwords(*urls: str) -> None:
    """Register the password of each URL; one with several addresses separated by ';' has several.

    A password too short to be told from ordinary text cannot be registered; as part of a URL it is known by its place.
    """
    for url in (part for text in urls for part in text.split(";")):
        credentials, at, _ = url.partition("://")[2].rpartition("@")
        password = unquote(credentials.partition(":")[2]).strip()
        if at and len(password) >= SHORTEST_SECRET:
            try:
                SECRETS.register(password)
            except ValueError:  # as long as a book, or a word of ours that stands where a secret was
                continue
