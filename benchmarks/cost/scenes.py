"""What is measured: short rounds in which each variant runs in turn, repeated until the figures hold still."""

from __future__ import annotations

import math
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from benchmarks.cost import machine
from benchmarks.cost.processes import Ground, Runner, received
from benchmarks.cost.variants import BARE, OURS, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cost.variants import Variant

#: Half the width of the 95 % interval of a ratio to bare, as a share of it, that is good enough.
SPREAD: Final = 0.10
MIN_ROUNDS: Final = 5
MICROSECONDS: Final = 1e6
#: The rate at which nothing may be lost, and the rate of the latency scene. Tasks a second.
PACE: Final = 500
#: Until what was gathered while a worker ran its last task is sent.
SETTLE_SECONDS: Final = 8.0
#: A task that does nothing, and one that leaves a breadcrumb and a span.
SILENT: Final = "trading.place_order"
TALKING: Final = "trading.talking_order"


@dataclass(frozen=True, slots=True)
class Scene:
    """Name what holds for all variants of a measurement. `delay` is the receiver's, in seconds.

    `decided`: a web request has decided whether a task is sampled; else nobody has, as for tasks of beat or a script.
    """

    pool: str
    rate: float
    delay: float
    task: str = SILENT
    decided: bool = True

    @property
    def name(self) -> str:
        """Read as one phrase."""
        sender = "" if self.decided else ", undecided"
        return f"{self.pool}, sampling {self.rate:g}, receiver {self.delay * 1000:g} ms, {self.task}{sender}"


@dataclass(slots=True)
class Measured:
    """Hold a variant's figures of each round (µs per task, µs per publish), and what arrived of what was sampled."""

    task: list[float] = field(default_factory=list)
    publish: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    ran: int = 0
    sampled: int = 0
    received: dict[str, int] = field(default_factory=dict)


