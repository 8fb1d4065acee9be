"""Nothing is refused for its size: what is too large is cut, in the order of what it tells."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentry_sdk.utils import json_dumps

from monitoring.delivery.fitting import MOST_BYTES, cut_to_fit
from tests.harness.sentry import Sentry
from tests.unit.delivery.conftest import Start, envelope

Entry = dict[str, Any]

LETTERS = st.sampled_from(["x", "é", "价", "\U0001f4a5", "\ud800", '"', "\\", "\n"])


def values(longest: int) -> st.SearchStrategy[Any]:
    """Return any JSON, with texts up to so many characters."""
    times = st.sampled_from([0, 1, 50, 3000, longest])
    texts = st.builds(lambda letter, times: letter * times, LETTERS, times)
    leaves = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), texts)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=6
    )


TEXTS = st.builds(lambda letter, times: letter * times, LETTERS, st.sampled_from([0, 1, 50, 3000, 200_000]))
VALUES = values(200_000)
#: Long lists of small things are as large as short ones of large things.
MANY = st.builds(lambda value, times: [value] * times, values(3000), st.sampled_from([0, 1, 30, 300]))
FRAMES = st.fixed_dictionaries(
    {}, optional={"function": TEXTS, "vars": VALUES, "pre_context": MANY, "context_line": TEXTS, "lineno": VALUES}
)
STACK = st.fixed_dictionaries({}, optional={"frames": st.lists(FRAMES | VALUES, max_size=15) | VALUES})
ERRORS = st.fixed_dictionaries({"type": TEXTS, "value": TEXTS}, optional={"stacktrace": STACK | VALUES})
EVENTS = st.fixed_dictionaries(
    {"event_id": st.just("0" * 32)},
    optional={
        "type": st.just("transaction"),
        "exception": st.fixed_dictionaries({"values": st.lists(ERRORS | VALUES, max_size=3)}) | VALUES,
        "breadcrumbs": st.fixed_dictionaries({"values": MANY}) | VALUES,
        "contexts": st.fixed_dictionaries({}, optional={"celery": VALUES, "attempts": VALUES, "book": VALUES}) | VALUES,
        "tags": st.dictionaries(TEXTS, TEXTS, max_size=4) | VALUES,
        **dict.fromkeys(("extra", "request", "user", "modules", "message", "_meta", "transaction", "odd"), VALUES),
        **dict.fromkeys(("spans", "threads", "fingerprint", "logentry"), MANY | VALUES),
    },
)


def large(**more: Any) -> Entry:
    """Return an event that is whole, and a little more."""
    return {
        "event_id": "0" * 32,
        "level": "error",
        "tags": {"bot_id": "bot-7", "exchange": "kraken"},
        "fingerprint": ["{{ default }}", "kraken"],
        "contexts": {"celery": {"id": "abc"}, "attempts": {"records": [{"attempt": 1}]}, "trace": {"trace_id": "1"}},
        "exception": {"values": [{"type": "ExchangeError", "value": "no margin", "mechanism": {"handled": False}}]},
        **more,
    }


def cut(event: Entry) -> tuple[Entry, dict[str, int]]:
    """Return what is sent of an event, and what is counted; it fits, and says what is gone."""
    before = json_dumps(event)
    text, gone = cut_to_fit(before)
    assert len(text) <= MOST_BYTES
    sent: Entry = json.loads(text)
    assert sent["contexts"]["cut"] == {"bytes": len(before), **gone}
    return sent, dict(gone)


# Large is what they are about.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_any_event_fits_afterwards(event: Entry) -> None:
    """Whatever an event holds: it is JSON of at most the bound, says what is gone, and stays as it is if it fits."""
    before = json_dumps(event)
    text, gone = cut_to_fit(before)
    assert len(text) <= MOST_BYTES
    sent = json.loads(text)
    assert sent["event_id"] == event["event_id"]
    assert cut_to_fit(text) == (text, {})
    if len(before) <= MOST_BYTES:
        assert text is before
    elif sent == json.loads(before):  # it fits as soon as each character is spelled as itself
        assert not gone
    else:  # what `_meta` tells of parts that moved is no loss, and not counted
        assert sent["contexts"]["cut"] == {"bytes": len(before), **gone}


@pytest.mark.parametrize("text", [b"", b"[]", b"no JSON " * 200_000, b"[" * MOST_BYTES + b"]" * MOST_BYTES])
def test_what_is_no_event_is_left_alone(text: bytes) -> None:
    """Raise nothing for it."""
    assert cut_to_fit(text) == (text, {})


def test_an_event_that_just_fits_is_not_touched() -> None:
    """Up to the bound nothing is even read."""
    event = large(message="")
    event["message"] = "x" * (MOST_BYTES - len(json_dumps(event)))
    text = json_dumps(event)
    assert len(text) == MOST_BYTES
    assert cut_to_fit(text)[0] is text
    assert cut({**event, "message": event["message"] + "x"})[1] == {"texts": 1}


def test_the_oldest_breadcrumbs_go_first_and_no_more_than_must() -> None:
    """Of a hundred that are a little too many, the first few."""
    crumbs = [{"message": f"{number} " + "x" * 10_000} for number in range(95)]
    sent, gone = cut(large(breadcrumbs={"values": crumbs}, extra={"note": "kept"}))
    kept = sent["breadcrumbs"]["values"]
    assert kept == crumbs[-len(kept) :]
    assert gone == {"breadcrumbs": 95 - len(kept)}
    assert 1 <= gone["breadcrumbs"] <= 7
    assert sent["extra"] == {"note": "kept"}


def frames(count: int, **parts: Any) -> Entry:
    """Return an error with so many frames."""
    stack = [{"function": f"f{number}", "lineno": number, "context_line": "x = 1", **parts} for number in range(count)]
    return {"values": [{"type": "ExchangeError", "value": "no margin", "stacktrace": {"frames": stack}}]}


def test_variables_go_before_source_lines_from_the_outermost_frame_in() -> None:
    """Where it was raised tells most; the latest breadcrumbs stay."""
    crumbs = [{"message": "x" * 1000}] * 20
    event = large(
        exception=frames(60, vars={"book": "x" * 20_000}, pre_context=["y"] * 5), breadcrumbs={"values": crumbs}
    )
    sent, gone = cut(event)
    stack = sent["exception"]["values"][0]["stacktrace"]["frames"]
    with_variables = ["vars" in frame for frame in stack]
    assert with_variables == sorted(with_variables)
    assert gone == {"frame_variables": with_variables.count(False)}
    assert with_variables.count(True) > 30
    assert all("pre_context" in frame for frame in stack)
    assert sent["breadcrumbs"]["values"] == crumbs


def test_source_lines_go_before_sections() -> None:
    """The line itself stays."""
    sent, gone = cut(large(exception=frames(60, pre_context=["y" * 20_000]), extra={"note": "kept"}))
    assert gone.keys() == {"source_lines"}
    assert all(frame["context_line"] == "x = 1" for frame in sent["exception"]["values"][0]["stacktrace"]["frames"])
    assert sent["extra"] == {"note": "kept"}


def test_the_largest_section_goes_and_the_tasks_own_contexts_stay() -> None:
    """An order book is no part of the story; ids, attempts and trace are."""
    event = large(extra={"note": "kept"}, request={"url": "http://x", "data": "x" * 10})
    event["contexts"] |= {"book": {"bids": "x" * MOST_BYTES}, "runtime": {"name": "CPython"}}
    sent, gone = cut(event)
    assert gone == {"sections": 1}
    assert sent["contexts"].keys() == {"celery", "attempts", "trace", "runtime", "cut"}
    assert (sent["extra"], sent["request"]) == (event["extra"], event["request"])


def test_long_texts_are_cut_last_and_the_fingerprint_never() -> None:
    """Another fingerprint would be another issue."""
    event = large(message="m" * MOST_BYTES, fingerprint=["f" * 9000])
    sent, gone = cut(event)
    assert gone == {"texts": 1}
    assert sent["message"] == "m" * 7997 + "..."
    assert sent["fingerprint"] == event["fingerprint"]
    assert sent["exception"] == event["exception"]


def test_what_an_operator_looks_for_survives_anything() -> None:
    """Tags, class and text of the error, fingerprint and the task's contexts, of an event that is large everywhere."""
    huge = ["x" * 150] * 10_000
    event = large(user={"of": huge}, threads={"values": huge}, logentry={"params": huge}, sdk={"packages": huge})
    event["contexts"]["trace"]["data"] = huge
    sent, gone = cut(event)
    assert gone["all_else"] == 1
    for name in ("event_id", "level", "tags", "fingerprint", "exception"):
        assert sent[name] == event[name]
    assert sent["contexts"].keys() == {"celery", "attempts", "cut"}
    assert sent["contexts"]["celery"] == {"id": "abc"}


@pytest.mark.parametrize("spool_bytes", [0, 1 << 24])
def test_what_leaves_is_cut_with_and_without_a_spool(sentry: Sentry, start: Start, spool_bytes: int) -> None:
    """Every way to Sentry passes the bound; a transaction's spans are counted as the SDK counts them."""
    transport = start(spool_bytes=spool_bytes)
    crumbs = [{"message": "价" * 4000}] * 100
    transport.capture_envelope(envelope("event", 1, breadcrumbs={"values": crumbs}))
    spans = [{"span_id": f"{number:016x}", "description": "x" * 5000} for number in range(300)]
    transport.capture_envelope(envelope("transaction", 2, spans=spans))
    transport.flush(5)
    (event,), (transaction,) = sentry.wait_for("event"), sentry.wait_for("transaction")
    assert event["contexts"]["cut"]["breadcrumbs"] == 100 - len(event["breadcrumbs"]["values"])
    transport.flush(5)
    gone = 300 - len(transaction["spans"])
    assert transaction["spans"] == spans[:-gone]
    assert transaction["contexts"]["cut"]["spans"] == gone
    assert sentry.lost() == {("buffer_overflow", "span"): gone}
    assert not sentry.refused
