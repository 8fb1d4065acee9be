"""What the runner knows of processes by name: their port, when they are ready, what others need to find them."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from worker.local.process import Process

HOST: Final = "127.0.0.1"
_ANSWER_SECONDS = 1.0
_HTTP_OK = 200

Ready = Callable[[Process, Mapping[str, str]], bool]


def as_soon_as_it_runs(process: Process, _environment: Mapping[str, str]) -> bool:
    """Ask for nothing more than a running process."""
    return process.alive


def answers_ping(port_variable: str) -> Ready:
    """Be ready when PING is answered with PONG; a server that still loads its data answers with an error."""

    def ready(_process: Process, environment: Mapping[str, str]) -> bool:
        try:
            with socket.create_connection((HOST, int(environment[port_variable])), _ANSWER_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    return ready


def answers_http(port_variable: str, path: str) -> Ready:
    """Be ready when ``GET path`` gives 200."""

    def ready(_process: Process, environment: Mapping[str, str]) -> bool:
        connection = http.client.HTTPConnection(HOST, int(environment[port_variable]), timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == _HTTP_OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ready


def writes(pattern: str) -> Ready:
    """Be ready when a line of the output matches ``pattern``: the worker and beat have no port to ask."""
    expected = re.compile(pattern)

    def ready(process: Process, _environment: Mapping[str, str]) -> bool:
        return any(expected.search(line) for line in tuple(process.tail))

    return ready


@dataclass(frozen=True)
class Service:
    """One row of `SERVICES`.

    ``provides`` are variables for all processes, used where the user has set none; ``{port}`` is this service's port.
    The first of them is the address: a user who has set that one has a service of his own, and ours is not started.
    """

    ready: Ready = as_soon_as_it_runs
    port_variable: str | None = None
    preferred_port: int = 0
    provides: Mapping[str, str] = field(default_factory=dict)


SERVICES: Final[Mapping[str, Service]] = {
    "redis": Service(
        ready=answers_ping("REDIS_PORT"),
        port_variable="REDIS_PORT",
        preferred_port=6399,
        provides={
            "CELERY_BROKER_URL": f"redis://{HOST}:{{port}}/0",
            "CELERY_RESULT_BACKEND": f"redis://{HOST}:{{port}}/1",
        },
    ),
    "sentry": Service(
        ready=answers_http("LOCAL_SENTRY_PORT", "/healthz"),
        port_variable="LOCAL_SENTRY_PORT",
        preferred_port=9000,
        provides={
            "SENTRY_DSN": f"http://local@{HOST}:{{port}}/1",
            "SENTRY_ENABLED": "true",
            "SENTRY_ENVIRONMENT": "development",
        },
    ),
    "worker": Service(ready=writes(r"\bready\.$")),
    "web": Service(ready=answers_http("PORT", "/healthz"), port_variable="PORT", preferred_port=8000),
    "beat": Service(ready=writes(r"\bbeat: Starting\b")),
}
