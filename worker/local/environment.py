"""What the processes of a Procfile get to know: free ports, addresses of each other, and the operator's `.env`."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dotenv import dotenv_values

from worker.local.services import HOST, SERVICES, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_DIRECTORY: Final = ".local"
_LAST_PORT = 65535


class ConfigurationError(ValueError):
    """Something the operator has to change before anything can start; the message says what."""


@dataclass(frozen=True)
class Plan:
    """What to start, in which directory and environment, and what to tell the operator about it."""

    commands: Mapping[str, str]
    environment: Mapping[str, str]
    summary: tuple[str, ...] = ()
    directory: Path = Path()


def read_dotenv(path: Path = Path(".env")) -> dict[str, str]:
    """Read the variables of ``path`` ({} when there is no such file)."""
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def prepare(
    everything: Mapping[str, str],
    chosen: Mapping[str, str],
    environ: Mapping[str, str],
    dotenv: Mapping[str, str] | None = None,
) -> Plan:
    """Decide what to start of ``chosen``; ``everything`` are the commands of the whole Procfile.

    The environment wins over ``dotenv`` (default: the file `.env`), and both win over what the runner would set.
    Raise ConfigurationError for a port that is no port or is taken.
    """
    given = {**(read_dotenv() if dotenv is None else dotenv), **environ}
    data = given.get("LOCAL_DATA") or DATA_DIRECTORY
    settings: dict[str, str] = {}
    elsewhere: set[str] = set()
    summary: list[str] = []
    ports: dict[str, str] = {}
    for name, service in SERVICES.items():
        if name not in everything:
            continue
        if service.address and given.get(service.address):
            summary.append(_own_service(name, service.address, given[service.address], environ))
            elsewhere.add(name)
        elif service.only_with in elsewhere:
            summary.append(f"{name} is not started here: it uses nothing but a {service.only_with} of this machine")
            elsewhere.add(name)
        else:
            port = _port(service, given, ports, start=name in chosen)
            ports |= {service.port_variable: port} if service.port_variable else {}
            settings |= {variable: value.format(port=port, data=data) for variable, value in service.provides.items()}
    commands = {name: command for name, command in chosen.items() if name not in elsewhere}
    settings = {name: given.get(name) or value for name, value in settings.items()} | ports
    Path(data).mkdir(parents=True, exist_ok=True)
    environment = {
        **given,
        **settings,
        "LOCAL_DATA": data,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
    }
    return Plan(commands, environment, (*summary, *_addresses(commands, ports)))


def _port(service: Service, given: Mapping[str, str], used: Mapping[str, str], *, start: bool) -> str:
    """Choose the port of a service; one that is not to be started by us is only named, not checked."""
    variable = service.port_variable
    if variable is None:
        return ""
    if wanted := given.get(variable):
        if not wanted.isascii() or not wanted.isdigit() or not 0 < int(wanted) <= _LAST_PORT:
            raise ConfigurationError(f"{variable} must be a port number from 1 to {_LAST_PORT}, got {wanted!r}")
        if wanted in used.values():
            raise ConfigurationError(f"{variable} must differ from the other ports, got {wanted} twice")
        if start and not _is_free(int(wanted)):
            raise ConfigurationError(
                f"{variable}={wanted}: the port is taken by another program; stop that one or choose another {variable}"
            )
        return wanted
    preferred = str(service.preferred_port)
    if not start or (preferred not in used.values() and _is_free(service.preferred_port)):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return str(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _own_service(name: str, variable: str, value: str, environ: Mapping[str, str]) -> str:
    """Say aloud that data goes somewhere else than to this machine's own service; no secret of the address is shown."""
    url = urlsplit(value)
    where = f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}{url.path}"
    source = "the environment" if variable in environ else ".env"
    return f"{name} is not started here: {variable} in {source} says {where}"


def _addresses(commands: Mapping[str, str], ports: Mapping[str, str]) -> list[str]:
    shown = (
        ("web", "PORT", "trading API"),
        ("sentry", "LOCAL_SENTRY_PORT", "local Sentry, task performance"),
    )
    return [f"http://{HOST}:{ports[port]}  {what}" for name, port, what in shown if name in commands and port in ports]
