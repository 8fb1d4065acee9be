"""A disk without room harms no task: errors go by memory, are counted as not kept, and the log says so once."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.sentry import attributes
from tests.harness.stage import Stage
from tests.integration.delivery.spooled import HANGING, HEALTHY, bots, fail, spooled, wait_received, wait_spooled

pytestmark = [pytest.mark.unjudged("losses", reason="a failing Sentry is part of the test")]

DISK_BYTES = 64 * 1024


@pytest.fixture
def small_disk(stage: Stage) -> Iterator[Path]:
    """Mount a file system of 64 kB where the stage's processes keep their spool."""
    place = stage.folder / "spool"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0777", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    stage.settle()
    subprocess.run(["umount", str(place)], check=True)


def _fail_and_recover(stage: Stage, env: dict[str, str], reason: str) -> None:
    """Let forty tasks fail while Sentry hangs: more than there is room for. All are told when it is back."""
    stage.sentry.faults = HANGING
    worker = stage.start_worker(concurrency=1, env=env)
    producer = stage.start_producer()
    names = [f"bot-{number}" for number in range(40)]
    fail(worker, producer, names)
    wait_spooled(stage, 1)
    assert 0 < len(bots(spooled(stage))) < len(names)
    stage.sentry.faults = HEALTHY
    wait_received(stage, names)
    assert worker.log.count("an error could not be kept in ") == 1
    assert f": {reason}" in worker.log
    worker.stop()
    unspooled = stage.sentry.metrics("monitoring.unspooled")
    assert {attributes(metric)["reason"] for metric in unspooled} == {reason}
    assert 0 < sum(metric["value"] for metric in unspooled) < len(names)
    assert stage.sentry.lost()["queue_overflow", "error"] == 0


def test_a_full_disk(small_disk: Path, stage: Stage) -> None:
    """The system says ENOSPC; no half a file stays."""
    _fail_and_recover(stage, {}, "ENOSPC")
    assert not [path for path in small_disk.rglob(".*") if path.is_file()]


def test_a_full_spool(stage: Stage) -> None:
    """The bound is the operator's own."""
    _fail_and_recover(stage, {"MONITORING_SPOOL_BYTES": "100000"}, "full")
