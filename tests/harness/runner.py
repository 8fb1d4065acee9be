"""The Procfile runner as an operator starts it, and whatever it leaves behind."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import psutil

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.process import LocalProcess

ROOT: Final = Path(__file__).resolve().parents[2]
MARK: Final = "TESTS_RUNNER_MARK"


class Runner:
    """Run a module of `worker.local` in a folder of its own.

    Every process below it is found by a mark in the environment that it inherits, or by the folder.
    """

    def __init__(
        self, folder: Path, *arguments: str, module: str = "procfile", env: Mapping[str, str] | None = None
    ) -> None:
        self._mark = uuid4().hex
        self._folder = folder.resolve()
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        own = {MARK: self._mark, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", f"worker.local.{module}", *arguments]
        self.process = LocalProcess(module, command, env={**kept, **own, **(env or {})}, cwd=folder)

    @property
    def output(self) -> str:
        """Return everything written so far."""
        return self.process.logs().decode(errors="replace")

    def await_line(self, text: str, timeout: float = PATIENCE_SECONDS) -> None:
        """Wait until something was written; fail with the output when the runner ends without it."""

        def seen() -> bool:
            ended = self.process.popen.poll() is not None
            if text in self.output:
                return True
            assert not ended, f"ended without {text!r}:\n{self.output}"
            return False

        wait_until(seen, lambda: f"{text!r} in\n{self.output}", timeout)

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Return the exit code."""
        return self.process.wait(timeout)

    def stop(self, number: int, timeout: float = PATIENCE_SECONDS) -> int:
        """Signal the runner, as Ctrl-C or a service manager does, and return its exit code."""
        self.process.kill(number)
        return self.process.wait(timeout)

    def below(self) -> list[psutil.Process]:
        """Return every running process that was started, directly or not, by this runner; itself included."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # A server that writes its title over its environment has lost the mark, but not the folder it works in.
            marked = process.environ().get(MARK) == self._mark
            return marked or Path(process.cwd()).is_relative_to(self._folder)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def close(self) -> list[str]:
        """Kill whatever is left and tell what it was: nothing, after a clean end."""
        left = []
        for process in self.below():
            try:
                left.append(" ".join(process.cmdline()))
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.popen.wait(10)
        return left
