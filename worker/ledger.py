"""The platform's own side of the books, so that nothing the exchange was asked for is forgotten when a process dies.

In the Redis server, for each exchange:

    trading:<exchange>:unsettled   the orders whose outcome the platform does not know yet, by client order id
    trading:<exchange>:bots        the bots that trade there, and when they last did
    trading:<exchange>:positions   what each bot holds, as of its last synchronisation

An order is written down before it is sent and struck out when its outcome is known. What stays (its task was killed,
expired, or out of attempts without an answer) is what `worker.tasks.positions.reconcile` asks the exchange about.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

from redis import Redis

from worker.arguments import OrderRequest
from worker.exchanges.interface import Position, as_json
from worker.store import server, translated

ACTIVE_SECONDS = 86_400.0
"""A bot that has placed no order for a day is no longer looked after."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One order of unknown outcome; `since` in epoch seconds."""

    bot_id: str
    symbol: str
    client_order_id: str
    since: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """One exchange's page. Every method may raise `NetworkError` when the server is out of reach."""

    exchange: str
    redis: Redis = field(default_factory=server, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def begin(self, request: OrderRequest) -> None:
        """Write an order down before it is sent; the first time counts."""
        order = Unsettled(request.bot_id, request.symbol, request.client_order_id, since=self.clock())
        with translated(), self.redis.pipeline() as page:
            page.hsetnx(self._key("unsettled"), self._entry(order), json.dumps(asdict(order)))
            page.zadd(self._key("bots"), {request.bot_id: order.since})
            page.execute()

    def settle(self, bot_id: str, client_order_id: str) -> None:
        """Strike an order out: what became of it is known."""
        with translated():
            self.redis.hdel(self._key("unsettled"), f"{bot_id} {client_order_id}")

    def unsettled(self, *, older_than_seconds: float) -> list[Unsettled]:
        """Return the orders that nobody can still be working on, the oldest first."""
        with translated():
            entries = self.redis.hvals(self._key("unsettled"))
        orders = [Unsettled(**json.loads(entry)) for entry in entries]
        due = [order for order in orders if self.clock() - order.since >= older_than_seconds]
        return sorted(due, key=lambda order: order.since)

    def bots(self) -> list[str]:
        """Return the bots that have traded here lately, and forget the others."""
        with translated(), self.redis.pipeline() as page:
            page.zremrangebyscore(self._key("bots"), "-inf", self.clock() - ACTIVE_SECONDS)
            page.zrange(self._key("bots"), 0, -1)
            return [str(bot) for bot in page.execute()[1]]

    def record_positions(self, bot_id: str, positions: Iterable[Position]) -> None:
        """Replace what the platform believes that a bot holds."""
        facts = {"at": self.clock(), "positions": [as_json(position) for position in positions]}
        with translated():
            self.redis.hset(self._key("positions"), bot_id, json.dumps(facts))

    def _key(self, name: str) -> str:
        return f"trading:{self.exchange}:{name}"

    @staticmethod
    def _entry(order: Unsettled) -> str:
        return f"{order.bot_id} {order.client_order_id}"
