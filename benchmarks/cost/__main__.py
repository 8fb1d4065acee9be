"""Run the whole bench and write its results.

`make bench` takes 15 to 30 minutes and rewrites results, picture and the page's tables. With `BENCH_ARGS=--quick` it
takes a minute and writes nothing unless `--output` says where. With `--again` it repeats what a busy machine has left
unclear, and puts it in place: scenes whose ratios are not known to 10 %, fixed rates that were not reached, idle
workers. With `--soak` it runs 200,000 tasks under this package, to see whether its memory is flat, and rewrites
that line of the page.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.cost import imports, machine, report, results, scenes
from benchmarks.cost.processes import ROOT, Ground
from benchmarks.cost.results import LABELS
from benchmarks.cost.scenes import TALKING, Scene
from benchmarks.cost.variants import BARE, OTEL, OURS, OURS_STREAM, STOCK, Variant

RESULTS: Final = ROOT / "benchmarks" / "results"
PAGE: Final = ROOT / "docs" / "explanation" / "cost.md"

POOLS: Final = ("solo", "prefork")
RATES: Final = (1.0, 0.1, 0.0)
DELAYS: Final = (0.0, 0.05)


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what to measure and for how long. `seconds` are for all scenes; each has five rounds whatever they take.

    `crews` is how often the workers of a scene are started anew.
    """

    scenes: tuple[Scene, ...]
    tasks: int
    crews: int
    seconds: float
    idle_seconds: float
    paced: tuple[float, ...]
    paced_seconds: float
    paced_variants: tuple[Variant, ...]
    latency_rounds: int
    latency_variants: tuple[Variant, ...]
    start_repeats: int


