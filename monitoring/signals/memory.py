"""What is known of the memory of a pool process that is gone: a system call and two files, after a kill only."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: Where the kernel counts, for this container, the processes that it killed for want of memory (cgroup v2, then v1).
_OOM_COUNTERS: Final = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
#: cgroup v1 says "no limit" by a number near 2**63.
_UNLIMITED: Final = 2**60
_MEGABYTE: Final = 1024 * 1024
#: `ru_maxrss` is in kilobytes, on macOS in bytes.
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(slots=True)
class Memory:
    """Compare with what was known before. Belongs to the worker's main process."""

    counters: tuple[str, ...] = _OOM_COUNTERS
    limits: tuple[str, ...] = _LIMITS
    largest: int = 0
    oom_kills: int | None = None

    def note(self) -> None:
        """Remember where the kernel's counter stands, before anything happens."""
        self.oom_kills = _counter(self.counters)

    def of_lost_process(self) -> dict[str, Any]:
        """Tell what is known after the loss of a pool process: megabytes, and whether the kernel killed for memory.

        `peak_mb` is the most that any process of the pool had used when it ended; `peak_is_its_own` says that nobody
        had used as much before, so that it was this one.
        """
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _MAXRSS_UNIT
        kills, before = _counter(self.counters), self.oom_kills
        known = {
            "peak_mb": round(peak / _MEGABYTE, 1),
            "peak_is_its_own": peak > self.largest,
            "limit_mb": _limit(self.limits),
            "killed_by_kernel": kills > before if kills is not None and before is not None else None,
        }
        self.largest, self.oom_kills = max(peak, self.largest), kills
        return {name: value for name, value in known.items() if value is not None}


def _counter(paths: tuple[str, ...]) -> int | None:
    for path in paths:
        for line in _read(path).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.strip().isdigit():
                return int(value)
    return None


def _limit(paths: tuple[str, ...]) -> float | None:
    for path in paths:
        text = _read(path).strip()
        if text.isdigit() and int(text) < _UNLIMITED:
            return round(int(text) / _MEGABYTE, 1)
    return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
