"""One header carries context, clocks and trail; it is bounded, forgeable without harm, and leaves the others alone."""

import json
from copy import deepcopy
from typing import Any

import pytest
from celery.app.task import Context
from hypothesis import given
from hypothesis import strategies as st

from monitoring.breadcrumbs import AttemptRecord, Trail
from monitoring.context import TradingContext, normalised
from monitoring.settings import CONTEXT_FIELDS
from monitoring.signals.message import (
    ENQUEUED_TIME,
    HEADER,
    Carried,
    MalformedHeaderError,
    decoded,
    header,
    write,
)

NOW = 1_800_000_000.123
TEXT = st.text(max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("vpfcabd") | TEXT, inner, max_size=7),
    max_leaves=10,
)
MOMENT = st.floats(0, 1e10)
CONTEXT = st.dictionaries(st.sampled_from(CONTEXT_FIELDS), st.text(max_size=200)).map(TradingContext.of)
CRUMB = st.fixed_dictionaries({"message": TEXT, "data": st.dictionaries(TEXT, JSON, max_size=3)})
RECORD = st.builds(AttemptRecord, attempt=st.integers(1, 50), message=TEXT)
TRAIL = st.builds(Trail, st.lists(RECORD, max_size=10).map(tuple), st.lists(CRUMB, max_size=10).map(tuple))
CARRIED = st.builds(Carried, MOMENT, MOMENT, CONTEXT, TRAIL)


@given(CARRIED, st.integers(512, 32768))
def test_the_header_never_exceeds_its_limit(carried: Carried, limit: int) -> None:
    """Any context in any script with any trail: at most `limit` bytes of ASCII, and readable."""
    text = carried.encoded(limit)
    assert len(text) <= limit
    assert text.isascii()
    back = decoded(text)
    assert (back.published, back.first_published) == (carried.published, carried.first_published)
    assert back.context.known().items() <= carried.context.known().items()


@given(MOMENT, MOMENT, st.dictionaries(st.sampled_from(CONTEXT_FIELDS), st.text("aZ/:- é", max_size=100)))
def test_a_round_trip_keeps_clocks_and_context(published: float, first: float, values: dict[str, Any]) -> None:
    """The default limit has room for every context that a platform writes."""
    carried = Carried(published, first, TradingContext.of(values))
    assert decoded(carried.encoded(4096)) == carried


def test_what_is_not_known_takes_no_room() -> None:
    """A first attempt without context carries a version and one time."""
    assert Carried(NOW, NOW).encoded(4096) == '{"v":1,"p":1800000000.123}'


def test_a_full_context_leaves_the_trail_what_is_left() -> None:
    """Context goes first: by it the story is found."""
    context = TradingContext.of(dict.fromkeys(CONTEXT_FIELDS, "x" * 128))
    trail = Trail((AttemptRecord(1, message="x" * 200),), tuple({"message": "x" * 200} for _ in range(50)))
    back = decoded(Carried(NOW, NOW, context, trail).encoded(1024))
    assert back.context == context
    assert back.trail.dropped + len(back.trail.crumbs) == 50


@given(st.one_of(JSON, JSON.map(json.dumps), TEXT, st.binary()))
def test_a_header_that_is_not_ours_is_malformed_and_nothing_else(value: object) -> None:
    """Whatever stands there, one error says so; what is read all the same is bounded and of the right kinds."""
    try:
        carried = decoded(value)
    except MalformedHeaderError:
        return
    check(carried)


@given(
    st.fixed_dictionaries(
        {"v": st.just(1), "p": MOMENT},
        optional={
            "f": MOMENT | JSON,
            "c": st.dictionaries(st.sampled_from(CONTEXT_FIELDS) | TEXT, JSON) | JSON,
            "a": st.lists(st.dictionaries(st.just("attempt"), st.integers(1, 9)) | JSON) | JSON,
            "b": st.lists(st.tuples(MOMENT, JSON, JSON, JSON, JSON, JSON).map(list) | JSON, max_size=5) | JSON,
            "d": st.integers() | JSON,
        },
    )
)
def test_a_forged_header_is_malformed_or_harmless(values: dict[str, Any]) -> None:
    """Somebody who knows our format puts anything in its places."""
    try:
        carried = decoded(json.dumps(values))
    except MalformedHeaderError:
        return
    check(carried)


