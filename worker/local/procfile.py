"""Run the processes of a Procfile: in order, watched, and stopped in reverse order.

Celery is why this is not one of the usual runners. They send SIGTERM to a whole process group, which kills the
worker's children in the middle of a task, and they stop everything at once, so the worker loses its broker before it
has stored its last result.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from worker.local.environment import ConfigurationError, Plan, prepare
from worker.local.screen import Screen
from worker.local.stack import GRACE_SECONDS, ProcessDiedError, Stack, StopRequestedError
from worker.local.terminal import foreground

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")


@dataclass(frozen=True)
class Procfile:
    """Named shell commands, in the order of the file."""

    path: Path
    commands: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Procfile:
        """Read ``path``; raise ConfigurationError when there is none or for a line that is no ``name: command``."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
        commands: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise ConfigurationError(f"{path}:{number}: expected 'name: command', got {line!r}")
            if match["name"] in commands:
                raise ConfigurationError(f"{path}:{number}: the process {match['name']!r} is there twice")
            commands[match["name"]] = match["command"]
        if not commands:
            raise ConfigurationError(f"{path}: there is no process in it")
        return cls(path, commands)

    def choose(self, names: list[str]) -> Procfile:
        """Keep the processes called ``names`` (all of them when there is none), still in the order of the file."""
        unknown = [name for name in names if name not in self.commands]
        if unknown:
            raise ConfigurationError(f"{self.path} has no process {unknown[0]!r}; it has {', '.join(self.commands)}")
        return Procfile(self.path, {n: c for n, c in self.commands.items() if not names or n in names})


def run(plan: Plan, screen: Screen, *, grace: float = GRACE_SECONDS) -> int:
    """Run ``plan`` until SIGINT, SIGTERM or SIGHUP (exit code 0) or until a process ends by itself (exit code 1)."""
    with foreground(), Stack(plan, screen, grace=grace) as stack:
        try:
            stack.start()
            for line in plan.summary:
                screen.say(line)
            screen.say(
                f"Ctrl-C stops everything; running tasks may finish (at most {grace:g} s, a second Ctrl-C hurries)"
            )
            while True:
                stack.pause()
        except StopRequestedError:
            screen.say("stopping")
            return 0
        except ProcessDiedError as error:
            screen.say(str(error), bad=True)
            return 1


def main(arguments: list[str] | None = None) -> int:
    """Run a Procfile from the command line; exit code 2 means that nothing was started, and the screen says why."""
    parser = argparse.ArgumentParser(prog="python -m worker.local.procfile", description=__doc__)
    parser.add_argument("procfile", type=Path, help="the file to run")
    parser.add_argument("names", nargs="*", metavar="name", help="only these processes (default: all)")
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="how long a process may take to finish its work after SIGTERM (default: %(default)g)",
    )
    options = parser.parse_args(arguments)
    screen = Screen.for_stream(sys.stdout)
    try:
        procfile = Procfile.read(options.procfile)
        plan = prepare(procfile.commands, procfile.choose(options.names).commands, os.environ)
    except ConfigurationError as error:
        screen.say(str(error), bad=True)
        return 2
    return run(plan, screen, grace=options.grace)


if __name__ == "__main__":
    sys.exit(main())
