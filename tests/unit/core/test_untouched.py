"""A sampled attempt that nobody looked at is told word for word as the SDK would have told it, and built of nothing."""

import json
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest
import sentry_sdk
from celery import Celery

import monitoring
from monitoring.scrubbing import register_secret, scrub_transaction
from monitoring.signals import untouched, written
from monitoring.signals.scopes import LazyScope
from monitoring.transactions import Written
from tests.harness.sentry import Sentry
from tests.unit.core.conftest import Start
from tests.unit.core.test_cheap_attempts import ARGS, TRACE, run, shape

BAGGAGE = (
    f"other=1,sentry-trace_id={TRACE},sentry-public_key=local,sentry-release=v%201,sentry-environment=production,"
    "sentry-transaction=POST%20%2Forders,sentry-sample_rate=0.1,sentry-sampled=true,sentry-sample_rand=0.034455"
)

sampled = partial(run, sampled="-1", baggage=BAGGAGE)


def _ambient_tags() -> None:
    sentry_sdk.get_global_scope().set_tag("desk", "fx")
    sentry_sdk.get_isolation_scope().set_tag("shift", "night")
    sentry_sdk.get_current_scope().set_tag("queue", "overruled")


def _ambient_attributes() -> None:
    sentry_sdk.get_global_scope().set_attribute("desk", "fx")
    sentry_sdk.get_isolation_scope().set_attribute("shift", "night")


def _known_secret() -> None:
    register_secret("bot-7-is-a-secret-by-now")


TASKS = [
    ("core.plain", ARGS),
    ("core.ünïcode", ("böt 😀", 'kra"ken', "btc\\usdt")),
    ("core.secret", ("bot-7-is-a-secret-by-now", "kraken", "trader@example.com")),
    ("core.none", (None, None, None)),
]


