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
EVERYDAY_FAULTS: Final = (
    "binance:timeout=0.02,rate_limit=0.04,slow=0.03@0.8s;"
    "kraken:create_order.lost=0.05,drop=0.03,slow=0.08@1.2s;"
    "okx:rate_limit=0.05,create_order.reject=0.02,create_order.timeout=0.25"
)
"""What goes wrong with live traffic: enough that every page shows something, each kind of it somewhere."""

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

    ``provides`` are variables for all processes, used where the operator has set none; ``{port}`` is this service's,
    ``{data}`` the folder for all data.
    ``address`` is the one of them that says where the service is: an operator who has set it has a service of his own,
    and ours is not started. A process that is ``only_with`` such a service is not started then either.
    """

    ready: Ready = as_soon_as_it_runs
    port_variable: str | None = None
    preferred_port: int = 0
    address: str | None = None
    provides: Mapping[str, str] = field(default_factory=dict)
    only_with: str | None = None


SERVICES: Final[Mapping[str, Service]] = {
    "redis": Service(
        ready=answers_ping("REDIS_PORT"),
        port_variable="REDIS_PORT",
        preferred_port=6399,
        address="CELERY_BROKER_URL",
        provides={
            "CELERY_BROKER_URL": f"redis://{HOST}:{{port}}/0",
            "CELERY_RESULT_BACKEND": f"redis://{HOST}:{{port}}/1",
        },
    ),
    "sentry": Service(
        ready=answers_http("LOCAL_SENTRY_PORT", "/healthz"),
        port_variable="LOCAL_SENTRY_PORT",
        preferred_port=9000,
        address="SENTRY_DSN",
        provides={
            "SENTRY_DSN": f"http://local@{HOST}:{{port}}/1",
            "SENTRY_ENABLED": "true",
            "SENTRY_ENVIRONMENT": "development",
            "MONITORING_SPOOL_DIRECTORY": "{data}/spool",
        },
    ),
    "worker": Service(ready=writes(r"\bready\.$")),
    "web": Service(ready=answers_http("PORT", "/healthz"), port_variable="PORT", preferred_port=8000),
    "beat": Service(ready=writes(r"\bbeat: Starting\b")),
    # Made-up orders go to our own server, never to the workers of a broker that the operator has named.
    "traffic": Service(only_with="redis", provides={"PAPER_FAULTS": EVERYDAY_FAULTS}),
}
