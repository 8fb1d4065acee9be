"""What is known of the memory of a process that is gone, from the files in which the kernel counts."""

import json
import subprocess
import sys
from pathlib import Path

from monitoring.signals.memory import Memory


def counted(folder: Path, kills: int, limit: str = "max") -> Memory:
    """Return a memory over files as the kernel writes them."""
    events, limits = folder / "memory.events", folder / "memory.max"
    events.write_text(f"low 0\nhigh 0\nmax 12\noom 3\noom_kill {kills}\noom_group_kill 0\n")
    limits.write_text(f"{limit}\n")
    return Memory(counters=(str(folder / "absent"), str(events)), limits=(str(limits),))


def test_the_kernels_own_word_decides(tmp_path: Path) -> None:
    """Say that the kernel killed when its counter has risen since, and only then."""
    memory = counted(tmp_path, 4, "536870912")
    memory.note()
    assert memory.of_lost_process()["killed_by_kernel"] is False
    counted(tmp_path, 5)
    known = memory.of_lost_process()
    assert known["killed_by_kernel"] is True
    assert "limit_mb" not in known
    assert memory.of_lost_process()["killed_by_kernel"] is False


def test_a_limit_is_told_in_megabytes(tmp_path: Path) -> None:
    """Tell the container's limit; none where there is none."""
    assert counted(tmp_path, 0, "536870912").of_lost_process()["limit_mb"] == 512
    assert "limit_mb" not in counted(tmp_path, 0, str(2**63 - 4096)).of_lost_process()


def test_a_system_that_counts_nothing_is_no_error(tmp_path: Path) -> None:
    """Tell the peak alone where there are no such files; binary rubbish is no number."""
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(bytes(range(256)))
    for paths in ((str(tmp_path / "absent"),), (str(rubbish),), ()):
        memory = Memory(counters=paths, limits=paths)
        memory.note()
        assert memory.of_lost_process().keys() == {"peak_mb", "peak_is_its_own"}


# In a process of its own: that of the tests may have lost larger ones.
PEAK = """
import json, subprocess, sys
from monitoring.signals.memory import Memory
memory = Memory()
memory.of_lost_process()
subprocess.run([sys.executable, "-c", "held = bytearray(300 * 1024 * 1024)"], check=True)
print(json.dumps([memory.of_lost_process(), memory.of_lost_process()]))
"""


def test_a_peak_that_nobody_had_reached_is_the_lost_processs_own() -> None:
    """Tell a new peak from an old one: the system keeps only the largest of all processes that have ended."""
    run = subprocess.run([sys.executable, "-c", PEAK], check=True, capture_output=True, text=True)
    risen, again = json.loads(run.stdout)
    assert risen["peak_is_its_own"]
    assert risen["peak_mb"] > 300
    assert not again["peak_is_its_own"]
