"""Follow every task to its final state, and compare what came of them with what Sentry was told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.local.bots import Request
    from worker.local.json_client import JsonClient

PLACE_ORDER: Final = "worker.tasks.orders.place_order"
RUN_STRATEGY: Final = "worker.tasks.strategy.run_strategy"
_TASK_OF_PATH: Final = {"/api/trading/orders": PLACE_ORDER, "/api/trading/strategies": RUN_STRATEGY}

# Beat starts this one too, for every bot and unknown to us: Sentry has at least as many of it as we know of.
_ALSO_BY_BEAT: Final = frozenset({"worker.tasks.positions.sync_positions"})

Row = tuple[str, str, str, str]  # task, bot_id, exchange, symbol


@dataclass(frozen=True, slots=True)
class Known:
    """A task we have the id of, and those that a chain runs after it if it succeeds."""

    task_id: str
    task: str
    bot_id: str
    exchange: str
    symbol: str
    then: tuple[Known, ...] = ()

    @property
    def row(self) -> Row:
        """Name the row of the performance table that this task belongs to."""
        return self.task, self.bot_id, self.exchange, self.symbol

    def __str__(self) -> str:
        return f"{self.task_id}  {self.task}  {self.bot_id} {self.exchange} {self.symbol}"


@dataclass
class Book:
    """The account of a run: each task is either outstanding, or has a final state, or was never started."""

    outstanding: dict[str, Known] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    final: dict[str, Known] = field(default_factory=dict)
    never_started: list[Known] = field(default_factory=list)
    enqueued: int = 0

    def enqueue(self, api: JsonClient, request: Request) -> None:
        """Have the API enqueue a task and keep its id."""
        body = request.body
        task_id = str(api.post(request.path, body)["task_id"])
        self._follow(Known(task_id, _TASK_OF_PATH[request.path], body["bot_id"], body["exchange"], body["symbol"]))
        self.enqueued += 1

    def look(self, api: JsonClient) -> None:
        """Ask the API once for each outstanding task, and take in what the finished ones have started."""
        for known in tuple(self.outstanding.values()):
            answer = api.get(f"/api/tasks/{known.task_id}")
            self.states[known.task_id] = str(answer["state"])
            if answer["ready"]:
                self._close(known, answer)

    def _close(self, known: Known, answer: Mapping[str, Any]) -> None:
        del self.outstanding[known.task_id]
        self.final[known.task_id] = known
        if answer["state"] != "SUCCESS":
            self.never_started += known.then  # a chain ends with the task that fails
            return
        result = answer.get("result")
        started = result.get("tasks", []) if known.task == RUN_STRATEGY and isinstance(result, dict) else []
        for following in (*known.then[:1], *_chained(known, started)[:1]):
            self._follow(following)

    def _follow(self, known: Known) -> None:
        self.outstanding[known.task_id] = known
        self.states[known.task_id] = "PENDING"


def _chained(parent: Known, tasks: Sequence[Mapping[str, str]]) -> tuple[Known, ...]:
    """Read the chain that a strategy has started; each task knows those after it."""
    links: tuple[Known, ...] = ()
    for task in reversed(tasks):
        links = (Known(task["id"], task["task"], parent.bot_id, parent.exchange, parent.symbol, then=links), *links)
    return links


def differences(finished: Sequence[Known], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Compare the finished tasks with the rows of the performance table; say where they differ ([]: nowhere)."""
    expected = Counter(known.row for known in finished)
    told = {(row["task"], row["bot_id"], row["exchange"], row["symbol"]): int(row["count"]) for row in rows}
    exact = {row[0] for row in expected} - _ALSO_BY_BEAT
    found = []
    for row in sorted(expected.keys() | {row for row in told if row[0] in exact}, key=str):
        has = told.get(row, 0)
        # A sync of everything a bot has is told without a symbol; only those that name one are comparable.
        if has < expected[row] or (has > expected[row] and row[0] in exact):
            found.append(f"{' '.join(map(str, row))}: {expected[row]} finished, Sentry was told of {has}")
    return found
