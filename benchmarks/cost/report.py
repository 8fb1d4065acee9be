"""Tell the results: tables for a terminal and for the documentation, and a picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.cost.scenes import SILENT, TALKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Rows = list[list[str]]

SCENE_HEAD: Final = (
    "pool", "sampling", "receiver", "variant", "CPU µs/task", "added", "± ", "x bare", "x peer", "x OTel",
    "publish µs", "added ", "delivered / sampled", "peak MiB",
)  # fmt: skip
PACED_HEAD: Final = (
    "receiver",
    "variant",
    "tasks/s",
    "delivered / sampled",
    "metrics",
    "requests",
    "kB",
    "told lost",
)
LATENCY_HEAD: Final = ("variant", "Sentry", "p50 ms", "p99 ms", "tasks/s")
IDLE_HEAD: Final = ("variant", "CPU ms a second")
START_HEAD: Final = ("variant", "start, CPU ms")

#: One colour for each monitoring, the lighter one for its stream lifecycle. Told apart without colour by their order.
COLOURS: Final = {
    "otel": "#8a8f98",
    "stock": "#b5564a",
    "stock_stream": "#dba49c",
    "ours": "#2f6f9f",
    "ours_stream": "#96bcd8",
}


def scene_rows(scenes: Iterable[dict[str, Any]]) -> Rows:
    """Return one row for each variant of each scene."""
    return [
        [
            scene["pool"],
            f"{scene['sampling']:g}",
            f"{scene['receiver_ms']} ms",
            one["label"],
            f"{one['task_us']:.0f}",
            f"{one['added_us']:+.0f}",
            f"{one['added_half_width_us']:.0f}",
            f"{one['ratio_to_bare']:.2f}",
            _ratio(one["added_to_stock"]),
            _ratio(one["added_to_opentelemetry"]),
            f"{one['publish_us']:.0f}",
            f"{one['publish_added_us']:+.0f}",
            _delivered(key, one),
            str(one["peak_mib"]),
        ]
        for scene in scenes
        for key, one in scene["variants"].items()
    ]


def paced_rows(paced: Iterable[dict[str, Any]]) -> Rows:
    """Return one row for each variant and receiver."""
    return [
        [
            f"{part['receiver_ms']} ms",
            one["label"],
            str(one["pace"]),
            _delivered(key, one),
            str(one["metrics"]),
            str(one["requests"]),
            f"{one['kilobytes']:.0f}",
            ", ".join(f"{number} {name}" for name, number in one["lost"].items()) or "-",
        ]
        for part in paced
        for key, one in part["variants"].items()
    ]


def latency_rows(latency: dict[str, Any]) -> Rows:
    """Return one row for each variant and state of Sentry."""
    return [
        [one["label"], state, *(f"{one[state][key]:g}" for key in ("p50_ms", "p99_ms", "tasks_a_second"))]
        for one in latency.values()
        for state in ("healthy", "hanging")
    ]


def tables(results: dict[str, Any]) -> list[tuple[str, Sequence[str], Rows]]:
    """Return (title, head, rows) of everything that was measured."""
    hanging = "A Sentry that never answers: time from one task's start to the next's, solo pool"
    starts = [[one["label"], f"{one['ms']:.0f}"] for one in results["start_ms"].values()]
    idle = [[one["label"], f"{one['ms_a_second']:.1f}"] for one in results["idle"].values()]
    silent = _silent(results)
    undecided = [scene for scene in results["scenes"] if not scene["decided"]]
    talking = [scene for scene in results["scenes"] if scene["task"] == TALKING]
    told = [
        ("CPU per task and per publish", SCENE_HEAD, scene_rows(silent)),
        ("The same for a task that leaves a breadcrumb and a span", SCENE_HEAD, scene_rows(talking)),
        (
            "The same where the sender has not decided whether to sample: beat, or a script",
            SCENE_HEAD,
            scene_rows(undecided),
        ),
        ("Nothing lost? Every task sampled, at a fixed rate", PACED_HEAD, paced_rows(results["paced"])),
        ("A worker that has nothing to do", IDLE_HEAD, idle),
        (hanging, LATENCY_HEAD, latency_rows(results["latency"])),
        ("What the start of a worker takes longer", START_HEAD, starts),
    ]
    return [table for table in told if table[2]]


def _silent(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scenes of the task that does nothing, about which its sender has decided."""
    return [scene for scene in results["scenes"] if scene["task"] == SILENT and scene["decided"]]


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console(width=None if Console().is_terminal else 170)
    for title, head, rows in tables(results):
        table = Table(*head, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row, end_section=row is rows[-1])
        console.print(table)


