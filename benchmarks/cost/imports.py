"""What monitoring adds to the start of a worker: CPU milliseconds of importing and starting it, after Celery's own."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.cost.processes import environment
from benchmarks.cost.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cost.processes import Ground
    from benchmarks.cost.variants import Variant

#: Celery with its Redis transport and result back end is there in every worker; only what comes on top counts.
PROGRAM: Final = """
import time
import kombu.transport.redis, celery.backends.redis, celery.apps.worker, celery.bin.celery
from benchmarks.cost import app, variants
before = time.process_time()
variants.start_worker()
print(time.process_time() - before)
"""


def start_ms(ground: Ground, *, repeats: int, variants: Sequence[Variant] = VARIANTS) -> dict[str, float]:
    """Return the median for each variant. OpenTelemetry starts only in the processes that run tasks, so it shows 0.

    All code is compiled beforehand, in a round that is not counted: what is installed is, and a checkout would pay for
    that at every start where the environment forbids Python to keep what it compiles.
    """
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ground.folder / "compiled")}
    told = {
        variant.key: environment(
            **variant.environment(0.1, ground.receiver_port, ground.project()),
            **compiled,
            BENCH_BROKER=ground.database(),
            BENCH_RESULTS=ground.database(),
        )
        for variant in variants
    }
    spent: dict[str, list[float]] = {key: [] for key in told}
    for _ in range(1 + repeats):
        for key, env in told.items():
            program = [sys.executable, "-c", PROGRAM]
            done = subprocess.run(program, env=env, cwd=ground.folder, capture_output=True, text=True, check=True)
            spent[key].append(float(done.stdout) * 1000)
    return {key: statistics.median(values[1:]) for key, values in spent.items()}
