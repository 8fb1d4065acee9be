"""What waits in memory: errors first, a bound for the rest, the oldest of the rest dropped first."""

from sentry_sdk.envelope import Envelope, Item, PayloadRef

from monitoring.delivery import waiting
from monitoring.delivery.backoff import Backoff
from monitoring.delivery.waiting import Parcel, Waiting, parcel_of
from tests.unit.delivery.conftest import envelope


def anything(_: str) -> bool:
    """Limit nothing."""
    return False


def taken(queue: Waiting) -> list[Parcel]:
    """Take everything out, in order."""
    found = []
    while (parcel := queue.take(anything)) is not None:
        found.append(parcel)
    return found


def test_errors_go_first_and_the_rest_in_order() -> None:
    """Also errors that came last."""
    queue = Waiting()
    kinds = ["transaction", "trace_metric", "event", "log", "check_in"]
    for number, kind in enumerate(kinds):
        assert queue.add(parcel_of(envelope(kind, number))) == []
    assert [parcel.kind for parcel in taken(queue)] == ["event", "check_in", "transaction", "trace_metric", "log"]
    assert not queue


def test_transactions_never_displace_errors() -> None:
    """A full queue drops the oldest transaction; a thousand errors wait beside it."""
    queue = Waiting()
    for number in range(waiting.URGENT_ENVELOPES):
        assert queue.add(parcel_of(envelope("event", number))) == []
    first = [parcel_of(envelope("transaction", number)) for number in range(waiting.BULK_ENVELOPES)]
    for parcel in first:
        assert queue.add(parcel) == []
    assert queue.full
    assert queue.add(parcel_of(envelope("transaction", 0))) == [first[0]]
    late = parcel_of(envelope("event", 0))
    assert queue.add(late) == [late]


def test_what_waits_is_bounded_by_what_it_holds() -> None:
    """A thousand transactions of a thousand spans would be a gigabyte."""
    queue = Waiting()
    big = [
        Parcel("transaction", "transaction", waiting.BULK_ENTRIES // 2, envelope("transaction", n)) for n in range(3)
    ]
    assert [queue.add(parcel) for parcel in big] == [[], [], [big[0]]]
    many = Item(PayloadRef(json={"items": []}), type="trace_metric", headers={"item_count": 7})
    spans = {"type": "transaction", "spans": [{}, {}]}
    assert parcel_of(Envelope({}, [many])).entries == 7
    assert parcel_of(Envelope({}, [Item(PayloadRef(json=spans), type="transaction")])).entries == 3


def test_a_rate_limit_holds_back_its_category_only() -> None:
    """Errors that Sentry limits wait; check-ins go on."""
    queue = Waiting()
    queue.add(parcel_of(envelope("event", 1)))
    queue.add(parcel_of(envelope("check_in", 2)))
    limited = "error".__eq__
    parcel = queue.take(limited)
    assert parcel is not None
    assert parcel.kind == "check_in"
    assert queue.take(limited) is None
    assert not queue.has_urgent(limited)
    assert queue.has_urgent(anything)


def test_an_error_that_fails_does_not_hold_up_the_next() -> None:
    """It goes to the end; a transaction keeps its place."""
    queue = Waiting()
    for number in (1, 2):
        queue.add(Parcel("event", "error", file=str(number)))
        queue.add(Parcel("log", "log_item", file=None, attempts=number, envelope=envelope("log", number)))
    failed, later = queue.take(anything), queue.take(anything)
    assert failed is not None
    assert later is not None
    queue.add(later)
    queue.put_back(failed)
    assert [parcel.file for parcel in taken(queue) if parcel.file] == ["2", "1"]


def test_pauses_grow_are_spread_and_end() -> None:
    """One second, then twice as long each time, up to a minute; requests that fail together are one failure."""
    now = [0.0]
    backoff = Backoff(clock=lambda: now[0], spread=lambda: 1.0)
    pauses = []
    for _ in range(8):
        backoff.failed()
        backoff.failed()
        pauses.append(backoff.left)
        now[0] += backoff.left
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.failed()
    backoff.hurry()
    assert backoff.left == 0
    backoff.succeeded()
    backoff.failed()
    assert backoff.left == 1
    assert Backoff(clock=lambda: 0.0, spread=lambda: 0.0, failures=0).left == 0
