"""What the local Sentry takes and what it refuses: every compression, every item type, every way to be malformed."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import sentry_sdk
from sentry_sdk import logger

from monitoring.local import Limits, LocalSentry
from tests.unit.local.conftest import Caller, envelope, item, metric, metrics

EVENT = {"event_id": "e" * 32, "level": "error", "message": "no margin"}
GOOD = envelope(item("event", EVENT), event_id="e" * 32)
ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
}
TYPES: dict[str, Any] = {
    "event": EVENT,
    "transaction": {"type": "transaction", "transaction": "a"},
    "log": {"version": 2, "items": [{"body": "one"}, {"body": "two"}]},
    "trace_metric": {"version": 2, "items": [metric("task.run_time", 1)]},
    "span": {"version": 2, "items": [{"name": "a"}]},
    "check_in": {"check_in_id": "c" * 32, "status": "ok"},
    "session": {"sid": "s"},
    "sessions": {"aggregates": []},
    "client_report": {"discarded_events": []},
    "feedback": {"message": "f"},
    "user_report": {"name": "u"},
    "profile": {"version": "1"},
    "profile_chunk": {"version": "2"},
}


def rejected(caller: Caller) -> dict[str, int]:
    """Ask what was refused, by reason."""
    counts: dict[str, int] = caller.get("/stats.json").json["rejected"]
    return counts


@pytest.mark.parametrize("encoding", ENCODERS)
def test_every_compression_is_understood(caller: Caller, encoding: str) -> None:
    """Take a body as it is or compressed in any way that Sentry takes, and keep the payload byte for byte."""
    answer = caller.send(ENCODERS[encoding](GOOD), encoding)
    assert (answer.status, answer.json) == (200, {"id": "e" * 32})
    assert caller.get("/events.json").json == {"events": [EVENT]}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-5], lambda _: b"not compressed at all", lambda b: b"\0" + b, lambda _: b""]
)
def test_a_body_that_does_not_decompress_is_refused_and_counted(
    caller: Caller, encoding: str, spoil: Callable[[bytes], bytes]
) -> None:
    """Answer 400 to a body that is cut off or is something else, and go on with the next."""
    answer = caller.send(spoil(ENCODERS[encoding](GOOD)), encoding)
    assert answer.status == 400
    assert sum(rejected(caller).values()) == 1
    assert caller.send(GOOD).status == 200


def test_an_unknown_compression_is_refused(caller: Caller) -> None:
    """Say what may be used instead."""
    answer = caller.send(GOOD, "zstd")
    assert answer.status == 415
    assert "gzip" in answer.json["detail"]
    assert rejected(caller) == {"content_encoding": 1}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_bomb_is_refused_before_it_fills_the_memory(call: Callable[..., Caller], encoding: str) -> None:
    """Stop at the bound while decompressing, however small the body is."""
    with LocalSentry(limits=Limits(envelope=1_000_000)) as sentry:
        caller = call(sentry)
        bomb = ENCODERS[encoding](envelope(item("attachment", b"\0" * 10_000_000)))
        assert len(bomb) < 100_000
        assert caller.send(bomb, encoding).status == 413
        assert rejected(caller) == {"too_large": 1}


@pytest.mark.parametrize("kind", TYPES)
def test_every_item_type_is_kept_whole(sentry: LocalSentry, caller: Caller, kind: str) -> None:
    """Keep any type that Sentry knows, with its headers; containers can be read entry by entry."""
    count = {"item_count": len(TYPES[kind]["items"])} if "items" in TYPES[kind] else {}
    assert caller.send(envelope(item(kind, TYPES[kind], **count, content_type="x"), sdk={"name": "s"})).status == 200
    (stored,) = sentry.items(kind)
    assert stored.payload == TYPES[kind]
    assert stored.headers["content_type"] == "x"
    assert stored.envelope_headers == {"sdk": {"name": "s"}}
    assert sentry.entries(kind) == TYPES[kind].get("items", [TYPES[kind]])
    assert caller.get("/stats.json").json["received"] == {kind: 1}


def test_an_unknown_or_binary_item_is_kept_as_bytes(sentry: LocalSentry, caller: Caller) -> None:
    """Take what a newer SDK may send, whatever is in it."""
    payload = bytes(range(256))
    caller.send(envelope(item("attachment", payload, filename="a.bin"), item("from_the_future", b"not json \xff")))
    assert [stored.payload for stored in sentry.items()] == [payload, b"not json \xff"]
    shown = caller.get("/items.json").json["items"]
    assert [(one["type"], list(one["payload"])) for one in shown] == [
        ("from_the_future", ["base64"]),
        ("attachment", ["base64"]),
    ]
    assert rejected(caller) == {}


def test_a_line_ends_a_payload_without_a_length(sentry: LocalSentry, caller: Caller) -> None:
    """Read items that announce no length, blank lines between them, and a missing newline at the end."""
    lines = (b'{"event_id":"1"}', b'{"type":"event"}', json.dumps(EVENT).encode(), b"", b'{"type":"note"}', b"text")
    assert caller.send(b"\n".join(lines)).status == 200
    assert [stored.type for stored in sentry.items()] == ["event", "note"]
    assert sentry.items("note")[0].payload == b"text"


MALFORMED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "header"),
    "no json": (b"<html>", "header"),
    "a list": (b"[]\n", "header"),
    "utf-16": ('{"a":1}'.encode("utf-16") + b"\n", "header"),
    "deep": (b"[" * 100_000, "header"),
    "item header": (b"{}\n{nope}\n{}", "item_header"),
    "no type": (b'{}\n{"length":2}\n{}', "item_header"),
    "type is no text": (b'{}\n{"type":7}\n{}', "item_header"),
    "type too long": (envelope(item("t" * 65, b"{}")), "item_header"),
    "negative length": (b'{}\n{"type":"event","length":-1}\n{}', "length"),
    "length is true": (b'{}\n{"type":"event","length":true}\n{}', "length"),
    "length too large": (b'{}\n{"type":"event","length":99}\n{}', "truncated"),
    "length too small": (b'{}\n{"type":"event","length":1}\n{}', "length"),
    "payload no json": (envelope(item("event", b"{broken")), "json"),
    "payload a list": (envelope(item("event", b"[]")), "json"),
    "payload has NaN": (envelope(item("event", b'{"timestamp": NaN}')), "json"),
    "container without items": (envelope(item("log", {"version": 2})), "shape"),
    "container of texts": (envelope(item("trace_metric", {"items": ["a"]})), "shape"),
    "wrong item_count": (envelope(item("log", {"items": [{}]}, item_count=2)), "item_count"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_input_is_refused_and_counted(caller: Caller, name: str) -> None:
    """Answer 400 with what is wrong, store nothing of it, count it by reason, and take the next envelope."""
    body, reason = MALFORMED[name]
    answer = caller.send(body)
    assert answer.status == 400, answer.body
    assert answer.json["detail"]
    assert rejected(caller) == {reason: 1}
    assert caller.send(GOOD).status == 200
    assert caller.get("/stats.json").json["received"] == {"event": 1}


def test_one_bad_item_refuses_the_whole_envelope(sentry: LocalSentry, caller: Caller) -> None:
    """Keep an envelope whole or not at all, so that its sender's count is right either way."""
    assert caller.send(envelope(item("event", EVENT), item("event", b"{broken"))).status == 400
    assert sentry.items() == []


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (envelope(item("event", {"message": "x" * 1_100_000})), "event"),
        (envelope(item("client_report", {"discarded_events": ["x" * 5000]})), "client_report"),
        (envelope(metrics(metric("m", 1, note="x" * 3000))), "entry 0"),
        (envelope(*[item("event", {})] * 1001), "1000 items"),
    ],
)
def test_what_sentry_would_refuse_as_too_large_is_refused(caller: Caller, body: bytes, what: str) -> None:
    """Hold items and entries to Sentry's published sizes: 413, naming the item and the bound."""
    answer = caller.send(body)
    assert answer.status == 413
    assert what in answer.json["detail"]
    assert rejected(caller) == {"too_large": 1}


