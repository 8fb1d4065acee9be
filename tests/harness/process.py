"""A local process that offers the part of docker-py's Container which pytest-celery calls."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from tests.harness.polling import BUSY_SECONDS, INTERVAL_SECONDS, PATIENCE_SECONDS, wait_until

# How long a child may take to follow its parent before it counts as left behind.
LEAVE_SECONDS = BUSY_SECONDS


class LocalProcess:
    """Run one command in its own session, its output in a file, as Docker runs a container.

    `%h` in the command becomes the first twelve characters of `id`: pytest-celery asks workers by that host name.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.id = uuid4().hex
        self.name = name
        self.env = dict(env)
        self.cwd = cwd
        self.command = [part.replace("%h", self.id[:12]) for part in command]
        self.attrs = {
            "Config": {"Hostname": "127.0.0.1", "Env": [f"{key}={value}" for key, value in self.env.items()]},
            "NetworkSettings": {"Networks": {}, "Ports": {}},
            "HostConfig": {"PortBindings": {}},
        }
        self.log_path = cwd / f"{name}-{self.id[:8]}.log"
        self.sessions: list[int] = []
        self.start()

    def start(self) -> None:
        """Start the command; its log goes on where an earlier run of this process ended."""
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.popen = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.sessions.append(self.popen.pid)

    @property
    def pid(self) -> int:
        """Process id of the last start; also the id of its session."""
        return self.popen.pid

    @property
    def status(self) -> str:
        """Docker's word for the state: `running` or `exited`."""
        return "running" if self.popen.poll() is None else "exited"

    def reload(self) -> None:
        """Do nothing: unlike a container's, this state is never a copy."""

    def logs(self) -> bytes:
        """Return everything written to stdout and stderr so far."""
        return self.log_path.read_bytes()

    def logs_since_start(self) -> bytes:
        """Return what was written since the last start: a restarted process is not ready because it once was."""
        return self.logs()[self._log_start :]

    def kill(self, signal_name: str | int | None = None) -> None:
        """Send a signal as Docker does: KILL ends every process of the session, any other goes to the first alone."""
        number = signal.SIGKILL if signal_name is None else as_signal(signal_name)
        if self.popen.poll() is not None:
            return
        if number == signal.SIGKILL:
            os.killpg(self.pid, number)
            self.popen.wait(PATIENCE_SECONDS)
            wait_until(lambda: not self.survivors(), f"the end of every process of {self.name}")
        else:
            self.popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Return the exit code; kill the session and fail when the process outlives `timeout` seconds.

        The failure says where each process was, if the environment has PYTHONFAULTHANDLER.
        """
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            end = len(self.logs())
            left = self.survivors()
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGABRT)
            psutil.wait_procs(left, LEAVE_SECONDS)
            self.kill()
            where = self.logs()[end:].decode(errors="replace")
            raise AssertionError(f"{self.name} did not exit within {timeout:g} s and was killed\n{where}") from None

    def stop(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Ask the process alone to end (SIGTERM) and return its exit code."""
        self.kill(signal.SIGTERM)
        return self.wait(timeout)

    def restart(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Stop, then start the same command again."""
        self.stop(timeout)
        self.start()

    def exec_run(self, command: str | Sequence[str], **_: Any) -> tuple[int, bytes]:
        """Run another command beside the process, in its environment; return (exit code, output)."""
        parts = shlex.split(command) if isinstance(command, str) else list(command)
        done = subprocess.run(
            parts, env=self.env, cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout

    def survivors(self) -> list[psutil.Process]:
        """Return the processes of this one's sessions which still run (grandchildren and orphans included)."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return os.getsid(process.pid) in self.sessions and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    def reap(self) -> list[str]:
        """Kill whatever is left of this process's sessions and tell what it was: nothing, after a clean end."""
        left: list[str] = []
        deadline = time.monotonic() + LEAVE_SECONDS
        while self.survivors() and time.monotonic() < deadline:
            time.sleep(INTERVAL_SECONDS)
        for process in self.survivors():
            try:
                left.append(f"{self.name} left process {process.pid}: {shlex.join(process.cmdline())}")
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.popen.wait(PATIENCE_SECONDS)
        wait_until(lambda: not self.survivors(), f"the end of the processes {self.name} left")
        return left


def as_signal(name: str | int) -> signal.Signals:
    """Read a signal as Docker does: `SIGTERM`, `TERM` or 15."""
    if isinstance(name, int):
        return signal.Signals(name)
    return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
