"""Time, size and failure: what scrubbing costs at worst, and what leaves when it fails."""

import time
from typing import Any, cast

import pytest
from sentry_sdk._metrics_batcher import MetricsBatcher
from sentry_sdk.utils import json_dumps

from monitoring.scrubbing import (
    entries,
    hooks,
    register_secret,
    scrub_breadcrumb,
    scrub_event,
    scrub_log,
    scrub_metric,
    scrub_span,
    scrub_text,
    scrub_value,
    sections,
    text,
    walk,
)
from monitoring.scrubbing.encoded_pairs import scrub_encoded_pairs
from monitoring.scrubbing.pairs import scrub_pairs
from monitoring.scrubbing.readings import HEADERS, QUERY, SOURCE
from monitoring.scrubbing.shapes import scrub_shapes
from monitoring.scrubbing.urls import scrub_urls

# Texts made to send a careless pattern back and back again.
HOSTILE = {
    "letters": "a",
    "digits": "1",
    "words": "word ",
    "phrase words": "abandon ",
    "dashes": "-",
    "names": "api_key=",
    "encoded names": "api_key%3D",
    "encoded forms": "a%3Da%26",
    "colons": "a:",
    "open quotes": "key='",
    "closed quotes": "''",
    "backslashes": "\\",
    "escaped quotes": 'key=\\"',
    "brackets": "secret=[",
    "mixed brackets": "password=({[",
    "commas": "secret=a,b",
    "comma words": "secret=,aaaa",
    "urls": "redis://",
    "url list": "redis://a;",
    "at signs": "a@",
    "domains": "a@b.",
    "dots": "a.",
    "jwt heads": "eyJ",
    "jwt": "eyJaaaaaaaaaa.",
    "pem heads": "-----BEGIN PRIVATE KEY-----",
    "pem tails": "AAAAAAAAAAAAAAAAAAAA\n",
    "cards": "4111 ",
    "iban": "DE89 ",
    "headers": "headers={",
    "http": "HTTP/1.1\r\n",
    "bearer": "bearer ",
    "flags": "--secret ",
    "bytes": "1, ",
    "cookie": 'Cookie: a="',
    "digest": "Authorization: a=",
    "telegram": "123456:",
    "percent": "%",
    "marks": "[Filtered]",
    "spaces": " ",
    "key is": "api key is ",
}
SMALL, LARGE = 4_000, 64_000


def seconds(function: Any, argument: str) -> float:
    """Take the best of three runs, in this thread's CPU time: other processes of the machine do not count."""
    runs = []
    for _ in range(3):
        start = time.thread_time()
        function(argument)
        runs.append(time.thread_time() - start)
    return min(runs)


