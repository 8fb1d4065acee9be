"""What a moment means: facts and clocks in, verdict out. Nothing here runs."""

from typing import Any

import pytest

from monitoring.vitals.snapshot import BEAT, Node, Snapshot
from monitoring.vitals.telling import lasting
from monitoring.vitals.troubles import BUSY_FACTOR, FORGET_SECONDS, RETIRED_SECONDS, Backlog, Limits, Verdict, judge

NOW = 1_000_000.0
LIMITS = Limits(gone=45, stalled=120, budgets={"momentum-1": 300, "grid-*": 3600, "grid-fast": 10})


def worker(silent: float = 0, **facts: Any) -> Node:
    """Return a worker that is well, unless said otherwise."""
    return Node("w@1", NOW - silent, {"queues": ["orders"], "active": 0, "slots": 4, "idle_s": 0, **facts})


def judged(*nodes: Node, depth: int = 0, waiting: float = 0, bots: dict[str, float] | None = None) -> Verdict:
    """Judge one moment, in which `orders` has had its messages for `waiting` seconds."""
    backlog = Backlog()
    backlog.note(NOW - waiting, {"orders": depth})
    return judge(Snapshot(NOW, nodes, bots or {}, {}, {"orders": depth}), backlog, LIMITS)


def test_a_living_worker_is_no_trouble() -> None:
    """Say of a worker that signs and works that it is well."""
    verdict = judged(worker(silent=44), depth=5, waiting=500)
    assert not verdict.troubles
    assert verdict.well.keys() == {"gone:w@1", "stalled:w@1"}


def test_a_silent_worker_is_gone() -> None:
    """Tell a worker whose signs are missing, and say nothing of its progress, which nobody knows."""
    verdict = judged(worker(silent=46, idle_s=500), depth=5, waiting=500)
    assert verdict.troubles.keys() == {"gone:w@1"}
    assert not verdict.well
    assert verdict.troubles["gone:w@1"].tags == {"worker": "w@1"}
    assert verdict.troubles["gone:w@1"].since == NOW - 46


def test_a_worker_that_said_goodbye_is_forgotten() -> None:
    """Tell nothing of a worker that was stopped, by whatever signal."""
    verdict = judged(worker(silent=46, leaving=True))
    assert (verdict.troubles, verdict.forgotten) == ({}, ["w@1"])


def test_a_worker_that_never_comes_back_is_forgotten() -> None:
    """Let a host's name go after a day: the next host has another one."""
    assert judged(worker(silent=FORGET_SECONDS + 1)).forgotten == ["w@1"]


@pytest.mark.parametrize(
    ("idle", "depth", "waiting", "stalled"),
    [
        (121, 5, 121, True),
        (119, 5, 500, False),  # it took something
        (500, 5, 119, None),  # the messages may only just have come
        (500, 0, 0, False),  # there is nothing to take
    ],
)
def test_a_stalled_worker_is_idle_while_messages_wait(
    idle: float,
    depth: int,
    waiting: float,
    stalled: bool | None,  # noqa: FBT001  # a parameter; None: neither is known
) -> None:
    """Tell a worker that begins nothing for its limit, while its queue has not become shorter for as long."""
    verdict = judged(worker(idle_s=idle), depth=depth, waiting=waiting)
    assert ("stalled:w@1" in verdict.troubles) is bool(stalled)
    assert ("stalled:w@1" in verdict.well) is (stalled is False)


def test_a_busy_worker_has_more_time() -> None:
    """Give a worker all of whose processes are busy several times as long: its tasks may be long."""
    busy = worker(idle_s=300, active=4)
    assert "stalled:w@1" not in judged(busy, depth=5, waiting=300).troubles
    late = 120 * BUSY_FACTOR
    assert "stalled:w@1" in judged(worker(idle_s=late, active=4), depth=5, waiting=late).troubles


def test_a_queue_that_is_worked_off_is_no_stall() -> None:
    """Begin anew whenever a queue becomes shorter, or empty."""
    backlog = Backlog()
    for now, depth in ((0, 5), (50, 9), (100, 7), (110, 8)):
        backlog.note(now, {"orders": depth})
    assert backlog.waiting("orders", 150) == 150
    backlog.note(160, {"orders": 4})
    assert backlog.waiting("orders", 200) == 40
    backlog.note(210, {"orders": 0})
    assert backlog.waiting("orders", 220) == 0


def test_beat_is_gone_however_it_went() -> None:
    """Tell a missing beat, and whether somebody stopped it."""
    for leaving, how in ((False, "killed or hangs"), (True, "was stopped")):
        verdict = judged(Node(BEAT, NOW - 50, {"leaving": leaving}))
        assert how in verdict.troubles["gone:beat"].words
    assert judged(Node(BEAT, NOW - 5, {})).well.keys() == {"gone:beat"}


@pytest.mark.parametrize(
    ("bot", "silent", "trouble"),
    [
        ("momentum-1", 301, True),
        ("momentum-1", 299, False),
        ("grid-7", 3601, True),
        ("grid-7", 3599, False),
        ("grid-fast", 11, True),  # its own name goes before a pattern
        ("arbitrage", 90_000, None),  # nobody asked
    ],
)
def test_a_bot_has_its_own_budget(bot: str, silent: float, trouble: bool | None) -> None:  # noqa: FBT001  # a parameter
    """Tell a bot that has had no success for longer than its budget, by its tag."""
    verdict = judged(bots={bot: NOW - silent})
    assert (f"silent:{bot}" in verdict.troubles) is bool(trouble)
    assert (f"silent:{bot}" in verdict.well) is (trouble is False)
    if trouble:
        assert verdict.troubles[f"silent:{bot}"].tags == {"bot_id": bot}


def test_a_retired_bot_is_forgotten() -> None:
    """Keep no bot for ever."""
    assert judged(bots={"arbitrage": NOW - RETIRED_SECONDS - 1}).retired == ["arbitrage"]


def test_facts_of_another_version_are_no_error() -> None:
    """Judge what can be read of a sign that somebody else wrote."""
    verdict = judged(Node("w@1", NOW, {"queues": "orders", "active": None, "idle_s": "long"}), depth=5, waiting=500)
    assert not verdict.troubles


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h")]
)
def test_lengths_read_well(seconds: float, told: str) -> None:
    """Write a length as one would say it."""
    assert lasting(seconds) == told


def test_a_bots_end_crosses_the_pipe_without_ever_blocking() -> None:
    """Tell each bot's success once a second at most, a failure once, and drop what does not fit until the next one."""
    from monitoring.vitals.pulse import Pulse  # noqa: PLC0415  # its only use

    now = [0.0]
    pulse = Pulse(lambda: now[0])
    try:
        for _ in range(3):
            pulse.ended("ß bot", success=True)
            pulse.ended("failing", success=False)
        assert pulse.drain() == ({"ß bot"}, {"failing"})
        pulse.ended("ß bot", success=True)
        assert pulse.drain() == (set(), set())
        pulse.ended("failing", success=True)
        now[0] = 1.5
        pulse.ended("ß bot", success=True)
        assert pulse.drain() == ({"ß bot", "failing"}, set())
        for number in range(20_000):
            pulse.ended(f"{number:0>100}", success=True)
        pulse.drain()
        pulse.ended("19999".rjust(100, "0"), success=True)
        assert "19999".rjust(100, "0") in pulse.drain()[0]
    finally:
        pulse.close()
