"""One process of the stack: started in a session of its own, listened to, and signalled by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_TAIL_LINES = 20
_LINE_BYTES = 64 * 1024
_SWEEP_SECONDS = 2.0


class Process:
    """A shell command as a child of ours; write ``exec`` before it, so that signals reach the program, not the shell.

    Its own session keeps the terminal's Ctrl-C away. ``on_line`` and, at last, ``on_end`` are called in other threads.
    """

    def __init__(  # noqa: PLR0913 - what to run, where, and whom to tell
        self,
        name: str,
        command: str,
        environment: Mapping[str, str],
        *,
        directory: Path,
        on_line: Callable[[str, str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.name = name
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.asked_to_stop = False
        self._command = command
        self._environment = environment
        self._directory = directory
        self._on_line = on_line
        self._on_end = on_end
        self._child: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)

    def start(self) -> None:
        """Start the command; raise OSError when the machine cannot."""
        self._child = subprocess.Popen(  # noqa: S602 - a Procfile is shell commands by definition
            self._command,
            shell=True,
            env=dict(self._environment),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader.start()
        threading.Thread(target=self._watch, name=f"end of {self.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Tell the process id, which is the id of its session and group as well."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """Tell the exit code as subprocess does (negative: the signal), None while the process runs."""
        return None if self._child is None else self._child.returncode

    @property
    def alive(self) -> bool:
        """Tell whether the process was started and has not ended."""
        return self._child is not None and self._child.returncode is None

    @property
    def ending(self) -> str:
        """Describe how the process ended, for people."""
        code = self.returncode or 0
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself, not its group: Celery's and gunicorn's own children are theirs to stop."""
        self.asked_to_stop = True
        if self._child is not None:
            self._child.send_signal(number)

    def sweep(self) -> bool:
        """End what an ended process left in its group and finish reading its output; tell whether anything was left."""
        if self._child is None:
            return False
        left = False
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not _signal_group(self._child.pid, number):
                break
            left = True
            deadline = time.monotonic() + _SWEEP_SECONDS
            while _signal_group(self._child.pid, 0) and time.monotonic() < deadline:
                time.sleep(0.02)
        self._reader.join(_SWEEP_SECONDS)
        return left

    def _read(self) -> None:
        if self._child is None or self._child.stdout is None:
            raise RuntimeError("the process was not started")
        with self._child.stdout as stdout:
            while line := stdout.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self.tail.append(text)
                self._on_line(self.name, text)

    def _watch(self) -> None:
        if self._child is not None:
            self._child.wait()
        self._on_end()


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM when only zombies are left
        return False
    return True
