"""docs/reference/events.md says what is sent: its tables are these tests' own lists, its names those of a real run."""

import re
from typing import Any

import pytest

from monitoring.delivery import fitting
from tests.harness.sentry import attributes
from tests.integration.outcomes import cases, promises
from tests.integration.outcomes.days import Day
from tests.integration.outcomes.page import DELIVERY, ROOT, generated, names, rows

pytestmark = pytest.mark.outcomes

#: Set by the tests' application, or by the SDK for every process.
NOT_OURS = {"odd", "environment", "release", "level"}
OURS = ("task.", "trading.", "beat.", "queue.", "worker.", "monitoring.")


def test_the_table_of_outcomes_is_the_tests_own_list() -> None:
    """Print what is tested: `python -m tests.integration.outcomes` writes it."""
    assert generated("outcomes") == promises.table()


def test_the_table_of_hard_cases_is_the_tests_own_list() -> None:
    """Print which tests hold the hard cases."""
    assert generated("cases") == cases.table()


@pytest.mark.parametrize("test", [test for _, tests in cases.CASES for test in tests])
def test_every_test_that_holds_a_case_is_there(test: str) -> None:
    """Name no test, and no scenario of one, that does not exist."""
    path, _, name = test.partition("::")
    function, _, scenario = name.partition("[")
    assert re.search(rf"^def {function}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert not scenario or scenario.rstrip("]") in {promise.name for promise in promises.PROMISES}


def test_the_tags_are_those_of_a_real_run(day: Day) -> None:
    """Document each tag that is sent, and none that is not."""
    documented = {name for row in rows("Tags") for name in names(row[0])}
    sent: set[str] = set()
    for scene in day.scenes.values():
        for entry in (*scene.stage.sentry.events(), *scene.stage.sentry.transactions()):
            sent |= entry["tags"].keys()
    assert sent - NOT_OURS <= documented
    if day.lifecycle == "static":  # only there every scenario is played
        assert sent - NOT_OURS == documented


def test_the_attributes_are_those_of_a_real_run(day: Day) -> None:
    """Write as attributes, on metrics and streamed spans, what the table says."""
    documented = {name for row in rows("Tags") for name in names(row[0]) if row[1] == "yes"}
    sent: set[str] = set()
    for scene in day.scenes.values():
        for entry in (*scene.stage.sentry.metrics(), *scene.stage.sentry.spans()):
            sent |= attributes(entry).keys()
    assert documented <= sent
    only_tags = {name for row in rows("Tags") for name in names(row[0]) if row[1] == "no"}
    assert not only_tags & sent


def test_the_contexts_are_those_of_a_real_run(day: Day) -> None:
    """Document each field of each context of ours, and none that is never there."""
    documented: dict[str, set[str]] = {}
    for row in rows("Contexts"):
        documented.setdefault(names(row[0])[0], set()).update(names(row[1]))
    del documented["cut"]  # nothing of the day is too large for Sentry
    sent: dict[str, set[str]] = {name: set() for name in documented}
    for scene in day.scenes.values():
        for event in scene.stage.sentry.events():
            for name in documented:
                sent[name] |= event["contexts"].get(name, {}).keys()
    # Where the kernel says nothing, or counts no such thing, neither do we.
    for name in ("limit_mb", "killed_by_kernel"):
        sent["memory"].add(name)
    assert sent == documented


def test_the_parts_that_may_be_cut_are_those_of_the_code() -> None:
    """Document each kind of part that goes of what is too large, here and where the order is told."""
    documented = {name for row in rows("Contexts") if names(row[0]) == ["cut"] for name in names(row[1])}
    kinds = [name for name, _ in fitting._STEPS] + ["all_else"]
    assert documented == {"bytes", *kinds}
    assert [names(row[0])[0] for row in rows("Larger than Sentry takes", DELIVERY)] == kinds


def test_the_records_are_those_of_a_real_run(day: Day) -> None:
    """Document each field of an attempt's record."""
    (row,) = [row for row in rows("Contexts") if names(row[1]) == ["records"]]
    sent: set[str] = set()
    for scene in day.scenes.values():
        for event in scene.stage.sentry.events():
            for record in event["contexts"].get("attempts", {}).get("records", []):
                sent |= record.keys()
    assert sent == set(names(row[2]))


def test_the_metrics_are_those_of_a_real_run(day: Day) -> None:
    """Document each metric of ours with its kind and unit, and send what the table says that workers send."""
    documented: dict[str, tuple[str, str, str]] = {
        names(row[0])[0]: (row[1], row[2], row[3]) for row in rows("Metrics")
    }
    sent: dict[str, Any] = {}
    for scene in day.scenes.values():
        for metric in scene.stage.sentry.metrics():
            if metric["name"].startswith(OURS):
                sent[metric["name"]] = (metric["type"], metric.get("unit") or "")
    assert sent.keys() <= documented.keys()
    assert {name for name, (_, _, by) in documented.items() if by == "worker"} <= sent.keys()
    for name, (kind, unit) in sent.items():
        assert (kind, unit) == documented[name][:2]


def test_the_outcomes_are_those_of_a_real_run(day: Day) -> None:
    """Document each outcome that a metric was counted by."""
    (row,) = [row for row in rows("Tags") if names(row[0]) == ["outcome"]]
    sent = {
        attributes(metric)["outcome"]
        for scene in day.scenes.values()
        for metric in scene.stage.sentry.metrics("task.run_time")
    }
    if day.lifecycle == "static":
        assert sent == set(names(row[2]))
    else:
        assert sent <= set(names(row[2]))


def test_the_spans_are_those_of_a_real_run(day: Day) -> None:
    """Write on `queue.process` what the table says."""
    documented = {names(row[1])[0] for row in rows("Traces") if names(row[0]) == ["queue.process"]}
    sent: set[str] = set()
    for scene in day.scenes.values():
        for entry in scene.stage.sentry.transactions():
            for span in entry["spans"]:
                if span["op"] == "queue.process":
                    sent |= span["data"].keys()
        for span in scene.stage.sentry.spans():
            if attributes(span).get("sentry.op") == "queue.process":
                sent |= attributes(span).keys()
    assert {name for name in sent if name.startswith("messaging.")} == documented
