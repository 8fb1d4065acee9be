"""The Redis server that trading state is kept in: one client per process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from monitoring.settings import Settings
from worker.errors import NetworkError, RequestTimeout
from worker.settings import trading_settings

_SECONDS = 5.0  # a server that does not answer in this time is down; a task must not wait for it until its time limit


@cache
def server() -> Redis:
    """Return the client. Safe to have before a fork: redis-py gives each process connections of its own."""
    return connect(trading_settings().server_url(Settings.from_env()))


def connect(url: str) -> Redis:
    """Return a client that speaks text, as the paper exchanges and the journal expect it."""
    return Redis.from_url(url, decode_responses=True, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Tell trouble with the server as an exchange would, so that a task which meets it asks again."""
    try:
        yield
    except RedisTimeoutError as error:
        raise RequestTimeout(f"the trading server did not answer: {error}") from error
    except RedisConnectionError as error:
        raise NetworkError(f"the trading server is out of reach: {error}") from error