def markdown(results: dict[str, Any], memory: dict[str, Any] | None, picture: str) -> str:
    """Return what stands in the documentation: on what it was measured, the picture, the tables, the soak."""
    about = results["machine"]
    what = f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}"
    packages = ", ".join(f"{name} {about[name]}" for name in ("celery", "sentry-sdk", "opentelemetry-sdk", "brotli"))
    load = "Load average {:.1f} before, {:.1f} after.".format(*results["load"])
    dates = sorted({scene["date"] for scene in results["scenes"]})
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    lines = [f"Measured {when} on {what}; {packages}. {load}"]
    lines += ["", f"![CPU added per task]({picture})"]
    for title, head, rows in tables(results):
        lines += ["", f"**{title}**", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    if memory is not None:
        points = memory["points"]
        step = max(1, len(points) // 5)
        told = ", ".join(f"{one['resident_mib']:.1f} MiB after {one['tasks']:,}" for one in points[::step])
        last = points[-1]
        lines += ["", f"**Memory over {last['tasks']:,} tasks** (solo pool, sampling 0.1, {memory['date']}): {told}; "]
        lines[-1] += f"{last['resident_mib']:.1f} MiB in the end."
    return "\n".join(lines)


def rewrite(page: Path, text: str) -> None:
    """Put a text between the page's two marks."""
    old = page.read_text()
    new = re.sub(
        r"(?s)(<!-- bench: begin[^>]*-->\n).*(\n<!-- bench: end -->)", lambda found: found[1] + text + found[2], old
    )
    page.write_text(new)


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what each variant adds to a task, by sampling, one panel for each pool; the receiver answers at once."""
    scenes = [scene for scene in _silent(results) if scene["receiver_ms"] == 0]
    pools = list(dict.fromkeys(scene["pool"] for scene in scenes))
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
    figure = Figure(figsize=(5.2 * len(pools), 4.2), layout="constrained")
    panels = figure.subplots(1, len(pools), sharey=True, squeeze=False)[0]
    for panel, pool in zip(panels, pools, strict=True):
        shown = sorted((scene for scene in scenes if scene["pool"] == pool), key=lambda scene: scene["sampling"])
        keys = [key for key in shown[0]["variants"] if key in COLOURS]
        width = 0.8 / len(keys)
        for place, key in enumerate(keys):
            ones = [scene["variants"][key] for scene in shown]
            bars = panel.bar(
                [index + (place - (len(keys) - 1) / 2) * width for index in range(len(shown))],
                [one["added_us"] for one in ones],
                width * 0.92,
                yerr=[one["added_half_width_us"] for one in ones],
                color=COLOURS[key],
                error_kw={"linewidth": 0.8, "alpha": 0.6},
                label=ones[0]["label"],
            )
            panel.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
        panel.set_xticks(range(len(shown)), [f"sampling {scene['sampling']:g}" for scene in shown])
        panel.set_title(f"{pool} pool", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("CPU µs added to a task")
    panels[0].legend(frameon=False, fontsize=8, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _delivered(key: str, one: dict[str, Any]) -> str:
    return "-" if key == "bare" else f"{one['delivered']} / {one['sampled'] if one['sampled'] is not None else '?'}"
