"""What a process has used, exactly, and what it ran on. Linux only."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

PACKAGES: Final = (
    "celery", "kombu", "redis", "sentry-sdk", "urllib3", "brotli",
    "opentelemetry-sdk", "opentelemetry-instrumentation-celery", "opentelemetry-exporter-otlp-proto-http",
)  # fmt: skip

_CPUCLOCK_SCHED: Final = 2


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that live below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return what a process tree has used so far, user and system, every thread: alive, ended and reaped."""
    total = 0.0
    for process in tree(pid):
        # The process's own clock, to the nanosecond; what /proc tells of the living is rounded to 10 ms.
        total += time.clock_gettime(((~process.pid) << 3) | _CPUCLOCK_SCHED)
        reaped = process.cpu_times()
        total += reaped.children_user + reaped.children_system
    return total


def peak_bytes(pid: int) -> int:
    """Return the sum of the peaks of a process tree's resident memory; forked pages count in each process."""
    return sum(_status_kib(process.pid, "VmHWM") for process in tree(pid)) * 1024


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process tree now, forked pages in each."""
    return sum(process.memory_info().rss for process in tree(pid))


def _status_kib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    return 0


def facts() -> dict[str, str]:
    """Tell what the figures were measured on."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def load() -> float:
    """Return how many processes wanted to run in the last minute."""
    return os.getloadavg()[0]


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
