"""The account of a demo: every task has a final state, and Sentry was told of each one exactly once."""

from typing import Any

from worker.local.accounting import PLACE_ORDER, RUN_STRATEGY, Book, Known, differences
from worker.local.bots import Request

TARGET = {"bot_id": "bot-1", "exchange": "okx", "symbol": "BTC/USDT"}
SYNC = "worker.tasks.positions.sync_positions"


class Api:
    """Answer as the trading API does, from a list of states."""

    def __init__(self) -> None:
        self.url = "http://here"
        self.states: dict[str, dict[str, Any]] = {}
        self._number = 0

    def post(self, _path: str, _body: dict[str, str]) -> dict[str, str]:
        """Accept a task."""
        self._number += 1
        return {"task_id": f"task-{self._number}"}

    def get(self, path: str) -> dict[str, Any]:
        """Tell a task's state."""
        return self.states.get(path.rpartition("/")[2], {"state": "PENDING", "ready": False})

    def finish(self, task_id: str, state: str = "SUCCESS", result: object = None) -> None:
        """End a task."""
        self.states[task_id] = {"state": state, "ready": True, "result": result}


def filled() -> tuple[Book, Any]:
    """Enqueue an order and a strategy."""
    api: Any = Api()
    book = Book()
    book.enqueue(api, Request("/api/trading/orders", TARGET))
    book.enqueue(api, Request("/api/trading/strategies", TARGET))
    return book, api


def row(task: str, count: int, **more: Any) -> dict[str, Any]:
    """Make a row of /stats.json."""
    return {"task": task, **TARGET, "count": count, **more}


def test_a_task_is_outstanding_until_its_final_state() -> None:
    """Keep a task that is being retried, and close it when it is ready."""
    book, api = filled()
    api.states["task-1"] = {"state": "RETRY", "ready": False}
    book.look(api)
    assert set(book.outstanding) == {"task-1", "task-2"}
    api.finish("task-1", "FAILURE")
    book.look(api)
    assert set(book.outstanding) == {"task-2"}
    assert book.states["task-1"] == "FAILURE"
    assert book.final["task-1"].task == PLACE_ORDER


def test_what_a_strategy_starts_is_followed_link_by_link() -> None:
    """Wait for each task of a chain after the one before it has succeeded."""
    book, api = filled()
    chain = [{"id": "order", "task": PLACE_ORDER}, {"id": "sync", "task": SYNC}]
    api.finish("task-1")
    api.finish("task-2", result={"tasks": chain})
    book.look(api)
    assert set(book.outstanding) == {"order"}
    assert book.states["order"] == "PENDING"  # named if the time is over before anybody has asked for it
    api.finish("order", result={"status": "closed"})
    book.look(api)
    assert set(book.outstanding) == {"sync"}
    api.finish("sync")
    book.look(api)
    assert not book.outstanding
    assert {known.task for known in book.final.values()} == {PLACE_ORDER, RUN_STRATEGY, SYNC}


def test_a_chain_ends_with_the_task_that_fails() -> None:
    """Wait for nothing that will never start, and keep it in the account."""
    book, api = filled()
    api.finish("task-1")
    api.finish("task-2", result={"tasks": [{"id": "order", "task": PLACE_ORDER}, {"id": "sync", "task": SYNC}]})
    book.look(api)
    api.finish("order", "FAILURE")
    book.look(api)
    assert not book.outstanding
    assert [known.task_id for known in book.never_started] == ["sync"]


def known(task: str, number: int = 1) -> Known:
    """Make a finished task."""
    return Known(f"id-{number}", task, TARGET["bot_id"], TARGET["exchange"], TARGET["symbol"])


def test_equal_numbers_make_no_difference() -> None:
    """Find nothing when each row of Sentry's has what was finished."""
    assert differences([known(PLACE_ORDER), known(PLACE_ORDER, 2)], [row(PLACE_ORDER, 2)]) == []


def test_a_task_that_sentry_does_not_know_is_missing() -> None:
    """Name the row, what was finished and what was told."""
    (found,) = differences([known(PLACE_ORDER), known(PLACE_ORDER, 2)], [row(PLACE_ORDER, 1)])
    assert found == f"{PLACE_ORDER} bot-1 okx BTC/USDT: 2 finished, Sentry was told of 1"
    assert differences([known(PLACE_ORDER)], []) != []


def test_a_task_told_twice_or_to_nobody_we_know_is_a_difference() -> None:
    """Accept no more runs than there were, and no row of a stranger."""
    assert differences([known(PLACE_ORDER)], [row(PLACE_ORDER, 2)]) != []
    stranger = {**row(PLACE_ORDER, 1), "bot_id": "somebody"}
    assert differences([known(PLACE_ORDER)], [row(PLACE_ORDER, 1), stranger]) != []


def test_what_beat_starts_too_may_be_more() -> None:
    """Compare the synchronisations we know of as a lower bound: beat starts some by itself."""
    assert differences([known(SYNC)], [row(SYNC, 5), row("worker.tasks.positions.reconcile", 3)]) == []
    assert differences([known(SYNC), known(SYNC, 2)], [row(SYNC, 1)]) != []
