"""What holds for any data at all."""

import base64
import copy
import enum
import json
import math
import re
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from monitoring.scrubbing import (
    register_secret,
    scrub_breadcrumb,
    scrub_event,
    scrub_log,
    scrub_metric,
    scrub_span,
    scrub_text,
    scrub_transaction,
    scrub_value,
)
from monitoring.scrubbing.registry import SECRETS

SECRET = "kX9-vault/Zq7+Rm2=Yp4"
# Text that is likely to hit a rule: fragments of everything the rules look for, in any order.
FRAGMENTS = st.sampled_from(
    [
        *(
            "api_key",
            "apiKey",
            "password",
            "signature",
            "token",
            "KEY",
            "Authorization",
            "Cookie",
            "headers",
            "--secret",
        ),
        *("=", ":", ": ", "': '", '": "', '\\"', "'", '"', "{", "}", "[", "]", "(", ")", ",", ";", "&", "?", " ", "\n"),
        *("\\n", "\\r\\n", "\\", "://", "//", "@", "/", "redis", "https", "host", "example.com", "Bearer ", "Basic "),
        *(
            "eyJhbGciOi",
            ".",
            "eyJzdWIiOiIx",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            "AKIA",
            "ghp_",
        ),
        *(
            "0123456789abcdef",
            "A" * 20,
            "abandon ",
            "about",
            "4111 1111 1111 1111",
            "DE89 3704 0044 0532 0130 00",
            "sk_live_",
        ),
        *(
            "[Filtered]",
            "[Truncated]",
            "bot123456789:",
            "hooks.slack.com/services/",
            "%s",
            "None",
            "HTTP/1.1\r\n",
            "0x" + "aB" * 20,
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=14).map("".join))


class Broken:
    """An object that cannot be described."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Field(enum.StrEnum):
    """Names as a trading platform keeps them."""

    API_KEY = "api_key"
    SYMBOL = "symbol"
    NAME = "name"
    VALUE = "value"


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    TEXTS,
    st.binary(max_size=40),
    st.datetimes(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.builds(Broken),
    st.builds(object),
    st.sampled_from(Field),
)
KEYS = st.one_of(
    *(TEXTS, st.integers(), st.none(), st.booleans(), st.tuples(TEXTS, st.integers()), st.binary(max_size=10)),
    *(st.sampled_from(Field), st.sampled_from(["name", "value"])),
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any nesting of the containers that an event can hold."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=4).map(tuple),
            st.dictionaries(KEYS, inner, max_size=4),
            st.frozensets(st.one_of(TEXTS, st.integers()), max_size=4),
        ),
        max_leaves=12,
    )


ANYTHING = nested(LEAVES)
EVENTS = st.dictionaries(
    st.sampled_from(
        [
            "exception",
            "message",
            "logentry",
            "breadcrumbs",
            "extra",
            "contexts",
            "tags",
            "request",
            "user",
            "spans",
            "fingerprint",
            "transaction",
            "threads",
            "stacktrace",
            "server_name",
            "_meta",
            "modules",
            "type",
            "event_id",
            "level",
            "attributes",
            "body",
            "name",
        ]
    ),
    ANYTHING,
    max_size=6,
)
HOOKS = [scrub_event, scrub_transaction, scrub_breadcrumb, scrub_log, scrub_metric, scrub_span]


def same(left: object, right: object) -> bool:
    """Compare, with NaN equal to itself and objects by their repr's place."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return list(map(str, left)) == list(map(str, right)) and all(map(same, left.values(), right.values()))
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return left == right


# What a text held was taken out, and what is left of it says more than the text had said, or is longer.
@example({("ApiKey=Header", 0): None})
@example({"ApiKey=Header": "hello"})
@example({"name": "ApiKey=Header", "value": "hello"})
@example(["--ApiKey=Header", "hello"])
@example({"token": "Bearer a@b.co"})
@given(ANYTHING)
@settings(max_examples=400, deadline=None)
def test_scrubbing_a_value_twice_changes_nothing_more(value: object) -> None:
    """What has been scrubbed is left as it is by a second scrubbing."""
    once = scrub_value(value)
    assert same(scrub_value(once), once)


@given(TEXTS)
@settings(max_examples=1500, deadline=None)
def test_scrubbing_a_text_twice_changes_nothing_more(text: str) -> None:
    """What has been scrubbed is left as it is by a second scrubbing, whatever the text quotes or breaks off."""
    register_secret(SECRET)
    once = scrub_text(text)
    assert scrub_text(once) == once


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
@given(event=st.one_of(EVENTS, ANYTHING))
@settings(max_examples=150, deadline=None)
def test_no_hook_raises_or_drops(hook: Any, event: Any) -> None:
    """Whatever the SDK or an application hands over, something comes back."""
    assert hook(event, {}) is not None


@given(EVENTS)
@settings(max_examples=150, deadline=None)
def test_an_event_handed_over_is_not_changed_in_place(event: Any) -> None:
    """The application may still hold what it attached to an event."""
    before = repr_of(event)
    scrub_event(event, {})
    assert repr_of(event) == before


def repr_of(value: object) -> str:
    """Describe a value, broken objects included."""
    return json.dumps(copy.copy(value), default=lambda item: f"{type(item)}{id(item)}", skipkeys=True)


def test_a_cycle_ends_in_a_mark() -> None:
    """A container that contains itself costs no more than one that does not."""
    loop: dict[str, Any] = {"api_key": "abc"}
    loop["self"] = loop
    loop["list"] = [loop]
    assert scrub_value(loop) == {"api_key": "[Filtered]", "self": "[Cycle]", "list": ["[Cycle]"]}


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 after one byte": lambda secret: base64.b64encode(b"x" + secret.encode() + b"yz").decode(),
    "base64 after two bytes": lambda secret: base64.b64encode(b"xy" + secret.encode() + b"z").decode(),
    "base64url": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "quoted": lambda secret: quote(secret, safe=""),
    "quoted, slashes kept": quote,
    "quoted as a form": quote_plus,
    "quoted twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "quoted in small letters": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "capital hexadecimal": lambda secret: secret.encode().hex().upper(),
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json in json": lambda secret: json.dumps(json.dumps(secret))[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
}
ALPHABET = string.ascii_letters + string.digits + "+/=-_\\\"'"


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(
    secret=st.text(ALPHABET, min_size=12, max_size=60).filter(lambda text: len(set(text)) > 6 and text == text.strip()),
    around=st.tuples(TEXTS, TEXTS),
    shape=st.integers(min_value=0, max_value=5),
)
@settings(max_examples=60, deadline=None)
def test_a_registered_secret_never_passes(spelling: str, secret: str, around: tuple[str, str], shape: int) -> None:
    """Not in any spelling, text or nesting; not as a key either."""
    SECRETS.clear()
    register_secret(secret)
    spelt = SPELLINGS[spelling](secret)
    text = f"{around[0]} {spelt} {around[1]}"
    value: Any = [
        text,
        {"a": text},
        {text: 1},
        (text, [text]),
        {"x": [{"y": (text,)}]},
        text.encode("utf-8", "replace"),
    ][shape]
    core = spelt[3:-3]  # the ends of a base64 also depend on what is around the secret
    assume(core not in around[0] and core not in around[1])  # a text may hold such a piece of its own
    assert core not in str(scrub_value(value))


@given(
    st.lists(
        st.one_of(
            st.integers(),
            st.floats(allow_nan=False),
            st.booleans(),
            st.none(),
            st.sampled_from(["BTC/USDT", "buy", "binance", "bot-42", "open"]),
        )
    )
)
def test_what_has_no_secret_is_unchanged(values: list[object]) -> None:
    """Numbers, symbols and states come back equal, in containers of the same type."""
    data = {"values": values, "pair": tuple(values), "set": set(map(str, values)), "nested": {"symbol": values}}
    assert scrub_value(data) == data
