"""Several processes as one thing: start in order, wait, stop in reverse order."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, Self

from worker.local import guardian
from worker.local.process import Process
from worker.local.services import SERVICES, Service

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from worker.local.environment import Plan
    from worker.local.screen import Screen

GRACE_SECONDS: Final = 60.0
_HURRIED_SECONDS = 5.0
_READY_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequestedError(Exception):
    """The operator asked to stop (SIGINT, SIGTERM or SIGHUP)."""


class ProcessDiedError(Exception):
    """A process ended by itself or never became ready; the message says which, how, and its last words."""


class Stack:
    """Run the processes of a plan as a context manager, which must be entered in the main thread.

    While it is entered, SIGINT, SIGTERM and SIGHUP only count: the first makes `pause` raise, the next hurry `stop`.
    """

    def __init__(self, plan: Plan, screen: Screen, *, grace: float = GRACE_SECONDS) -> None:
        self._plan = plan
        self._screen = screen
        self._grace = grace
        self._running: list[Process] = []
        self._stop_requests = 0
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._requests_before_stop: int | None = None
        self._handlers: dict[signal.Signals, Any] = {}
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        self._guardian = subprocess.Popen(  # noqa: S603 - our own file, by our own interpreter
            [sys.executable, "-I", guardian.__file__], stdin=subprocess.PIPE, start_new_session=True, bufsize=0
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            if self._guardian is not None and self._guardian.stdin is not None:
                self._guardian.stdin.close()
                self._guardian.wait()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def start(self) -> None:
        """Start every process, each after the one before is ready; raise as `pause` does."""
        began = time.monotonic()
        for name, command in self._plan.commands.items():
            process = Process(
                name,
                command,
                self._plan.environment,
                directory=self._plan.directory,
                on_line=self._screen.line,
                on_end=self._tell_news,
            )
            process.start()
            self._running.append(process)
            self._tell_guardian(f"+{process.pid}")
            self._await_ready(process)
        processes = "1 process" if len(self._running) == 1 else f"{len(self._running)} processes"
        self._screen.say(f"{processes} ready after {time.monotonic() - began:.1f} s")

    def pause(self, seconds: float | None = None) -> None:
        """Wait for ``seconds`` (None: for ever); raise StopRequestedError or ProcessDiedError as soon as it happens."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            if self._stop_requests:
                raise StopRequestedError
            for process in self._running:
                if not process.alive and not process.asked_to_stop:
                    self._running.remove(process)
                    self._bury(process)
                    raise ProcessDiedError(_obituary(process, f"ended unexpectedly: {process.ending}"))
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            self._wait_for_news(left)

    def stop(self, *, keep: tuple[str, ...] = ()) -> None:
        """Stop the processes in reverse order, except those called in ``keep``; return when nothing of them is left."""
        if self._requests_before_stop is None:
            self._requests_before_stop = self._stop_requests
        for process in reversed(self._running[:]):
            if process.name not in keep:
                self._stop_one(process)
                self._running.remove(process)

    def _stop_one(self, process: Process) -> None:
        for number, patience in (
            (signal.SIGTERM, self._grace),
            (signal.SIGQUIT, _HURRIED_SECONDS),
            (signal.SIGKILL, inf),
        ):
            if not process.alive:
                break
            if number != signal.SIGTERM:
                self._screen.say(f"{process.name} is still running: {number.name}", bad=True)
            process.send(number)
            self._await_end(process, patience)
        if process.asked_to_stop:
            self._screen.say(f"{process.name} stopped: {process.ending}", bad=process.returncode != 0)
        self._bury(process)

    def _await_end(self, process: Process, patience: float) -> None:
        """Wait for the end of a signalled process, at most ``patience`` seconds and until the operator hurries."""
        requests = self._stop_requests
        began = time.monotonic()
        while process.alive and self._stop_requests == requests:
            left = (min(patience, _HURRIED_SECONDS) if self._hurried else patience) - (time.monotonic() - began)
            if left <= 0:
                return
            self._wait_for_news(None if left == inf else left)

    @property
    def _hurried(self) -> bool:
        return self._requests_before_stop is not None and self._stop_requests > self._requests_before_stop

    def _bury(self, process: Process) -> None:
        """Leave nothing of an ended process behind, say so if there was something, and read its last words."""
        if process.sweep():
            self._screen.say(f"{process.name} left processes behind; they were ended", bad=True)
        self._tell_guardian(f"-{process.pid}")

    def _await_ready(self, process: Process) -> None:
        service = SERVICES.get(process.name, Service())
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            self.pause(0)
            if service.ready(process, self._plan.environment):
                return
            if time.monotonic() > deadline:
                raise ProcessDiedError(_obituary(process, f"was not ready after {_READY_SECONDS:g} s"))
            self.pause(_LOOK_EVERY_SECONDS)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1
        self._tell_news()

    def _tell_news(self) -> None:
        self._news.put(None)  # reentrant, so it may be called from a signal handler too

    def _wait_for_news(self, seconds: float | None) -> None:
        with suppress(queue.Empty):
            self._news.get(timeout=seconds)

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with suppress(BrokenPipeError):  # somebody killed it; the runner works without
                os.write(self._guardian.stdin.fileno(), f"{line}\n".encode())


def _obituary(process: Process, what: str) -> str:
    last = [f"  {line}" for line in process.tail]
    return "\n".join([f"{process.name} {what}", *(["its last lines:", *last] if last else [])])