def measure(  # noqa: PLR0913  # what a measurement consists of
    ground: Ground,
    scene: Scene,
    *,
    tasks: int,
    seconds: float,
    crews: int = 1,
    variants: Sequence[Variant] = VARIANTS,
) -> dict[str, Measured]:
    """Measure variants side by side until `SPREAD` is reached, or for `seconds`; five rounds at least.

    By so many crews of workers, one after the other: two workers of one variant differ by some 2 %, by where in memory
    they happen to be, and more rounds do not change that.
    """
    ground.answers(delay=scene.delay)
    began = time.monotonic()
    found = {variant.key: Measured() for variant in variants}
    gone: list[Runner] = []
    for number in range(1, crews + 1):
        with running(ground, scene, variants) as runners:
            _rounds(runners, scene, found, tasks, least=-(-MIN_ROUNDS // crews), until=began + seconds * number / crews)
        gone += runners
    counts = ground.counts()
    for runner in gone:
        told = found[runner.variant.key].received
        for what, count in received(counts, runner).items():
            told[what] = told.get(what, 0) + count
    return found


def _rounds(  # noqa: PLR0913  # as above
    runners: Sequence[Runner], scene: Scene, found: dict[str, Measured], tasks: int, *, least: int, until: float
) -> None:
    """Measure `least` rounds of one crew, and more until that moment (monotonic) or until all is known well enough.

    A window of a variant lasts from the start of one of its rounds to the start of its next, so that what its threads
    send while the others run is its own. The first window warms up and does not count.
    """
    before: dict[str, float] = {}
    rounds = 0
    while rounds < least + 2 or (time.monotonic() < until and spread(found) > SPREAD):
        for runner in runners:
            one = found[runner.variant.key]
            spent = runner.publish(tasks, scene.task, decided=scene.decided)
            now = runner.cpu_seconds()
            if rounds >= 2:  # noqa: PLR2004  # the first window ends where the second begins
                one.task.append((now - before[runner.variant.key]) / tasks * MICROSECONDS)
                one.publish.append(spent / tasks * MICROSECONDS)
            before[runner.variant.key] = now
            one.ran += tasks
            one.sampled += -(-tasks // runner.every) if runner.every else 0
            runner.hand_over()
            runner.drain(tasks)
        rounds += 1
    for runner in runners:
        one = found[runner.variant.key]
        one.peak_mib = max(one.peak_mib, machine.peak_bytes(runner.worker.pid) / 2**20)


@contextmanager
def running(ground: Ground, scene: Scene, variants: Sequence[Variant]) -> Iterator[list[Runner]]:
    """Run a worker and a producer for each variant, two at a time while they start; stopped and flushed at the end."""
    runners: list[Runner] = []
    try:
        for variant in variants:
            runners.append(Runner(ground, variant, rate=scene.rate, pool=scene.pool))
            if len(runners) > 1:
                runners[-2].wait_ready()
        runners[-1].wait_ready()
        yield runners
    finally:
        for runner in runners:
            runner.ask_to_stop()
        for runner in runners:
            runner.stop()


def spread(found: dict[str, Measured]) -> float:
    """Return the widest spread of a ratio to bare among the variants: half its 95 % interval, as a share of it."""
    if len(found[BARE.key].task) < MIN_ROUNDS:
        return float("inf")
    ratios = (ratio_rounds(one.task, found[BARE.key].task) for key, one in found.items() if key != BARE.key)
    return max(half_width(ratio) / statistics.median(ratio) for ratio in ratios)


def ratio_rounds(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [one / other for one, other in zip(values, others, strict=True)]


def half_width(values: Sequence[float]) -> float:
    """Return half the width of the median's 95 % interval, from the order of the values (no shape is assumed)."""
    ordered, count = sorted(values), len(values)
    reach = max(1, round(0.98 * math.sqrt(count)))
    low, high = max(0, (count - 1) // 2 - reach), min(count - 1, count // 2 + reach)
    return (ordered[high] - ordered[low]) / 2


@dataclass(frozen=True, slots=True)
class Paced:
    """Tell what became of tasks that were published at a fixed rate, all of them sampled."""

    ran: int
    sampled: int
    received: dict[str, int]
    #: Tasks a second that were really published.
    pace: float


def paced(ground: Ground, *, delay: float, seconds: float, variants: Sequence[Variant]) -> dict[str, Paced]:
    """Run `PACE` tasks a second at sampling 1.0, one variant after the other; what is lost, is lost by its sender."""
    ground.answers(delay=delay)
    scene = Scene("solo", 1.0, delay)
    done: dict[str, tuple[Runner, int, float]] = {}
    slice_tasks = PACE // 10
    for variant in variants:
        with running(ground, scene, [variant]) as [runner]:
            began, count = time.monotonic(), 0
            while count < PACE * seconds:
                runner.publish(slice_tasks)
                count += slice_tasks
                runner.hand_over()
                time.sleep(max(0.0, began + count / PACE - time.monotonic()))
            pace = count / (time.monotonic() - began)
            runner.drain(count)
        done[variant.key] = (runner, count, pace)
    counts = ground.counts()
    return {key: Paced(ran, ran, dict(received(counts, runner)), pace) for key, (runner, ran, pace) in done.items()}


@dataclass(slots=True)
class Latency:
    """Hold, for one variant, the milliseconds between the starts of tasks (p50, p99) and tasks a second, by round."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)


def latency(ground: Ground, *, tasks: int, rounds: int, variants: Sequence[Variant]) -> dict[str, dict[str, Latency]]:
    """Measure what a Sentry that never answers changes: healthy and hanging rounds in turn, every task sampled.

    In a solo pool the time between the starts of two tasks is all that a task takes, monitoring included. One task in
    a hundred fails, so that errors are sent as well.
    """
    scene = Scene("solo", 1.0, 0.0)
    found = {variant.key: {"healthy": Latency(), "hanging": Latency()} for variant in variants}
    with running(ground, scene, variants) as runners:
        for number in range(2 * (rounds + 1)):
            hang = bool(number % 2)
            ground.answers(hang=hang)
            for runner in runners:
                runner.publish(tasks, "trading.stamped_order")
                runner.publish(max(1, tasks // 100), "trading.failing_order")
                runner.hand_over()
                runner.drain(tasks + max(1, tasks // 100))
                starts = runner.result_of(1, "trading.starts")
                if number > 1:  # the first pair warms up
                    gaps = sorted(later - earlier for earlier, later in pairwise(starts))
                    one = found[runner.variant.key]["hanging" if hang else "healthy"]
                    one.p50.append(gaps[len(gaps) // 2] * 1000)
                    one.p99.append(gaps[len(gaps) * 99 // 100] * 1000)
                    one.throughput.append(len(gaps) / (starts[-1] - starts[0]))
        ground.answers()
    return found


def idle(ground: Ground, *, seconds: float, variants: Sequence[Variant] = VARIANTS) -> dict[str, float]:
    """Return the CPU milliseconds a second that a worker takes which has run something and has nothing to do."""
    ground.answers()
    with running(ground, Scene("solo", 0.1, 0.0), variants) as runners:
        for runner in runners:
            runner.publish(10)
            runner.hand_over()
            runner.drain(10)
        time.sleep(SETTLE_SECONDS)
        before = [runner.cpu_seconds() for runner in runners]
        time.sleep(seconds)
        return {
            runner.variant.key: (runner.cpu_seconds() - then) / seconds * 1000
            for runner, then in zip(runners, before, strict=True)
        }


def soak(ground: Ground, *, tasks: int, every: int, variant: Variant = OURS) -> Iterator[tuple[int, float]]:
    """Yield (tasks run, resident MiB) along the way: a leak of one object per task would show."""
    ground.answers()
    with running(ground, Scene("solo", 0.1, 0.0), [variant]) as [runner]:
        for done in range(0, tasks, every):
            runner.publish(every)
            runner.hand_over()
            runner.drain(every)
            yield done + every, machine.resident_bytes(runner.worker.pid) / 2**20
