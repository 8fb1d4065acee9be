"""A message whose sender has not decided whether its trace is sampled: beat's, a script's, a stranger's."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from celery import Celery, signals
from sentry_sdk.scope import Scope
from sentry_sdk.tracing_utils import Baggage, PropagationContext, _make_sampling_decision

import monitoring
from monitoring.signals import ids, sampling, tracing
from monitoring.signals.scopes import LazyScope
from tests.harness.sentry import Sentry
from tests.unit.core.conftest import Start
from tests.unit.core.test_cheap_attempts import TOLD, TRACE, measured, run, shape, told
from tests.unit.core.test_untouched import by_us_and_by_the_sdk, shape_of

#: What a message may say of the decision: nothing, or not even which trace it belongs to.
UNDECIDED = ["", None]


@pytest.fixture
def published() -> Iterator[list[dict[str, Any]]]:
    """List the headers of what is published."""
    seen: list[dict[str, Any]] = []

    def see(headers: dict[str, Any], **_: object) -> None:
        seen.append(headers)

    signals.before_task_publish.connect(see)
    yield seen
    signals.before_task_publish.disconnect(see)


@pytest.mark.parametrize("rate", [0.0, 1e-9])
@pytest.mark.parametrize("sampled", UNDECIDED)
def test_what_is_left_out_fills_no_scope_and_is_measured_and_counted(  # noqa: PLR0913, PLR0917  # fixtures
    sentry: Sentry, start: Start, app: Celery, filled: list[LazyScope], sampled: str | None, rate: float
) -> None:
    """It costs no more than a task about which its sender has decided."""
    start(traces_sample_rate=rate)
    run(app, lambda: None, sampled=sampled)
    metrics = measured(sentry, 1)
    assert not filled
    assert {metric["name"] for metric in metrics} == {"task.run_time", "task.queue_wait"}
    assert all(told(metric) == {**TOLD, "outcome": "success"} for metric in metrics)
    (trace_id,) = {metric["trace_id"] for metric in metrics}
    assert len(trace_id) == len(TRACE)
    assert (trace_id == TRACE) is (sampled is not None)
    assert sentry.lost()["sample_rate", "transaction"] == sentry.lost()["sample_rate", "span"] == 1


@pytest.mark.parametrize("sampled", UNDECIDED)
def test_whatever_it_produces_is_in_one_trace(
    sentry: Sentry, start: Start, app: Celery, published: list[dict[str, Any]], sampled: str | None
) -> None:
    """Its error, its metrics, and what it publishes, for which the decision holds as well."""
    start()

    def body() -> None:
        app.send_task("core.child")
        monitoring.capture_message("no margin")

    run(app, body, sampled=sampled)
    metrics = measured(sentry, 1)
    (event,) = sentry.wait_for("event", 1)
    (headers,) = published
    trace_id = event["contexts"]["trace"]["trace_id"]
    assert (trace_id == TRACE) is (sampled is not None)
    assert {metric["trace_id"] for metric in metrics} == {trace_id}
    assert headers["sentry-trace"].startswith(f"{trace_id}-")
    assert headers["sentry-trace"].endswith("-0")


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_a_new_trace_is_sampled_at_the_rate(sentry: Sentry, start: Start, app: Celery, lifecycle: str) -> None:
    """The SDK decides once more about what is not left out: by the same trace, so that it agrees."""
    start(traces_sample_rate=0.5, trace_lifecycle=lifecycle)
    ids._ids.seed(1)
    for _ in range(200):
        run(app, lambda: None, sampled=None)
    monitoring.flush()
    stream = lifecycle == "stream"
    whole = sentry.spans(lambda span: span["is_segment"]) if stream else sentry.transactions()
    assert 70 < len(whole) < 130
    assert len(whole) + sentry.lost()["sample_rate", "span" if stream else "transaction"] == 200


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("told_rand", [None, 0.1, 0.5, 1.5, "x"])
def test_the_decision_is_the_sdks(start: Start, rate: float, told_rand: object) -> None:
    """Another process that sees the same trace decides the same, whichever of us is asked."""
    start(traces_sample_rate=rate)
    client, chance = sentry_sdk.get_client(), random.Random(1)
    for _ in range(100):
        trace_id = f"{chance.getrandbits(128):032x}"
        baggage = f"sentry-trace_id={trace_id}" + (f",sentry-sample_rand={told_rand}" if told_rand is not None else "")
        headers = {"sentry-trace": f"{trace_id}-{TRACE[:16]}", "baggage": baggage}
        with sentry_sdk.isolation_scope() as scope:
            scope.generate_propagation_context(headers)
            wanted, *_ = _make_sampling_decision("core.trade", None, scope)
        known = sampling.known_beforehand(client, headers)
        if told_rand in {1.5, "x"} and rate:  # what nobody has written is left to the SDK
            assert known is None
        else:
            assert known is not None
            assert (known.trace_id, known.parent_span_id, known.sampled) == (trace_id, TRACE[:16], wanted)


def _comparable(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "attributes": shape_of(entry["attributes"])} if "attributes" in entry else entry


OTHERS = "other=1"
OURS = f"other=1,sentry-trace_id={TRACE},sentry-public_key=local,sentry-release=v%201,sentry-environment=production"


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
@pytest.mark.parametrize("options", [{}, {"org_id": "7"}])
@pytest.mark.parametrize(
    ("sampled", "baggage"),
    [
        ("", OURS),
        ("", f"{OURS},sentry-org_id=7"),
        ("", f"{OURS},sentry-sample_rand=0.05"),
        ("", OTHERS),
        ("", ""),
        (None, ""),
        (None, OURS),
    ],
)
def test_what_is_sampled_is_told_as_the_sdk_tells_it(  # noqa: PLR0913, PLR0917  # fixtures, and what a message may say
    sentry: Sentry,
    start: Start,
    app: Celery,
    built: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    lifecycle: str,
    options: dict[str, Any],
    sampled: str | None,
    baggage: str,
) -> None:
    """Built of nothing if nobody looks; word for word, and with the same decision in the envelope's header."""
    start(traces_sample_rate=0.999999, release="v 1", trace_lifecycle=lifecycle, options=options)

    def told() -> None:
        ids._ids.seed(7)  # so that a new trace has the same name both times
        run(app, lambda: None, sampled=sampled, baggage=baggage)

    by_us_and_by_the_sdk(told, built, monkeypatch)
    kind, count = ("span", 4) if lifecycle == "stream" else ("transaction", 2)
    entries = [_comparable(entry) for entry in sentry.wait_for(kind, count)]
    ours, theirs = entries[: count // 2], entries[count // 2 :]
    assert [shape(entry) for entry in ours] == [shape(entry) for entry in theirs]
    assert [set(entry) for entry in ours] == [set(entry) for entry in theirs]
    first, second = (item.envelope_headers for item in sentry.items(kind))
    assert first.keys() == second.keys()
    assert first["trace"] == second["trace"]
    assert (first["trace"]["trace_id"] == TRACE) is (sampled is not None)


@pytest.mark.parametrize("sampled", UNDECIDED)
def test_an_application_that_decides_on_each_is_asked(
    sentry: Sentry, start: Start, app: Celery, sampled: str | None
) -> None:
    """`traces_sampler` goes before any rate."""
    asked: list[Any] = []

    def decide(context: dict[str, Any]) -> float:
        asked.append(context["celery_job"]["task"])
        return 1.0

    start(options={"traces_sampler": decide})
    run(app, lambda: None, sampled=sampled)
    monitoring.flush()
    assert len(sentry.wait_for("transaction", 1)) == 1
    assert set(asked) == {"core.trade"}


def test_a_trace_of_another_organisation_begins_anew(sentry: Sentry, start: Start, app: Celery) -> None:
    """What the SDK would not continue is not continued because nobody has decided about it."""
    start(options={"org_id": "1"})
    run(app, lambda: None, sampled="", baggage=f"sentry-trace_id={TRACE},sentry-org_id=2")
    run(app, lambda: None, sampled="", baggage=f"sentry-trace_id={TRACE},sentry-org_id=1")
    foreign, own = (metric["trace_id"] for metric in measured(sentry, 2)[::2])
    assert foreign != TRACE
    assert own == TRACE


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("own", [None, "1"])
@pytest.mark.parametrize("theirs", [None, "1", "2"])
def test_what_is_continued_is_what_the_sdk_continues(
    start: Start,
    strict: bool,  # noqa: FBT001  # an option of the SDK's
    own: str | None,
    theirs: str | None,
) -> None:
    """Whose trace it is, is asked as the SDK asks it."""
    start(options={"strict_trace_continuation": strict, **({"org_id": own} if own else {})})
    baggage = f"sentry-trace_id={TRACE}" + (f",sentry-org_id={theirs}" if theirs else "")
    headers = {"sentry-trace": f"{TRACE}-{TRACE[:16]}", "baggage": baggage}
    propagation = PropagationContext.from_incoming_data(headers)
    assert sampling.continues(sentry_sdk.get_client(), headers) is (propagation.trace_id == TRACE)


def _said(scope: Scope) -> tuple[Any, ...]:
    """Return what a scope says of its place in a trace, without the id of what runs there."""
    propagation = scope.get_active_propagation_context()
    headers = dict(scope.iter_trace_propagation_headers())
    trace_id, _, _ = headers.pop("sentry-trace").partition("-")
    sampling_context = propagation.dynamic_sampling_context
    return trace_id, propagation.parent_span_id, propagation.parent_sampled, headers, sampling_context


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sampled", ["", "-0", "-1", None])
@pytest.mark.parametrize(
    "baggage", [None, OTHERS, OURS, f"{OURS},sentry-sample_rand=0.05", f"{OURS},sentry-sample_rate=0.2", "broken"]
)
def test_a_known_place_in_a_trace_says_what_the_sdks_says(
    start: Start, rate: float, sampled: str | None, baggage: str | None
) -> None:
    """The same trace, decision and baggage, for what is published and for who reads it; but a No is a No."""
    start(traces_sample_rate=rate)
    headers = {} if sampled is None else {"sentry-trace": f"{TRACE}-{TRACE[:16]}{sampled}"}
    headers |= {} if baggage is None else {"baggage": baggage}
    known = sampling.known_beforehand(sentry_sdk.get_client(), headers)
    assert known is not None
    with sentry_sdk.isolation_scope() as theirs:
        theirs.generate_propagation_context(headers)
        if sampled is None:
            theirs.get_active_propagation_context().trace_id = known.trace_id
        if not known.sampled:
            theirs.get_active_propagation_context().parent_sampled = False
        wanted = _said(theirs)
    with sentry_sdk.isolation_scope() as ours:
        tracing.take_place(ours, known, headers)
        assert _said(ours) == wanted


def test_baggage_is_read_when_somebody_asks(start: Start, app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breadcrumb and a span of a task that nobody samples need none; what it publishes does."""
    read: list[Any] = []
    before: list[Any] = []
    after: list[Any] = []
    as_the_sdk = Baggage.from_incoming_header

    def seen(header: str) -> Baggage:
        read.append(header)
        return as_the_sdk(header)

    monkeypatch.setattr(Baggage, "from_incoming_header", seen)
    start()

    def body() -> None:
        sentry_sdk.add_breadcrumb(message="balance checked")
        with sentry_sdk.start_span(op="exchange.fetch", name="fetch order book"):
            before.extend(read)
        sentry_sdk.get_baggage()
        after.extend(read)

    run(app, body, baggage=OURS)
    assert (before, after) == ([], [OURS])
