"""Sentry's own scrubber as a judge: it finds nothing left that it would take out."""

import json
from typing import Any

import pytest

from monitoring.scrubbing import register_secret, scrub_event
from tests.unit.scrubbing.test_scrubbing_places import FORMS, PLACES, REGISTERED

processing = pytest.importorskip("sentry_relay.processing", reason="no wheel for this platform")

CONFIG = processing.convert_datascrubbing_config(
    {
        "scrubData": True,
        "scrubDefaults": True,
        "scrubIpAddresses": True,
        "excludeFields": [],
        "sensitiveFields": ["api_key", "api_secret", "passphrase", "signature", "private_key", "mnemonic"],
    }
)


# These fire at the mere mention of a name ("password", "Bearer"), whatever stands behind it by now.
BY_MENTION = {"@password:filter", "strip-fields", "@bearer:filter", "@bearer:replace"}


def rules(node: Any) -> set[str]:
    """Return the rules by which Relay took something out."""
    if not isinstance(node, dict):
        return set()
    own = {remark[0] for remark in node.get("", {}).get("rem", [])}
    return own.union(*(rules(child) for key, child in node.items() if key))


def leaves(node: Any) -> set[str]:
    """Return every text in an event."""
    if isinstance(node, dict):
        return set().union(*(leaves(child) for key, child in node.items() if key != "_meta"))
    return set().union(*map(leaves, node)) if isinstance(node, list) else {str(node)}


def stripped(event: Any) -> tuple[Any, set[str]]:
    """Let Relay scrub an event."""
    result = processing.pii_strip_event(CONFIG, json.loads(json.dumps(event, default=str)))
    return result, rules(result.get("_meta", {}))


# Bytes and sets are no JSON; a key that mentions a name takes its harmless value with it.
ELSEWHERE = {"bytes", "tuple and set", "key"}
IN_EVENTS = [name for name, (hook, _) in PLACES.items() if hook is scrub_event and name not in ELSEWHERE]


@pytest.mark.parametrize("place", IN_EVENTS)
def test_relay_finds_nothing_that_we_left(place: str) -> None:
    """After us, no rule for a form of secret fires; what a mere name sets off is a text that we have been through."""
    _, item = PLACES[place]
    register_secret(REGISTERED)
    for text, _ in FORMS.values():
        cleaned = scrub_event(item(text), {})
        result, fired = stripped(cleaned)
        assert fired <= BY_MENTION
        assert all("[Filtered]" in text for text in leaves(cleaned) - leaves(result)) or not fired


def test_the_judge_can_condemn() -> None:
    """Without us, Sentry's defaults find something to take out."""
    raw = {
        "extra": {"url": "https://u:p@h/", "mail": "a@b.example", "card": "4111 1111 1111 1111"},
        "user": {"ip_address": "10.0.0.1"},
    }
    _, fired = stripped(raw)
    assert fired - BY_MENTION