def by_us_and_by_the_sdk(told: Callable[[], object], built: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something told twice: by us, of nothing that was built, then by the SDK."""
    told()
    assert not built
    monkeypatch.setattr(untouched, "place_of", lambda *_: None)
    told()
    assert built
    monitoring.flush()


@pytest.mark.parametrize("around", [lambda: None, _ambient_tags, _known_secret])
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize(("name", "args"), TASKS)
def test_it_is_told_as_the_sdk_tells_it(  # noqa: PLR0913, PLR0917  # fixtures, and the product of three
    sentry: Sentry,
    start: Start,
    app: Celery,
    built: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    around: Callable[[], None],
    retries: int,
    name: str,
    args: tuple[Any, ...],
) -> None:
    """Section by section, name by name, type by type; and the envelope's own headers."""
    start(traces_sample_rate=1.0, release="v 1")
    around()
    told = partial(sampled, app, lambda: None, retries=retries, name=name, args=args)
    by_us_and_by_the_sdk(told, built, monkeypatch)
    ours, theirs = sentry.wait_for("transaction", 2)
    assert shape(ours) == shape(theirs)
    assert ours.keys() == theirs.keys()
    heads = [{**item.headers, "length": None} for item in sentry.items("transaction")]
    assert heads[0] == heads[1]
    first, second = (item.envelope_headers for item in sentry.items("transaction"))
    assert first["trace"] == second["trace"]
    assert first["trace"]["public_key"] == "local"  # Sentry reads it: it is no secret there
    assert {key: type(value) for key, value in first.items()} == {key: type(value) for key, value in second.items()}
    assert "secret-by-now" not in json.dumps(ours) or around is not _known_secret
    assert "trader@example" not in json.dumps(ours)


@pytest.mark.parametrize("around", [lambda: None, _ambient_attributes, _known_secret])
@pytest.mark.parametrize(("name", "args"), TASKS)
def test_its_streamed_spans_are_those_of_the_sdk(  # noqa: PLR0913, PLR0917  # as above
    sentry: Sentry,
    start: Start,
    app: Celery,
    built: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    around: Callable[[], None],
    name: str,
    args: tuple[Any, ...],
) -> None:
    """In the other lifecycle as well."""
    start(traces_sample_rate=1.0, release="v 1", trace_lifecycle="stream")
    around()
    told = partial(sampled, app, lambda: None, name=name, args=args)
    told()
    monitoring.flush()
    sentry.wait_for("span", 2)
    assert not built
    monkeypatch.setattr(untouched, "place_of", lambda *_: None)
    told()
    monitoring.flush()
    spans = [{**span, "attributes": shape_of(span["attributes"])} for span in sentry.wait_for("span", 4)]
    ours, theirs = spans[:2], spans[2:]
    assert [shape(span) for span in ours] == [shape(span) for span in theirs]
    assert [set(span) for span in ours] == [set(span) for span in theirs]
    first, second = sentry.items("span")
    assert first.envelope_headers["trace"] == second.envelope_headers["trace"]
    assert first.envelope_headers.keys() == second.envelope_headers.keys()
    assert first.headers.keys() - {"length"} == second.headers.keys() - {"length"}
    segment, processing = ours[1], ours[0]
    assert processing["parent_span_id"] == segment["span_id"] != processing["span_id"]
    assert "secret-by-now" not in str(ours) or around is not _known_secret


def shape_of(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return attributes without what differs from one attempt to the next."""
    varying = ("segment.id", "message.id", "receive.latency")
    return {
        name: {**told, "value": type(told["value"])} if name.endswith(varying) else told
        for name, told in attributes.items()
    }


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_a_look_changes_nothing_of_what_is_told(
    sentry: Sentry, start: Start, app: Celery, lifecycle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric's attributes, that a message came again among them, are the same with and without a look."""
    start(traces_sample_rate=1.0, trace_lifecycle=lifecycle)
    again = partial(sampled, app, redelivered=True)
    again(lambda: None)
    again(lambda: sentry_sdk.add_breadcrumb({"message": "looked"}))
    monitoring.flush()
    quiet, _, looked, _ = sentry.wait_for("metric", 4)
    assert quiet["attributes"] == looked["attributes"]
    assert quiet["attributes"]["redelivered"]["value"] == "true"


def test_its_times_are_those_of_the_attempt(sentry: Sentry, start: Start, app: Celery) -> None:
    """Segment, span and context tell one story; the metrics are of the same segment."""
    start(traces_sample_rate=1.0)
    sampled(app, lambda: None)
    monitoring.flush()
    transaction = sentry.one("transaction")
    (span,) = transaction["spans"]
    assert transaction["start_timestamp"] == span["start_timestamp"] <= span["timestamp"] <= transaction["timestamp"]
    place = transaction["contexts"]["trace"]
    assert place["span_id"] == span["parent_span_id"] != span["span_id"]
    assert {(metric["trace_id"], metric["span_id"]) for metric in sentry.wait_for("metric", 2)} == {
        (TRACE, place["span_id"])
    }


def test_who_looks_finds_it_built_from_the_start(sentry: Sentry, start: Start, app: Celery) -> None:
    """A span of the application's stands below `queue.process`, which began before it."""

    def work() -> None:
        with sentry_sdk.start_span(op="exchange.fetch", name="fetch book"):
            pass

    start(traces_sample_rate=1.0)
    sampled(app, work)
    monitoring.flush()
    transaction = sentry.one("transaction")
    spans = {span["op"]: span for span in transaction["spans"]}
    process, fetch = spans["queue.process"], spans["exchange.fetch"]
    assert fetch["parent_span_id"] == process["span_id"]
    assert process["parent_span_id"] == transaction["contexts"]["trace"]["span_id"]
    assert transaction["start_timestamp"] <= process["start_timestamp"] <= fetch["start_timestamp"]
    assert fetch["timestamp"] <= process["timestamp"] <= transaction["timestamp"]
    assert transaction["tags"]["outcome"] == "success"


def test_a_failure_is_told_in_its_own_trace(sentry: Sentry, start: Start, app: Celery) -> None:
    """The error names the span that it happened in, and the transaction has failed."""

    def fail() -> None:
        raise ValueError("no liquidity")

    start(traces_sample_rate=1.0)
    sampled(app, fail)
    monitoring.flush()
    error, transaction = sentry.one("event"), sentry.one("transaction")
    (span,) = transaction["spans"]
    assert error["contexts"]["trace"]["trace_id"] == TRACE
    assert error["contexts"]["trace"]["span_id"] == span["span_id"]
    assert (transaction["contexts"]["trace"]["status"], transaction["tags"]["outcome"]) == ("internal_error", "failure")


def test_a_slow_task_is_warned_about_and_told_whole(sentry: Sentry, start: Start, app: Celery) -> None:
    """The warning looks when all is over: then what was put off is built and ended."""
    start(traces_sample_rate=1.0, slow_task_seconds=1e-9)
    sampled(app, lambda: None)
    monitoring.flush()
    assert sentry.one("event")["level"] == "warning"
    transaction = sentry.one("transaction")
    assert [span["op"] for span in transaction["spans"]] == ["queue.process"]
    assert transaction["tags"]["outcome"] == "success"


def _by_user() -> None:
    sentry_sdk.get_global_scope().set_user({"id": "42"})


def _by_context() -> None:
    sentry_sdk.get_isolation_scope().set_context("book", {"depth": 5})


def _by_processor() -> None:
    sentry_sdk.get_global_scope().add_event_processor(lambda event, _: {**event, "extra": {"seen": 1}})


def _by_number() -> None:
    sentry_sdk.get_global_scope().set_tag("depth", 5)


def _by_hook() -> None:
    sentry_sdk.get_client().options["before_send_transaction"] = partial(scrub_transaction)


@pytest.mark.parametrize("more", [_by_user, _by_context, _by_processor, _by_number, _by_hook])
def test_where_more_is_at_play_the_sdk_does_it(
    sentry: Sentry, start: Start, app: Celery, built: list[Any], more: Callable[[], None]
) -> None:
    """And tells it: it is the application's own."""
    start(traces_sample_rate=1.0)
    more()
    sampled(app, lambda: None)
    monitoring.flush()
    transaction = sentry.one("transaction")
    assert built
    shows: dict[Callable[[], None], Callable[[], bool]] = {
        _by_user: lambda: transaction["user"]["id"] == "42",
        _by_context: lambda: transaction["contexts"]["book"]["depth"] == 5,
        _by_processor: lambda: transaction["extra"]["seen"] == 1,
        _by_number: lambda: transaction["tags"]["depth"] in {5, "5"},
        _by_hook: lambda: transaction["transaction"] == "core.trade",
    }
    assert shows[more]()


@pytest.mark.parametrize(("sampled", "rand"), [("-1", ""), ("", ",sentry-sample_rand=two")])
def test_a_message_that_does_not_say_all_is_read_by_the_sdk(  # noqa: PLR0913, PLR0917  # fixtures
    sentry: Sentry, start: Start, app: Celery, built: list[Any], sampled: str, rand: str
) -> None:
    """A decision without the number that it was drawn with, or with one that is none."""
    start(traces_sample_rate=1.0)
    run(app, lambda: None, sampled=sampled, baggage=f"sentry-trace_id={TRACE}{rand}")
    monitoring.flush()
    assert sentry.one("transaction")["contexts"]["trace"]["trace_id"] == TRACE
    assert built


def test_who_looks_afterwards_begins_nothing(sentry: Sentry, start: Start, app: Celery) -> None:
    """A thread that keeps the attempt's context finds scopes without a span, and nothing is sent twice."""
    kept: list[Any] = []
    start(traces_sample_rate=1.0)
    sampled(app, lambda: kept.append(copy_context()))
    thread = threading.Thread(target=kept[0].run, args=(sentry_sdk.add_breadcrumb, {"message": "late"}))
    thread.start()
    thread.join()
    assert kept[0].run(sentry_sdk.get_current_span) is None
    monitoring.flush()
    sentry.one("transaction")


@pytest.mark.swallows(reason="the error is what this is about")
def test_an_error_of_ours_costs_no_transaction(
    sentry: Sentry, start: Start, app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left to the SDK then, and the task is not harmed."""

    def stumble(*_: object) -> str:
        raise RuntimeError("an error of ours")

    start(traces_sample_rate=1.0)
    monkeypatch.setattr(written, "_tags", stumble)
    sampled(app, lambda: None)
    monitoring.flush()
    assert sentry.one("transaction")["tags"]["outcome"] == "success"


def test_what_is_lost_of_it_is_counted_with_its_span(sentry: Sentry, start: Start, app: Celery) -> None:
    """Nothing but text is kept, and yet both are counted."""
    start(traces_sample_rate=1.0)
    transport: Any = sentry_sdk.get_client().transport
    item = sentry_sdk.envelope.Item(
        payload=Written(b'{"type":"transaction","spans":[{}]}', spans=1), type="transaction"
    )
    transport.record_lost_event("queue_overflow", item=item)
    assert dict(transport.take_losses()) == {("transaction", "queue_overflow"): 1, ("span", "queue_overflow"): 2}


def test_no_scope_is_filled_for_it(sentry: Sentry, start: Start, app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is where most of the cost was."""
    filled: list[LazyScope] = []
    monkeypatch.setattr(LazyScope, "_fill", filled.append)
    start(traces_sample_rate=1.0)
    sampled(app, lambda: None)
    monitoring.flush()
    sentry.one("transaction")
    assert not filled
