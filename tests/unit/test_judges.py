"""The judges bite: what Sentry would refuse, repair, drop or scrub is found, and what is sound passes."""

import copy
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.local.queries import StoredItem
from tests.harness import judges
from tests.harness.sentry import Sentry

NOW = time.time()
TRACE, SPAN, OTHER = "c" * 32, "a" * 16, "b" * 16
NEED_RELAY = pytest.mark.skipif(judges.relay_missing() is not None, reason=judges.relay_missing() or "")


def stamp(offset: float = 0.0) -> str:
    """Return an ISO time `offset` seconds from now."""
    return datetime.fromtimestamp(NOW + offset, UTC).isoformat().replace("+00:00", "Z")


EVENT: Mapping[str, Any] = {
    "event_id": "e" * 32,
    "timestamp": stamp(),
    "platform": "python",
    "level": "error",
    "release": "trading@1.2.0",
    "environment": "staging",
    "tags": {"bot_id": "bot-1", "exchange": "kraken", "symbol": "BTC/USDT"},
    "exception": {
        "values": [
            {
                "type": "ExchangeError",
                "value": "no margin",
                "stacktrace": {"frames": [{"function": "place", "lineno": 3, "vars": {"depth": "x" * 3000}}]},
            }
        ]
    },
    "breadcrumbs": {"values": [{"timestamp": stamp(-1), "category": "trading", "message": "asked kraken"}]},
    "contexts": {"celery": {"id": "t-1", "attempt": 2, "queue_wait_ms": 3.5}},
}
TRANSACTION: Mapping[str, Any] = {
    "event_id": "e" * 32,
    "type": "transaction",
    "transaction": "trading.place",
    "transaction_info": {"source": "task"},
    "timestamp": stamp(),
    "start_timestamp": stamp(-1),
    "platform": "python",
    "tags": {"bot_id": "bot-1"},
    "contexts": {"trace": {"trace_id": TRACE, "span_id": SPAN, "op": "queue.task.celery", "status": "ok"}},
    "spans": [
        {
            "trace_id": TRACE,
            "span_id": OTHER,
            "parent_span_id": SPAN,
            "op": "queue.process",
            "start_timestamp": stamp(-1),
            "timestamp": stamp(),
            "data": {"messaging.message.receive.latency": 12.5},
        }
    ],
}
METRIC: Mapping[str, Any] = {
    "timestamp": NOW,
    "trace_id": TRACE,
    "span_id": SPAN,
    "name": "task.run_time",
    "type": "distribution",
    "value": 12.5,
    "unit": "millisecond",
    "attributes": {"bot_id": {"value": "bot-1", "type": "string"}, "attempt": {"value": 2, "type": "integer"}},
}
STREAMED: Mapping[str, Any] = {
    "trace_id": TRACE,
    "span_id": SPAN,
    "name": "trading.place",
    "status": "ok",
    "is_segment": True,
    "start_timestamp": NOW - 1,
    "end_timestamp": NOW,
    "attributes": {"queue": {"value": "orders", "type": "string"}},
}
LOG: Mapping[str, Any] = {
    "timestamp": NOW,
    "trace_id": TRACE,
    "level": "info",
    "body": "placed",
    "severity_number": 9,
    "attributes": {"bot_id": {"value": "bot-1", "type": "string"}},
}
CHECK_IN: Mapping[str, Any] = {
    "check_in_id": "d" * 32,
    "monitor_slug": "reconcile",
    "status": "ok",
    "monitor_config": {"schedule": {"type": "crontab", "value": "*/5 * * * *"}},
}
GONE = object()


