"""The board in Redis that all workers write on and the elected one reads: one atomic round trip each.

The server's clock counts, because hosts disagree. Everything expires by itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitoring.vitals.snapshot import Node, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SCHEMES: Final = ("redis://", "rediss://", "unix://")
#: For each of connecting and answering, in a thread that nothing waits for. Seconds.
BUDGET_SECONDS: Final = 2.0
#: What nobody has renewed for so long is forgotten. Seconds.
KEPT_SECONDS: Final = 7 * 86_400

#: Braces keep all keys in one slot of a cluster, which a script needs. The number is that of the layout.
_NAMESPACE: Final = "{monitoring}:vitals:1"

_NOW: Final = """
local now = tonumber(ARGV[1])
if not now then local t = redis.call('TIME'); now = tonumber(t[1]) + tonumber(t[2]) / 1000000 end
now = string.format('%.3f', now)
"""
#: KEYS: nodes, bots. ARGV: now, kept seconds, node, its facts, how many bots succeeded, those bots, bots only seen.
_SIGN: Final = (
    _NOW
    + """
redis.call('HSET', KEYS[1], ARGV[3], now .. ' ' .. ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[2])
for i = 6, #ARGV do
  redis.call(i < 6 + tonumber(ARGV[5]) and 'HSET' or 'HSETNX', KEYS[2], ARGV[i], now)
end
if #ARGV > 5 then redis.call('EXPIRE', KEYS[2], ARGV[2]) end
"""
)
#: KEYS: lease. ARGV: token, milliseconds.
_ELECT: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
#: KEYS: lease. ARGV: token.
_RESIGN: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
#: KEYS: nodes, bots, open. ARGV: now.
_READ: Final = (
    _NOW
    + "return {now, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3])}"
)


class Board:
    """Keep the board. Raises what the client raises. `clock` is for tests: the server's own counts."""

    def __init__(self, client: redis.Redis, clock: Callable[[], float] | None = None) -> None:
        self._client = client
        self._clock = clock
        self._nodes, self._bots, self._open, self._lease = (
            f"{_NAMESPACE}:{name}" for name in ("nodes", "bots", "open", "lease")
        )
        self._sign = client.register_script(_SIGN)
        self._elect = client.register_script(_ELECT)
        self._resign = client.register_script(_RESIGN)
        self._read = client.register_script(_READ)

    @classmethod
    def from_url(cls, url: str) -> Board:
        """Connect, when first used, with a budget for connecting and for each answer, and without retries."""
        client = redis.Redis.from_url(
            url,
            socket_timeout=BUDGET_SECONDS,
            socket_connect_timeout=BUDGET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        return cls(client)

    def sign(
        self, node: str, facts: Mapping[str, Any], succeeded: Iterable[str] = (), seen: Iterable[str] = ()
    ) -> None:
        """Leave a sign of life, with the bots that had a success since the last one and those that were only seen."""
        winners = sorted(succeeded)
        arguments: list[str | int] = [
            self._now(),
            KEPT_SECONDS,
            node,
            json.dumps(dict(facts)),
            len(winners),
            *winners,
            *sorted(seen),
        ]
        self._sign(keys=[self._nodes, self._bots], args=arguments)

    def elect(self, token: str, seconds: float) -> bool:
        """Say whether the holder of this token is the elected one for the next `seconds`; it renews by asking again."""
        return bool(self._elect(keys=[self._lease], args=[token, int(seconds * 1000)]))

    def resign(self, token: str) -> None:
        """Let another one be elected at once."""
        self._resign(keys=[self._lease], args=[token])

    def read(self) -> Snapshot:
        """Return everything on the board; what nobody of us has written is left out."""
        told = cast("list[Any]", self._read(keys=[self._nodes, self._bots, self._open], args=[self._now()]))
        now, nodes, bots, opened = float(told[0]), *(_pairs(flat) for flat in told[1:])
        return Snapshot(
            now,
            tuple(node for name, text in nodes.items() if (node := _node(name, text)) is not None),
            {bot: float(at) for bot, at in bots.items()},
            {key: float(since) for key, since in opened.items()},
        )

    def open(self, key: str, since: float) -> bool:
        """Note a trouble; True for the one who notes it first, and so tells it."""
        first = bool(self._client.hsetnx(self._open, key, f"{since:.3f}"))
        self._client.expire(self._open, KEPT_SECONDS)
        return first

    def close(self, key: str) -> bool:
        """Strike a trouble off; True for the one who does it."""
        return bool(self._client.hdel(self._open, key))

    def forget(self, node: str) -> None:
        """Strike off a node that has ended."""
        self._client.hdel(self._nodes, node)

    def forget_bot(self, bot: str) -> None:
        """Strike off a bot that has been retired."""
        self._client.hdel(self._bots, bot)

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _node(name: str, text: str) -> Node | None:
    at, _, facts = text.partition(" ")
    try:
        values = json.loads(facts)
        return Node(name, float(at), values) if isinstance(values, dict) else None
    except ValueError:
        return None
