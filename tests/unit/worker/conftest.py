"""A paper exchange on a real server, with a clock that the test sets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from redis import Redis

from tests.harness.server import Server
from worker.exchanges.paper import PaperExchange
from worker.store import connect

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC


@dataclass
class Clock:
    """Wall time that moves when it is told to; it also counts what a request would have slept."""

    now: float = NOON
    slept: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Pass the time without waiting."""
        self.slept += seconds
        self.now += seconds


@pytest.fixture
def paper_redis(server: Server) -> Iterator[Redis]:
    """Give the test an empty database of the session's server."""
    database = server.new_database()
    client = connect(database.url)
    yield client
    client.close()
    database.close()


@pytest.fixture
def clock() -> Clock:
    """Stop the time at noon."""
    return Clock()


@pytest.fixture
def open_paper(paper_redis: Redis, clock: Clock) -> Callable[..., PaperExchange]:
    """Open accounts: `open_paper("bot-1", faults="binance:timeout=1")`."""

    def open_paper(account: str = "bot-1", name: str = "binance", faults: str = "") -> PaperExchange:
        return PaperExchange(name, account, paper_redis, faults=faults, clock=clock, sleep=clock.sleep)

    return open_paper


@pytest.fixture
def paper(open_paper: Callable[..., PaperExchange]) -> PaperExchange:
    """Open one account at binance where nothing goes wrong."""
    return open_paper()