def changed(base: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with the value at a dotted path replaced, or removed when it is GONE."""
    copied: dict[str, Any] = copy.deepcopy(dict(base))
    *parents, last = path.split(".")
    inner: Any = copied
    for part in parents:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return copied


def container(kind: str, *entries: Mapping[str, Any]) -> StoredItem:
    """Return an item that holds these logs."""
    content = {"version": 2, "items": list(entries)}
    headers = {"type": kind, "item_count": len(entries), "content_type": "application/vnd.sentry.items.log+json"}
    return StoredItem(kind, content, headers, {}, NOW)


def single(kind: str, content: Mapping[str, Any]) -> StoredItem:
    """Return an item that is its own only entry."""
    return StoredItem(kind, content, {"type": kind}, {}, NOW)


@NEED_RELAY
@pytest.mark.parametrize("sound", [EVENT, TRANSACTION], ids=["event", "transaction"])
def test_a_sound_event_passes_every_judge(sound: Mapping[str, Any]) -> None:
    """Find nothing in an event as we send it, a long local variable of a frame included."""
    assert judges.judge_event(sound) == []
    assert judges.judge_privacy(sound) == []


BAD_EVENTS = [
    (EVENT, "timestamp", "banana"),
    (EVENT, "timestamp", stamp(3600)),
    (EVENT, "timestamp", stamp(-400 * judges.DAY_SECONDS)),
    (EVENT, "timestamp", GONE),
    (EVENT, "event_id", "123"),
    (EVENT, "event_id", GONE),
    (EVENT, "level", "oops"),
    (EVENT, "release", "a\nb"),
    (EVENT, "environment", "a/b"),
    (EVENT, "exception.values", "nope"),
    (EVENT, "platform", GONE),
    (EVENT, "invented", 1),
    (EVENT, "tags.bot_id", ""),
    (EVENT, "tags.bot_id", "a\nb"),
    (EVENT, "tags.bot_id", {"deep": 1}),
    (EVENT, "tags.bot_id", "x" * 201),
    (EVENT, "tags.release", "mine"),
    (EVENT, "tags.environment", "mine"),
    (EVENT, "tags.bad key", "renamed"),
    (TRANSACTION, "start_timestamp", GONE),
    (TRANSACTION, "start_timestamp", stamp(5)),
    (TRANSACTION, "contexts.trace", GONE),
    (TRANSACTION, "contexts.trace.trace_id", GONE),
    (TRANSACTION, "contexts.trace.span_id", GONE),
    (TRANSACTION, "contexts.trace.status", "great"),
    (TRANSACTION, "spans.0.span_id", GONE),
    (TRANSACTION, "spans.0.timestamp", GONE),
    (TRANSACTION, "spans.0.timestamp", stamp(-9)),
    (TRANSACTION, "spans.0.timestamp", "yesterday"),
    (TRANSACTION, "spans.0.op", 5),
    (TRANSACTION, "transaction_info.source", "bogus"),
    (TRANSACTION, "spans", [TRANSACTION["spans"][0]] * 1001),
]


@NEED_RELAY
@pytest.mark.parametrize(
    ("base", "path", "value"),
    BAD_EVENTS,
    ids=range(len(BAD_EVENTS)),
)
def test_relay_judge_finds_what_sentry_would_change(base: Mapping[str, Any], path: str, value: object) -> None:
    """Find a field that Sentry would refuse, drop, rename or cut."""
    assert judges.judge_event(changed(base, path, value))


SECRETS = [
    ("extra", {"api_secret": "s3cr3t-value"}),
    ("extra", {"password": "hunter22"}),
    ("extra", {"endpoint": "https://me:hunter22@exchange.example/"}),
    ("exception.values.0.stacktrace.frames.0.vars", {"api_key": "k-123456"}),
    ("user", {"ip_address": "203.0.113.7"}),
    ("contexts.celery.card", "4111 1111 1111 1111"),
]


@NEED_RELAY
@pytest.mark.parametrize(("path", "value"), SECRETS)
def test_privacy_judge_finds_what_sentry_would_scrub(path: str, value: object) -> None:
    """Find a secret that left for Sentry's own scrubber to remove."""
    assert judges.judge_privacy(changed(EVENT, path, value))


@NEED_RELAY
def test_privacy_judge_accepts_our_own_marks() -> None:
    """Take a value that we have replaced ourselves for what it is."""
    assert judges.judge_privacy(changed(EVENT, "extra", {"api_secret": "[Filtered]", "token": "[scrubbed]"})) == []


def test_cli_judge_passes_sound_logs_and_check_ins() -> None:
    """Find nothing in a log and a check-in that Sentry takes."""
    assert judges.judge_with_cli([container("log", LOG), single("check_in", CHECK_IN)]) == []


BAD_ITEMS = [
    container("log", changed(LOG, "timestamp", GONE)),
    container("log", changed(LOG, "trace_id", "zz")),
    container("log", changed(LOG, "level", "loud")),
    container("log", changed(LOG, "attributes.bot_id.type", "integer")),
    single("check_in", changed(CHECK_IN, "monitor_slug", GONE)),
    single("check_in", changed(CHECK_IN, "check_in_id", "nope")),
    single("check_in", changed(CHECK_IN, "monitor_config.schedule.type", "cron")),
]


@pytest.mark.parametrize("item", BAD_ITEMS, ids=range(len(BAD_ITEMS)))
def test_cli_judge_refuses_and_names_the_item(item: StoredItem) -> None:
    """Find the one bad item among good ones."""
    (finding,) = judges.judge_with_cli([container("log", LOG), item, single("check_in", CHECK_IN)])
    assert finding.startswith(item.type)
    assert "invalid" in finding


@pytest.mark.parametrize(
    ("envelope", "sound"),
    [
        (b'{}\n{"type":"log","length":2}\n{}\n', False),
        (b"not an envelope", False),
        (b'{"event_id":"nope"}\n', False),
        (judges.framed(container("log", LOG)), True),
    ],
)
def test_cli_judge_checks_the_framing(envelope: bytes, sound: bool) -> None:  # noqa: FBT001  # the expected verdict
    """Refuse an envelope that Sentry's own client cannot read."""
    assert (judges.judge_envelope_with_cli(envelope) == []) is sound


@pytest.mark.parametrize(("kind", "sound"), [("metric", METRIC), ("span", STREAMED)])
def test_schema_judge_passes_what_the_documentation_shows(kind: str, sound: Mapping[str, Any]) -> None:
    """Find nothing in a metric or streamed span by the book."""
    assert judges.judge_schema(kind, sound) == []


BAD_ENTRIES = [
    ("metric", changed(METRIC, "timestamp", stamp())),
    ("metric", changed(METRIC, "timestamp", NOW * 1000)),
    ("metric", changed(METRIC, "trace_id", GONE)),
    ("metric", changed(METRIC, "trace_id", "C" * 32)),
    ("metric", changed(METRIC, "span_id", "1")),
    ("metric", changed(METRIC, "name", "task run time")),
    ("metric", changed(METRIC, "type", "histogram")),
    ("metric", changed(METRIC, "type", "counter")),
    ("metric", changed(METRIC, "value", "12")),
    ("metric", changed(METRIC, "invented", 1)),
    ("metric", changed(METRIC, "attributes.bot_id", "bot-1")),
    ("metric", changed(METRIC, "attributes.attempt.value", "2")),
    ("metric", changed(METRIC, "attributes.attempt.type", "number")),
    ("span", changed(STREAMED, "status", "aborted")),
    ("span", changed(STREAMED, "is_segment", GONE)),
    ("span", changed(STREAMED, "end_timestamp", None)),
    ("span", changed(STREAMED, "name", "")),
    ("client_report", {"discarded_events": [{"reason": "", "category": "error", "quantity": 1}]}),
]


@pytest.mark.parametrize(("kind", "entry"), BAD_ENTRIES, ids=range(len(BAD_ENTRIES)))
def test_schema_judge_finds_a_departure(kind: str, entry: Mapping[str, Any]) -> None:
    """Find a metric, streamed span or client report that departs from Sentry's description."""
    assert judges.judge_schema(kind, entry)


@pytest.mark.parametrize(
    ("judge", "body"),
    [
        ("framing", b'{}\n{"type":"event","length":99}\n{}\n'),
        pytest.param("relay", judges.framed(single("event", changed(EVENT, "level", "oops"))), marks=NEED_RELAY),
        pytest.param("privacy", judges.framed(single("event", changed(EVENT, *SECRETS[0]))), marks=NEED_RELAY),
        ("cli", judges.framed(BAD_ITEMS[0])),
        ("schema", judges.framed(container("trace_metric", changed(METRIC, "value", None)))),
        (
            "losses",
            judges.framed(
                single(
                    "client_report",
                    {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 2}]},
                )
            ),
        ),
    ],
)
def test_every_judge_sits_over_what_a_test_receives(judge: str, body: bytes) -> None:
    """Name the judge in the finding; excused, that judge is silent."""
    with Sentry() as sentry:
        sentry.post(body)
        assert {finding.partition(":")[0] for finding in judges.judge(sentry)} == {judge}
        assert judges.judge(sentry, frozenset({judge})) == []


def test_a_chosen_drop_is_no_loss() -> None:
    """Accept a client report of what the filter has dropped on purpose."""
    report = {"discarded_events": [{"reason": "before_send", "category": "error", "quantity": 2}]}
    with Sentry() as sentry:
        sentry.post(judges.framed(single("client_report", report)))
        assert judges.judge(sentry) == []


def test_relay_must_judge_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise on CI when Relay's judge is absent; elsewhere say why."""
    monkeypatch.setitem(sys.modules, "sentry_relay.processing", None)
    monkeypatch.setenv("CI", "")
    assert "cannot be imported" in (judges.relay_missing() or "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RuntimeError, match="sentry-relay"):
        judges.relay_missing()
