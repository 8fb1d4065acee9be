"""A plan of faults is read exactly or refused with every mistake, and strikes the same requests every time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import errors
from worker.fault_plan import KINDS, OPERATIONS, FaultPlan, Rule


def test_plan_is_read_in_the_order_in_which_a_request_meets_it() -> None:
    """Every form of value is read; an operation limits a fault; `*` means every exchange."""
    plan = FaultPlan.parse(
        "binance:timeout=0.05, slow=0.1@0.8s; kraken:outage=2026-01-01T00:00Z..1767225900; *:create_order.lost=0.2"
    )

    assert plan.rules == (
        Rule("binance", "*", "slow", rate=0.1, seconds=0.8),
        Rule("kraken", "*", "outage", window=(1767225600.0, 1767225900.0)),
        Rule("binance", "*", "timeout", rate=0.05),
        Rule("*", "create_order", "lost", rate=0.2),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("binance", "must be entries like binance:timeout=0.05,slow=0.1@0.8s, got 'binance'"),
        ("binance:timeout=5", "timeout of binance must be a share of the requests from 0 to 1, got '5'"),
        ("binance:timeout", "timeout of binance must be a share of the requests from 0 to 1, got ''"),
        ("binance:timeout=nan", "timeout of binance must be a share of the requests from 0 to 1, got 'nan'"),
        ("binance:slow=0.1", "slow of binance must be a share from 0 to 1 and a delay up to 600 s"),
        ("okx:outage=2026-01-02..2026-01-01", "outage of okx must be 'always' or a start and a later end"),
        ("okx:fire=1", "a fault of okx must be one of slow, outage, maintenance"),
        ("okx:fetch_order.reject=1", "reject of okx can strike create_order, got 'fetch_order'"),
    ],
)
def test_mistake_is_told_with_entry_rule_and_value(text: str, complaint: str) -> None:
    """An operator can correct the plan from the message alone."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        FaultPlan.parse(text)


def test_all_mistakes_are_told_at_once() -> None:
    """Two wrong entries make one error with two sentences."""
    with pytest.raises(ValueError, match=r"timeout of binance .*; a fault of okx .*"):
        FaultPlan.parse("binance:timeout=2;okx:fire=1")


def test_every_kind_names_an_error_that_monitoring_knows() -> None:
    """Whatever a plan raises is in the tree of exchange errors."""
    assert all(issubclass(kind.error, errors.BaseError) for name, kind in KINDS.items() if kind.error is not None)
    assert [name for name, kind in KINDS.items() if kind.error is None] == ["slow"]


@given(seed=st.integers(0, 1000), rate=st.floats(0, 1))
def test_strikes_repeat_for_the_same_seed_and_request(seed: int, rate: float) -> None:
    """The same traffic fails in the same places, and about as often as the plan says."""
    plan = FaultPlan((Rule("*", "*", "timeout", rate=rate),))

    def struck() -> list[bool]:
        return [bool(list(plan.strikes("okx", "create_order", number=n, seed=seed, now=0))) for n in range(400)]

    first = struck()
    assert first == struck()
    assert abs(sum(first) / 400 - rate) < 0.15


def test_window_strikes_every_request_inside_and_none_outside() -> None:
    """An outage begins and ends to the second."""
    plan = FaultPlan.parse("okx:outage=100..200")

    def struck(now: float, exchange: str = "okx") -> bool:
        return bool(list(plan.strikes(exchange, "fetch_order", number=1, seed=1, now=now)))

    assert [struck(now) for now in (99.9, 100, 199.9, 200)] == [False, True, True, False]
    assert not struck(150, exchange="kraken")


def test_lost_answers_and_rejections_strike_only_where_they_can() -> None:
    """A read has no order to lose and none to reject."""
    plan = FaultPlan.parse("*:lost=1,reject=1")
    struck = {
        operation: {rule.kind for rule in plan.strikes("okx", operation, number=1, seed=1, now=0)}
        for operation in OPERATIONS
    }

    assert {operation for operation, kinds in struck.items() if "lost" in kinds} == {"create_order", "cancel_order"}
    assert {operation for operation, kinds in struck.items() if "reject" in kinds} == {"create_order"}