STEPS = {
    "shapes": scrub_shapes,
    "urls": scrub_urls,
    "pairs": scrub_pairs,
    "headers": lambda given: scrub_pairs(given, HEADERS),
    "query": lambda given: scrub_pairs(given, QUERY),
    "encoded": scrub_encoded_pairs,
    "source": lambda given: scrub_pairs(given, SOURCE),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_length_and_no_faster(step: str, name: str) -> None:
    """Sixteen times the text takes about sixteen times as long; a quadratic pattern would take 256 times."""
    piece = HOSTILE[name]
    small = (piece * (SMALL // len(piece) + 1))[:SMALL]
    large = (piece * (LARGE // len(piece) + 1))[:LARGE]
    taken = seconds(STEPS[step], large)
    assert taken < 64 * seconds(STEPS[step], small) + 0.005


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name: str) -> None:
    """Whatever the text, it is done in a few milliseconds."""
    assert seconds(scrub_text, HOSTILE[name] * 100_000) < 0.1


def test_a_long_text_is_cut_between_words_and_says_so() -> None:
    """A secret on the cut is not sent in half."""
    register_secret("registered-Live-Secret-0123456789")
    for before in range(text.LONGEST_TEXT - 60, text.LONGEST_TEXT):
        cut = scrub_text("x" * 50 + " " + "y" * (before - 52) + " registered-Live-Secret-0123456789 " + "z" * 5000)
        assert "registe" not in cut
        assert cut.endswith("[Truncated]")
        assert len(cut) <= text.LONGEST_TEXT
        assert scrub_text(cut) == cut


def test_a_long_text_full_of_short_secrets_is_scrubbed_once_and_for_all() -> None:
    """A text that grows by its marks is cut too, and left alone the second time."""
    grown = scrub_text("pw=1 " * 1500)
    assert grown.endswith("[Truncated]")
    assert scrub_text(grown) == grown


def test_what_is_too_deep_or_too_much_is_replaced() -> None:
    """Beyond the bounds nothing passes unread."""
    deep: Any = "api_key=abc"
    for _ in range(walk.DEEPEST + 5):
        deep = [deep]
    assert "abc" not in str(scrub_value(deep))
    assert "[Too deep]" in str(scrub_value(deep))
    wide = scrub_value(["x"] * 5000)
    assert (len(wide), wide[-1]) == (walk.MOST_ITEMS, "[Too large]")
    many = scrub_value({f"a{i}": i for i in range(5000)})
    assert (len(many), many["[Too large]"]) == (walk.MOST_ITEMS, "[Too large]")
    huge = scrub_value([["x" * 8000] * 900] * 900)
    assert "[Too large]" in str(huge)


def test_a_value_of_any_size_is_done_soon() -> None:
    """A giant value costs no more than the bound allows: some ten times what a tenth of it does."""

    def seconds(rows: int, columns: int) -> float:
        value = [[f"api_key=abc{i} redis://:pw@host/0 " * 200] * columns for i in range(rows)]
        start = time.thread_time()
        scrub_value(value)
        return time.thread_time() - start

    a_tenth = min(seconds(18, 1) for _ in range(3))  # of 20,000 nodes: 6.4 kB count as a hundred
    assert min(seconds(900, 900) for _ in range(2)) < 20 * a_tenth


SECTIONS = [
    "exception",
    "threads",
    "stacktrace",
    "breadcrumbs",
    "spans",
    "request",
    "user",
    "logentry",
    "message",
    "tags",
    "contexts",
    "extra",
    "fingerprint",
    "transaction",
]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_that_fails_is_replaced_and_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the event arrives; of the failed section nothing does."""

    def fail(*_: object) -> object:
        raise ZeroDivisionError("raw-secret")

    monkeypatch.setattr(hooks, "SECTIONS", {**sections.SECTIONS, name: fail})
    event: Any = {
        "event_id": "a" * 32,
        "level": "error",
        "release": "r",
        name: {"values": [{"type": "KeyError", "value": "raw-secret"}]},
    }
    cleaned: Any = scrub_event(event, {})
    assert "raw-secret" not in str(cleaned)
    assert cleaned["tags"]["scrubbing_failed"] == f"{name}: ZeroDivisionError"
    assert (cleaned["event_id"], cleaned["level"], cleaned["release"]) == ("a" * 32, "error", "r")


def test_an_exception_that_cannot_be_scrubbed_keeps_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issue without text is better than no issue."""
    monkeypatch.setattr(sections, "scrub_frame", lambda *_: 1 / 0)
    raw: Any = {
        "exception": {"values": [{"type": "NetworkError", "value": "raw", "stacktrace": {"frames": [{"vars": {}}]}}]}
    }
    cleaned: Any = scrub_event(raw, {})
    assert cleaned["exception"] == {"values": [{"type": "NetworkError", "value": "[Scrubbing failed]"}]}


def test_in_doubt_a_skeleton_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who, where and when still arrive, and the class of our error; nothing raw does, nor any attachment."""

    def fail(*_: object) -> dict[str, object]:
        raise ZeroDivisionError("raw-secret")

    monkeypatch.setattr(hooks, "_scrub_sections", fail)
    event: Any = {
        "event_id": "a" * 32,
        "timestamp": "2026-11-24T10:00:00Z",
        "level": "error",
        "platform": "python",
        "release": "r",
        "environment": "production",
        "tags": {"bot_id": "bot-42", "note": "raw-secret"},
        "extra": {"x": "raw-secret"},
    }
    hint: Any = {"attachments": ["raw-secret"]}
    assert scrub_event(event, hint) == {
        "event_id": "a" * 32,
        "timestamp": "2026-11-24T10:00:00Z",
        "level": "error",
        "platform": "python",
        "release": "r",
        "environment": "production",
        "message": "[Scrubbing failed]",
        "tags": {"bot_id": "bot-42", "scrubbing_failed": "ZeroDivisionError"},
    }
    assert hint == {}


@pytest.mark.parametrize("hook", [scrub_breadcrumb, scrub_log, scrub_metric, scrub_span])
def test_an_item_that_fails_says_so(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a crumb, a log, a metric or a span that cannot be cleaned nothing raw is left."""

    def fail(*_: object) -> object:
        raise ZeroDivisionError("raw-secret")

    monkeypatch.setattr(walk, "clean", fail)
    item = {
        "message": "raw-secret",
        "body": "raw-secret",
        "name": "raw-secret",
        "attributes": {"x": "raw-secret"},
        "value": 1.0,
    }
    assert "raw-secret" not in str(hook(item, {}))


def test_text_and_values_fail_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two functions for everybody's use replace what they cannot clean."""

    def fail(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(hooks, "clean", fail)
    monkeypatch.setattr(walk, "clean", fail)
    assert scrub_text("never read before") == "[Scrubbing failed]"
    assert scrub_value({"a": "never read before"}) == "[Scrubbing failed]"


WORDS = {"bot_id": "bot-7", "exchange": "kraken", "symbol": "BTC/USDT", "task": "orders.place", "queue": "orders"}


def written(metric: dict[str, Any]) -> bytes:
    """Return a metric as the SDK writes it."""
    return json_dumps(MetricsBatcher._to_transport_format(cast("Any", metric)))


def metric_of(**attributes: Any) -> dict[str, Any]:
    """Return a metric with everything that one may have."""
    ids = {"trace_id": "0" * 32, "span_id": "0" * 16, "unit": "millisecond"}
    return {"timestamp": 1e9, "name": "n" * 300, "type": "distribution", "value": 0.1, **ids, "attributes": attributes}


@pytest.mark.parametrize("letter", ["x", "é", "价", "\U0001f4a5", '"', "\x01"])
def test_no_metric_is_larger_than_sentry_takes(letter: str) -> None:
    """Sentry refuses all metrics beside one of more than 2 KiB; the words that it is found by go last, shortened."""
    names = ("bot_id", "exchange", "symbol", "strategy", "task", "queue", "component")
    cleaned: Any = scrub_metric(cast("Any", metric_of(**dict.fromkeys(names, letter * 128))), {})
    assert len(written(cleaned)) <= entries.METRIC
    assert cleaned["attributes"].keys() >= set(names)
    assert all(letter * 8 in cleaned["attributes"][name] for name in names)


@pytest.mark.parametrize("added", [{"book": "bid 1.5 ask 1.6 " * 400}, {f"level {number}": 1 for number in range(900)}])
def test_what_an_application_adds_goes_before_our_words(added: dict[str, Any]) -> None:
    """A metric without its order book is better than none; it says how many attributes are gone."""
    cleaned: Any = scrub_metric(cast("Any", metric_of(**WORDS, **added)), {})
    attributes = cleaned["attributes"]
    assert len(written(cleaned)) <= entries.METRIC
    assert {name: attributes[name] for name in WORDS} == WORDS
    assert int(attributes["cut"]) == len(WORDS) + len(added) - (len(attributes) - 1)


def test_no_log_is_larger_than_sentry_takes() -> None:
    """Nor a streamed span; one that fits is left alone."""
    attributes = {**WORDS, **{f"book {number}": "价价价 " * 2000 for number in range(100)}}
    for scrub in (scrub_log, scrub_span):
        cleaned: Any = scrub(cast("Any", {"body": "asked", "name": "asked", "attributes": dict(attributes)}), {})
        assert len(json_dumps(cleaned)) <= entries.LARGER
        assert WORDS.items() <= cleaned["attributes"].items()
        assert int(cleaned["attributes"]["cut"]) == 101 - (len(cleaned["attributes"]) - len(WORDS))
        small: Any = scrub(cast("Any", {"body": "asked", "name": "asked", "attributes": dict(WORDS)}), {})
        assert small["attributes"] == WORDS
