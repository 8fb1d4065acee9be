"""One request to /api/<project>/envelope/: who sends it, what it holds, and what is kept of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from .envelope import Envelope, Limits, RefusedError, decompress, parse
from .runs import RunFact, Tally, losses, run_facts
from .store import Store, StoreBusyError
from .tables import Batch

ENVELOPE_PATH: Final = re.compile(r"/api/[0-9A-Za-z_-]{1,64}/envelope/?")
SENTRY_KEY: Final = re.compile(r"\bsentry_key=[^,&\s]+")


def read(body: bytes, encoding: str, credentials: str, limits: Limits) -> Envelope:
    """Read the body of a request, or raise RefusedError with what is wrong.

    `credentials` is the text of X-Sentry-Auth and of the query string. Any key will do, in any of the three places
    where Sentry takes it: there are no accounts here.
    """
    envelope = parse(decompress(body, encoding, limits.envelope), limits)
    if not SENTRY_KEY.search(credentials) and not envelope.headers.get("dsn"):
        raise RefusedError(401, "auth", "no sentry_key: send X-Sentry-Auth, ?sentry_key= or a dsn in the envelope")
    return envelope


def keep(envelope: Envelope, store: Store, now: float) -> None:
    """Take an envelope into the store, whole or, when the disk does not keep up (RefusedError 503), not at all."""
    tally: Tally = Counter()
    facts: list[RunFact] = []
    for item in envelope.items:
        tally["received", item.type, ""] += 1
        tally.update(losses(item))
        facts += run_facts(item, now)
    try:
        store.add(Batch(envelope, now, facts, tally))
    except StoreBusyError as error:
        raise RefusedError(503, "busy", str(error)) from error


def count_refusal(store: Store, reason: str) -> None:
    """Count a request that was not accepted."""
    try:
        store.add(Batch(tally=Counter({("rejected", reason, ""): 1})))
    except StoreBusyError:
        return  # the disk's own trouble is shown by `storage_error`