FULL: Final = Plan(
    scenes=(
        *(Scene(pool, rate, delay) for delay in DELAYS for pool in POOLS for rate in RATES),
        *(Scene("solo", rate, 0.0, TALKING) for rate in RATES),
        *(Scene("solo", rate, 0.0, decided=False) for rate in RATES),
    ),
    tasks=250,
    crews=3,
    seconds=1500.0,
    idle_seconds=30.0,
    paced=DELAYS,
    paced_seconds=6.0,
    paced_variants=(OTEL, STOCK, OURS, OURS_STREAM),
    latency_rounds=4,
    latency_variants=(BARE, STOCK, OURS),
    start_repeats=9,
)
QUICK: Final = Plan(
    scenes=(Scene("solo", 0.1, 0.0),),
    tasks=100,
    crews=1,
    seconds=0.0,
    idle_seconds=1.0,
    paced=(0.0,),
    paced_seconds=1.0,
    paced_variants=(OURS,),
    latency_rounds=1,
    latency_variants=(BARE, OURS),
    start_repeats=1,
)
#: How much longer a scene may take that is measured again, and the share of the fixed rate that is to be reached.
LONGER: Final = 1.5
ENOUGH: Final = 0.98
#: What the end of a scene takes.
STOP_SECONDS: Final = 5.0
SOAK_TASKS: Final = 200_000
SOAK_EVERY: Final = 10_000


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one scene, few rounds; nothing is written")
    parser.add_argument("--again", action="store_true", help="repeat what is not known well enough")
    parser.add_argument("--soak", action="store_true", help=f"{SOAK_TASKS} tasks instead, and the memory they take")
    parser.add_argument(
        "--tasks", type=int, help="tasks in a round, fewer where the machine's speed changes (with --soak: in all)"
    )
    parser.add_argument("--output", type=Path, help="write cost.json and cost.svg here, and leave the page alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Ground(Path(folder)) as ground:
        if options.soak:
            _soak(ground, options.tasks or SOAK_TASKS, options.output or RESULTS)
            if options.output is None:
                _rewrite_page()
            return
        plan = QUICK if options.quick else FULL
        if options.again:
            found = again(ground, plan, options.tasks or plan.tasks, json.loads((RESULTS / "cost.json").read_text()))
        else:
            found = run(ground, plan, options.tasks or plan.tasks)
    report.show(found)
    if options.quick and options.output is None:
        return
    output = options.output or RESULTS
    output.mkdir(parents=True, exist_ok=True)
    (output / "cost.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    report.draw(found, output / "cost.svg")
    if options.output is None:
        _rewrite_page()


def _rewrite_page() -> None:
    """Put the results as they are on disk into the documentation."""
    found, memory = (
        json.loads(path.read_text()) if path.exists() else None
        for path in (RESULTS / "cost.json", RESULTS / "memory.json")
    )
    if found is not None and PAGE.exists():
        report.rewrite(PAGE, report.markdown(found, memory, "../../benchmarks/results/cost.svg"))


def run(ground: Ground, plan: Plan, tasks: int) -> dict[str, Any]:
    """Measure everything that a plan names."""
    load = machine.load()
    measured = []
    deadline = time.monotonic() + plan.seconds
    for number, scene in enumerate(plan.scenes):
        share = (deadline - time.monotonic()) / (len(plan.scenes) - number) - STOP_SECONDS
        measured.append(_scene(ground, plan, scene, tasks, max(0.0, share)))
    paced = [_paced(ground, plan, delay) for delay in plan.paced]
    idle = _idle(ground, plan)
    print("measuring a Sentry that never answers ...", flush=True)
    latency = scenes.latency(ground, tasks=4 * tasks, rounds=plan.latency_rounds, variants=plan.latency_variants)
    started = imports.start_ms(ground, repeats=plan.start_repeats)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench",
        "machine": machine.facts(),
        "load": [round(load, 2), round(machine.load(), 2)],
        "scenes": measured,
        "paced": paced,
        "idle": idle,
        "latency": results.of_latency(latency),
        "start_ms": {key: {"label": LABELS[key], "ms": round(ms, 1)} for key, ms in started.items()},
    }


def again(ground: Ground, plan: Plan, tasks: int, found: dict[str, Any]) -> dict[str, Any]:
    """Repeat what an earlier run could not tell well enough; the rest stays as it was found."""
    measured = []
    for scene in plan.scenes:
        about = results.about(scene).items()
        one = next((earlier for earlier in found["scenes"] if about <= earlier.items()), None)
        if one is None or one["spread"] > scenes.SPREAD:
            one = _scene(ground, plan, scene, tasks, LONGER * plan.seconds / len(plan.scenes))
        measured.append(one)
    for number, delay in enumerate(plan.paced):
        if found["paced"][number]["variants"][OURS.key]["pace"] < ENOUGH * scenes.PACE:
            found["paced"][number] = _paced(ground, plan, delay)
    return found | {"date": datetime.now(UTC).date().isoformat(), "scenes": measured, "idle": _idle(ground, plan)}


def _scene(ground: Ground, plan: Plan, scene: Scene, tasks: int, seconds: float) -> dict[str, Any]:
    print(f"measuring {scene.name} ...", flush=True)
    found = scenes.measure(ground, scene, tasks=tasks, seconds=seconds, crews=plan.crews)
    return results.of_scene(scene, tasks, found)


def _paced(ground: Ground, plan: Plan, delay: float) -> dict[str, Any]:
    print(f"measuring {scenes.PACE} tasks a second, receiver {delay * 1000:g} ms ...", flush=True)
    found = scenes.paced(ground, delay=delay, seconds=plan.paced_seconds, variants=plan.paced_variants)
    return results.of_paced(delay, found)


def _idle(ground: Ground, plan: Plan) -> dict[str, Any]:
    print("measuring workers that have nothing to do ...", flush=True)
    found = scenes.idle(ground, seconds=plan.idle_seconds)
    return {key: {"label": LABELS[key], "ms_a_second": round(ms, 2)} for key, ms in found.items()}


def _soak(ground: Ground, tasks: int, output: Path) -> None:
    points = []
    for done, resident in scenes.soak(ground, tasks=tasks, every=min(tasks, SOAK_EVERY)):
        print(f"{done:>8,} of {tasks:,} tasks {resident:>7.1f} MiB", flush=True)
        points.append({"tasks": done, "resident_mib": round(resident, 1)})
    output.mkdir(parents=True, exist_ok=True)
    told = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench BENCH_ARGS=--soak",
        "machine": machine.facts(),
        "points": points,
    }
    (output / "memory.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
