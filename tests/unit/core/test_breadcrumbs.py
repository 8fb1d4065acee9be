"""The trail: the story of a retried task travels in its message, whole where it fits and counted where it does not."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitoring.breadcrumbs import (
    MAX_CRUMBS,
    MAX_DATA,
    MAX_DROPPED,
    MAX_MESSAGE,
    MAX_RECORDS,
    AttemptRecord,
    Crumb,
    Trail,
    numbered,
)

START = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
TEXT = st.text(max_size=400)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NUMBER = st.none() | st.floats(0, 1e9)
RECORDS = st.builds(
    AttemptRecord,
    attempt=st.integers(1, 1000),
    worker=st.none() | TEXT,
    pid=st.none() | st.integers(1, 2**22),
    started_at=st.none() | TEXT,
    queue_wait_ms=NUMBER,
    run_time_ms=NUMBER,
    error_class=st.none() | TEXT,
    message=st.none() | st.text(max_size=2000),
    retry_delay_s=NUMBER,
)
CRUMBS = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC)) | JSON,  # noqa: DTZ001  # zone apart
        "category": TEXT | JSON,
        "level": st.sampled_from(["debug", "info", "warning", "error", "critical", "fatal"]) | JSON,
        "message": TEXT | JSON,
        "data": st.dictionaries(TEXT, JSON, max_size=4) | JSON,
    },
)
TRAILS = st.builds(
    Trail,
    st.lists(RECORDS, max_size=MAX_RECORDS).map(tuple),
    st.lists(CRUMBS, max_size=12).map(tuple),
    st.integers(0, 10**9),
)


def crumb(number: int, message: str = "step", **data: object) -> Crumb:
    """Make the breadcrumb of a moment."""
    return {
        "type": "default",
        "timestamp": START + timedelta(seconds=number),
        "category": "trading",
        "level": "info",
        "message": f"{message} {number}",
        "data": data,
    }


def carried(trail: Trail, limit: int = 4096) -> Trail:
    """Send a trail through a message."""
    return Trail.unpacked(json.loads(json.dumps(trail.packed(limit))))


def size(values: dict[str, Any]) -> int:
    """Measure the values of a packed trail as they stand in a message."""
    return sum(len(json.dumps(values[name], separators=(",", ":"))) for name in ("a", "b"))


@given(TRAILS, st.integers(4, 33_000))
@example(Trail((), ({"timestamp": 0},)), 31)  # a whole number of seconds is one character shorter than it comes back
def test_a_packed_trail_never_exceeds_its_limit(trail: Trail, limit: int) -> None:
    """Whatever an application left in breadcrumbs: it packs, it fits, it is plain JSON, and it reads back."""
    packed = trail.packed(limit)
    assert size(packed) <= limit
    assert json.dumps(packed) == json.dumps(carried(trail, limit).packed(limit))


@given(TRAILS, st.integers(4, 33_000))
def test_every_breadcrumb_is_carried_or_counted(trail: Trail, limit: int) -> None:
    """What no longer fits is told by its number; the kept ones are the latest, in order."""
    packed = trail.packed(limit)
    kept = len(packed["b"])
    assert packed.get("d", 0) == min(trail.dropped + len(trail.crumbs) - kept, MAX_DROPPED)
    assert [c["message"] for c in Trail.unpacked(packed).crumbs] == [
        "" if c.get("message") is None else str(c["message"])[:MAX_MESSAGE]
        for c in trail.crumbs[len(trail.crumbs) - kept :]
    ]


def test_a_round_trip_keeps_what_tells_the_story() -> None:
    """Order, times, attempt numbers, levels, categories, data: the next attempt reads what this one left."""
    levels = ["debug", "info", "warning", "error", "critical", "fatal"]
    crumbs = tuple({**crumb(n, attempt=1 + n // 3, price=n / 2, side=["buy"]), "level": levels[n]} for n in range(6))
    records = (
        AttemptRecord(1, "w1@host", 11, START.isoformat(), 1.5, 2.5, "TimeoutError", "no answer", 4.0),
        AttemptRecord(2, "w2@host", 12),
    )
    trail = Trail(records, crumbs, 3)
    assert carried(trail) == trail


def test_the_oldest_breadcrumbs_go_first() -> None:
    """When the message is full, what happened last is what is kept."""
    trail = Trail((), tuple(crumb(n, "x" * 100) for n in range(200)))
    back = carried(trail, 2048)
    assert back.crumbs == trail.crumbs[-len(back.crumbs) :]
    assert 5 < len(back.crumbs) < 20
    assert back.dropped == 200 - len(back.crumbs)


def test_losses_add_up_over_attempts() -> None:
    """Breadcrumbs that an earlier attempt lost stay counted."""
    first = carried(Trail((), tuple(crumb(n, "x" * 100) for n in range(50))), 1024)
    second = carried(first.followed_by(AttemptRecord(2), [crumb(n) for n in range(50, 60)]), 1024)
    assert second.dropped + len(second.crumbs) == 60


def test_no_more_breadcrumbs_than_the_sdk_keeps_are_carried() -> None:
    """A large header does not make one event's trail longer than Sentry's own limit."""
    assert len(carried(Trail((), tuple(crumb(n) for n in range(300))), 32768).crumbs) == MAX_CRUMBS


def test_the_first_record_and_the_latest_survive_many_attempts() -> None:
    """The first error started it, the latest are going on; the middle repeats them."""
    trail = Trail()
    for attempt in range(1, 31):
        trail = carried(trail.followed_by(AttemptRecord(attempt, error_class="TimeoutError")))
    assert [record.attempt for record in trail.records] == [1, *range(30 - MAX_RECORDS + 2, 31)]


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f4a5"])
def test_the_first_record_survives_a_full_message(letter: str) -> None:
    """Long errors in any script push out the middle, then their own texts, never how it began."""
    records = tuple(
        AttemptRecord(n, "worker@host", 7, START.isoformat(), 1, 1, "E", letter * 5000) for n in range(1, 11)
    )
    assert carried(Trail(records), 512).records[0].attempt == 1
    kept = carried(Trail(records)).records
    assert (kept[0].attempt, kept[-1].attempt) == (1, 10)


def test_a_talkative_error_does_not_lose_its_own_record() -> None:
    """An exception's text may be a page of HTML; it is cut, here and on the event."""
    record = AttemptRecord(1, message="<html>" * 100_000)
    assert record.known() == {"attempt": 1, "message": ("<html>" * 100)[:MAX_MESSAGE]}
    assert carried(Trail((record,))).records == (AttemptRecord(1, message=("<html>" * 100)[:MAX_MESSAGE]),)