def check(carried: Carried) -> None:
    """Hold a header that was read to what the rest relies on."""
    assert isinstance(carried.published, float)
    assert isinstance(carried.first_published, float)
    json.dumps([carried.published, carried.first_published], allow_nan=False)
    for field, value in carried.context.known().items():
        assert normalised(field, value) == value
    again = decoded(carried.encoded(32768))
    assert (again.published, again.context) == (carried.published, carried.context)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "1", '"x"', '{"v":1}', '{"v":2,"p":1}', '{"v":1,"p":null}', '{"v":1,"p":"1"}',
        '{"v":1,"p":true}',
        '{"v":1,"p":NaN}', '{"v":1,"p":Infinity}', '{"v":1,"p":-1}', '{"v":1,"p":1e999}', '{"v":1,"p":1,"c":"bot_id"}',
        '{"v":1,"p":1,"c":5}', '{"v":1,"p":1,"a":1}', '{"v":1,"p":1,"b":[{}]}', '{"v":1,"p":1,"d":[],"a":[]}',
        '{"v":1,"p":1,"f":"x"}', '{"v":1,"p":1' + "0" * 400 + "}", '{"v":1,"p":1' + "0" * 5000 + "}",
        '{"v":1,"p":1} ' + " " * 70_000,
        '{"v":1,"p":1,"c":' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"v":1,"p":1,"b":' + '{"x":' * 9000 + "1" + "}" * 9001,
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_what_we_did_not_write_is_refused(text: str) -> None:
    """Another version, another kind, no time, no end: one error."""
    with pytest.raises(MalformedHeaderError):
        decoded(text)


def test_context_in_a_header_is_normalised() -> None:
    """A forged context is as bounded and spelt as one of ours; other keys of it are not read."""
    text = json.dumps(
        {"v": 1, "p": NOW, "c": {"exchange": " BINANCE\n", "symbol": "x" * 9999, "bot_id": ["b"], "key": "s"}}
    )
    assert decoded(text).context == TradingContext(exchange="binance", symbol="X" * 128)


CELERYS = {
    "lang": "py", "task": "t", "id": "1", "shadow": None, "eta": None, "expires": None, "group": None,
    "group_index": None, "retries": 0, "timelimit": [None, None], "root_id": "1", "parent_id": None,
    "argsrepr": "()", "kwargsrepr": "{}", "origin": "me", "ignore_result": False, "replaced_task_nesting": 0,
}  # fmt: skip
OURS = {HEADER: "{}", ENQUEUED_TIME: NOW, "sentry-trace": "a-b-0"}


def test_ours_stand_in_both_places_beside_the_applications_own() -> None:
    """A retry re-sends only the inner headers; the application's must be among them and stay at the top."""
    headers: dict[str, Any] = {**CELERYS, "tenant": "acme"}
    write(headers, OURS)
    assert headers == {**CELERYS, "tenant": "acme", **OURS, "headers": {"tenant": "acme", **OURS}}


def test_the_applications_inner_headers_stay() -> None:
    """What somebody put there already goes before a copy from the top; what is ours is ours."""
    headers: dict[str, Any] = {**CELERYS, "tenant": "top", "headers": {"tenant": "inner", "x": 1, HEADER: "stale"}}
    write(headers, OURS)
    assert headers["tenant"] == "top"
    assert headers["headers"] == {"tenant": "inner", "x": 1, **OURS}


def test_members_of_a_group_do_not_share_an_inner_dictionary() -> None:
    """Celery hands one dictionary to all of them; each message gets its own, and the shared one stays as it was."""
    shared = {"tenant": "acme"}
    members: list[dict[str, Any]] = [{**CELERYS, "id": str(n), "headers": shared} for n in range(3)]
    for number, member in enumerate(members):
        write(member, {HEADER: str(number)})
    assert shared == {"tenant": "acme"}
    assert [member["headers"][HEADER] for member in members] == ["0", "1", "2"]


def test_stamped_headers_stay_where_celery_put_them() -> None:
    """Stamps are Celery's: copied among the inner ones they would be stamped again with each retry."""
    headers: dict[str, Any] = {
        **CELERYS,
        "stamped_headers": ["batch"],
        "stamps": {"batch": ["7"]},
        "batch": ["7"],
        "tenant": "acme",
    }
    before = deepcopy(headers)
    write(headers, OURS)
    assert headers["headers"] == {"tenant": "acme", **OURS}
    assert {name: headers[name] for name in before} == before


@pytest.mark.parametrize("inner", ["none of ours", None, ["x"], 5])
def test_inner_headers_of_another_kind_are_replaced(inner: object) -> None:
    """Celery itself expects a dictionary there."""
    headers: dict[str, Any] = {**CELERYS, "headers": inner}
    write(headers, OURS)
    assert headers["headers"] == OURS


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({HEADER: "top", "headers": {HEADER: "inner"}}, "top"),
        ({"headers": {HEADER: "inner"}}, "inner"),
        ({"headers": None}, None),
        ({"headers": ["x"]}, None),
        ({}, None),
    ],
)
def test_a_header_is_found_in_either_place(request_: dict[str, Any], expected: str | None) -> None:
    """On Celery's request as on the plain dictionary that the worker's main process holds."""
    assert header(request_, HEADER) == header(Context(request_), HEADER) == expected
