"""A real Redis-compatible server for the whole test session; every test gets a database of its own."""

import os
import socket
import threading
from itertools import count
from pathlib import Path

import redis

from tests.harness.polling import wait_until
from tests.harness.process import LocalProcess
from worker.local.valkey import server_binary

# Database 0 belongs to pytest-celery's nodes; a number is never used twice in a session.
DATABASES = 4096


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Database:
    """One numbered database of the server: queues, results and keys that no other test sees."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: redis.Redis = redis.Redis.from_url(url, decode_responses=True)

    def close(self) -> None:
        """Empty the database and give its connections back."""
        self.client.flushdb()
        self.client.close()


class Server:
    """Own one server process on a free loopback port, in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._numbers = count(1)
        self._lock = threading.Lock()
        self.process = LocalProcess("redis-server", self.command(folder), env=dict(os.environ), cwd=folder)
        wait_until(lambda: "Ready to accept connections" in self.log, lambda: f"redis server ready\n{self.log}")

    def command(self, folder: Path) -> list[str]:
        """Return the server's command line."""
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--dir": str(folder),
            "--databases": str(DATABASES),
            "--save": "",
            "--appendonly": "no",
            "--maxmemory-policy": "noeviction",
        }
        return [server_binary(), *(part for pair in options.items() for part in pair)]

    @property
    def log(self) -> str:
        """Return what the server has printed."""
        return self.process.logs().decode(errors="replace")

    def url(self, number: int) -> str:
        """Return the address of a database."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def new_database(self) -> Database:
        """Return a database that nobody has used in this session."""
        with self._lock:
            return Database(self.url(next(self._numbers)))