class Unprintable:
    """Raise when it is turned into text."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


CIRCULAR: dict[str, Any] = {}
CIRCULAR["self"] = CIRCULAR


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"when": START}, {"when": str(START)}),
        ({("a", 1): 2}, {"cut": "not JSON"}),
        ({"x": Unprintable()}, {"cut": "not JSON"}),
        (CIRCULAR, {"cut": "not JSON"}),
        ({"x": "y" * MAX_DATA}, {"cut": f"{MAX_DATA + 8} bytes"}),
        ("a text", {}),
        (None, {}),
        ({"attempt": "third"}, {}),
    ],
    ids=["object", "tuple key", "raising", "circular", "large", "text", "none", "attempt of another kind"],
)
def test_data_is_carried_whole_or_not_at_all(data: object, expected: dict[str, Any]) -> None:
    """Application objects become what JSON has for them; what cannot be one says so and stops nothing."""
    assert carried(Trail((), ({**crumb(1), "data": data},))).crumbs[0]["data"] == expected


def test_a_message_that_is_an_object_is_carried_as_its_text() -> None:
    """Applications pass exceptions as messages; one that cannot be printed is named by its class."""
    trail = Trail((), ({**crumb(1), "message": ValueError("no")}, {**crumb(2), "message": Unprintable()}))
    assert [crumb["message"] for crumb in carried(trail).crumbs] == ["no", "<Unprintable>"]


@pytest.mark.parametrize(
    "given_as", [START, START.isoformat(), START.timestamp(), START.astimezone().replace(tzinfo=None)]
)
def test_a_breadcrumbs_time_survives_however_it_is_written(given_as: object) -> None:
    """A datetime (local where it has no zone, as the SDK takes it), an ISO text and a number are the same moment."""
    assert carried(Trail((), ({**crumb(0), "timestamp": given_as},))).crumbs[0]["timestamp"] == START


@pytest.mark.parametrize("given_as", [None, "yesterday", [], float("nan"), -1, 10**30, START.timestamp() * 1000])
def test_a_breadcrumb_without_a_usable_time_is_carried_without_one(given_as: object) -> None:
    """One odd breadcrumb does not cost the others, the context or the clocks."""
    (back,) = carried(Trail((), ({**crumb(0), "timestamp": given_as},))).crumbs
    assert "timestamp" not in back
    assert back["message"] == "step 0"


def test_each_breadcrumb_has_an_attempts_number() -> None:
    """One that came with a number keeps it; the others, whatever their data is, get the present one."""
    crumbs: list[Crumb] = [
        {"data": {"attempt": 1, "x": 1}},
        {"data": {"x": 1}},
        {"data": None},
        {},
        {"data": {"attempt": "z"}},
    ]
    assert [c["data"] for c in numbered(crumbs, 2)] == [
        {"attempt": 1, "x": 1}, {"x": 1, "attempt": 2}, {"attempt": 2}, {"attempt": 2}, {"attempt": 2},
    ]  # fmt: skip
    assert crumbs[1] == {"data": {"x": 1}}, "the application's own dictionary was changed"


@pytest.mark.parametrize(
    "values",
    [
        {"a": {}}, {"b": "x"}, {"d": "1"}, {"d": True}, {"d": -1}, {"a": [1]}, {"a": [{}]}, {"a": [{"attempt": "1"}]},
        {"a": [{"attempt": True}]}, {"a": [{"attempt": 10**400}]}, {"b": [[]]}, {"b": [[1, 2, 3, 4, 5]]}, {"b": [None]},
        {"b": [["now", 1, "c", "info", "m", None]]}, {"b": [[1e999, 1, "c", "info", "m", None]]},
        {"b": [[float("nan"), 1, "c", "info", "m", None]]}, {"b": [[1e15, 1, "c", "info", "m", None]]},
    ],
)  # fmt: skip
def test_what_is_no_trail_is_refused(values: dict[str, Any]) -> None:
    """A forged trail is an error of one kind, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"trail|attempt|breadcrumb|out of range|NaN"):
        Trail.unpacked(values)


