"""What no hook of the SDK's sees: the trace header of an envelope, and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from monitoring.scrubbing.text import clean
from monitoring.scrubbing.words import verbatim

#: Sentry's own numbers and names; everything else may come from an application, or from whoever called it.
_PLAIN: Final = verbatim("trace_id public_key org_id sample_rate sample_rand sampled replay_id")
_SESSIONS: Final = ("session", "sessions")
_USER: Final = "[user "


def scrub_envelope(envelope: Envelope) -> None:
    """Clean an envelope's trace header and its sessions, in place; leave out what cannot be cleaned. Never raises.

    A second cleaning changes nothing. What has a hook of its own was cleaned there.
    """
    try:
        trace = envelope.headers.get("trace")
        if trace:
            envelope.headers["trace"] = scrub_shared(trace)
    except Exception:  # noqa: BLE001  # fails closed
        envelope.headers.pop("trace", None)
    if any(item.type in _SESSIONS for item in envelope.items):
        envelope.items = [item for item in envelope.items if item.type not in _SESSIONS or _scrub_session(item)]


def scrub_shared(trace: Mapping[str, object]) -> dict[str, object]:
    """Clean what all of a trace's events share (the dynamic sampling context): Sentry needs the public key in it."""
    return {key: _cleaned(key, value) for key, value in trace.items()}


def _cleaned(key: str, value: object) -> object:
    return value if key in _PLAIN else clean(str(value))


def _scrub_session(item: Item) -> bool:
    try:
        told: Any = item.payload.json
        if isinstance(told, Mapping) and ("did" in told or "attrs" in told):
            attributes = {name: _cleaned(name, value) for name, value in (told.get("attrs") or {}).items()}
            attributes.pop("ip_address", None)
            cleaned = {**told, "attrs": attributes}
            if "did" in told:
                cleaned["did"] = _anonymous(str(told["did"]))
            item.payload = PayloadRef(json=cleaned)
    except Exception:  # noqa: BLE001  # fails closed: a session that cannot be cleaned is not sent
        return False
    return True


def _anonymous(user: str) -> str:
    """Name a user by a token that is always the same: it may be a mail address, and it is only counted by."""
    return user if user.startswith(_USER) else f"{_USER}{blake2b(user.encode(), digest_size=8).hexdigest()}]"
