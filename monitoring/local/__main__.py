"""`python -m monitoring.local`: the local Sentry as a process, stopped by SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from pathlib import Path

from .connection import loopback_address
from .envelope import BROTLI_IS_BOUNDED
from .server import LocalSentry


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; 0 after a clean stop, 1 when it cannot start, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.local", description="A Sentry for this machine only.")
    parser.add_argument("--host", default="127.0.0.1", type=_host, help="loopback address to listen on (%(default)s)")
    parser.add_argument("--port", default=9000, type=_port, help="0 takes any free port (%(default)s)")
    parser.add_argument("--data", type=Path, help="directory that keeps what is received (default: kept until it ends)")
    options = parser.parse_args(arguments)
    # Blocked before any thread starts, so that every thread leaves the signals to the `sigwait` below.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        sentry = LocalSentry(options.port, options.host, options.data)
    except (OSError, sqlite3.Error) as error:
        where = f"{options.host}:{options.port}, data in {options.data or 'a temporary directory'}"
        sys.stderr.write(f"local Sentry cannot start ({where}): {error}\n")
        return 1
    with sentry:
        sys.stdout.write(f"local Sentry: page {sentry.url}/  DSN {sentry.dsn}\n")
        if not BROTLI_IS_BOUNDED:
            sys.stdout.write("local Sentry: brotli>=1.2 is not installed; senders that use it will be answered 415\n")
        sys.stdout.flush()
        signal.sigwait(signals)
    return 0


def _host(value: str) -> str:
    try:
        loopback_address(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) <= 65535):  # noqa: PLR2004 - the last TCP port
        raise argparse.ArgumentTypeError(f"the port must be a number from 0 to 65535, got {value!r}")
    return int(value)


if __name__ == "__main__":
    sys.exit(main())