FORGED_RECORDS = st.fixed_dictionaries(
    {"attempt": st.integers(0, 99)}, optional={field.name: JSON for field in fields(AttemptRecord)[1:]}
)
FORGED_CRUMBS = st.tuples(st.floats(0, 1e9), JSON, JSON, JSON, JSON, JSON).map(list)


@given(st.lists(FORGED_RECORDS, max_size=20), st.lists(FORGED_CRUMBS, max_size=20))
def test_what_is_read_is_bounded_and_of_the_right_kinds(records: list[dict[str, Any]], crumbs: list[list[Any]]) -> None:
    """A field of a wrong kind is left out; texts, numbers, data and lists have their limits."""
    trail = Trail.unpacked({"a": records, "b": crumbs})
    assert len(trail.records) <= MAX_RECORDS
    assert len(trail.crumbs) <= MAX_CRUMBS
    for record in trail.records:
        assert all(isinstance(value, int | float) or len(value) <= MAX_MESSAGE for value in record.known().values())
        json.dumps(record.known(), allow_nan=False)
    for read in trail.crumbs:
        assert len(read["message"]) <= MAX_MESSAGE
        assert len(read["category"]) <= MAX_MESSAGE
        assert len(json.dumps(read["data"])) <= 2 * MAX_DATA