def test_a_request_that_is_too_large_is_answered_unread(call: Callable[..., Caller]) -> None:
    """Answer 413 from the announced length alone; the sender still gets the answer, not a reset."""
    with LocalSentry(limits=Limits(compressed=1000)) as sentry:
        caller = call(sentry)
        assert caller.send(b"x" * 3_000_000).status == 413
        assert rejected(call(sentry)) == {"too_large": 1}


@pytest.mark.parametrize(
    ("headers", "path", "body", "status"),
    [
        ({"X_Sentry_Auth": "Sentry sentry_key=k"}, "/api/1/envelope/", GOOD, 200),
        ({}, "/api/1/envelope/?sentry_key=k", GOOD, 200),
        ({}, "/api/1/envelope/", envelope(item("event", EVENT), dsn="http://k@127.0.0.1/1"), 200),
        ({}, "/api/1/envelope/", GOOD, 401),
        ({"X_Sentry_Auth": "Sentry sentry_key=k"}, "/api/1/store/", GOOD, 404),
        ({"X_Sentry_Auth": "Sentry sentry_key=k"}, "/api/1/2/envelope/", GOOD, 404),
    ],
)
def test_a_key_in_any_of_the_three_places(
    caller: Caller, headers: dict[str, str], path: str, body: bytes, status: int
) -> None:
    """Take any key from the header, the query or the envelope; without one it is no Sentry client."""
    assert caller.ask("POST", path, body, headers).status == status


def test_the_real_sdk_is_understood(sentry: LocalSentry) -> None:
    """Take an event, a log and a metric from the real SDK, with its own compression, by a plain DSN."""
    client = sentry_sdk.Client(dsn=sentry.dsn, enable_logs=True, default_integrations=False)
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        sentry_sdk.capture_message("hello", level="error")
        logger.info("a log")
        sentry_sdk.metrics.count("a.metric", 1)
        client.close(timeout=10)
    assert [event["message"] for event in sentry.events()] == ["hello"]
    assert [log["body"] for log in sentry.logs()] == ["a log"]
    assert [found["name"] for found in sentry.metrics()] == ["a.metric"]
