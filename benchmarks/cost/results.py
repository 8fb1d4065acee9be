"""From figures of each round to what is told: medians, what is added to bare, and ratios; plain data for JSON."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.cost.scenes import Latency, Measured, Paced, Scene, half_width, ratio_rounds, spread
from benchmarks.cost.variants import BARE, OTEL, PEER, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = {variant.key: variant.label for variant in VARIANTS}


def of_scene(scene: Scene, tasks: int, found: dict[str, Measured]) -> dict[str, Any]:
    """Summarise one scene. Everything is the median over its rounds; `added` is against bare in the same round."""
    bare = found[BARE.key]
    added = {key: _differences(one.task, bare.task) for key, one in found.items()}
    variants: dict[str, Any] = {}
    for key, one in found.items():
        extra = statistics.median(added[key])
        variants[key] = {
            "label": LABELS[key],
            "task_us": round(statistics.median(one.task), 1),
            "added_us": round(extra, 1),
            "added_half_width_us": round(half_width(added[key]), 1),
            "ratio_to_bare": round(statistics.median(ratio_rounds(one.task, bare.task)), 3),
            "added_to_stock": _share(extra, added.get(PEER.get(key, ""))),
            "added_to_opentelemetry": _share(extra, added.get(OTEL.key)) if key in PEER else None,
            "publish_us": round(statistics.median(one.publish), 1),
            "publish_added_us": round(statistics.median(_differences(one.publish, bare.publish)), 1),
            "peak_mib": round(one.peak_mib),
            "ran": one.ran,
            # By a drawn number it is left to each worker.
            **delivered(one.sampled if scene.decided or scene.rate in {0, 1} else None, one.received),
        }
    return {
        **about(scene),
        "date": datetime.now(UTC).date().isoformat(),
        "tasks_a_round": tasks,
        "rounds": len(bare.task),
        "spread": round(spread(found), 3),
        "variants": variants,
    }


def about(scene: Scene) -> dict[str, Any]:
    """Say what holds for all of a scene's variants."""
    return {
        "pool": scene.pool,
        "task": scene.task,
        "decided": scene.decided,
        "sampling": scene.rate,
        "receiver_ms": round(scene.delay * 1000),
    }


def of_paced(delay: float, found: Mapping[str, Paced]) -> dict[str, Any]:
    """Summarise what arrived of tasks at a fixed rate."""
    return {
        "receiver_ms": round(delay * 1000),
        "variants": {
            key: {"label": LABELS[key], "pace": round(one.pace), "ran": one.ran, **delivered(one.sampled, one.received)}
            for key, one in found.items()
        },
    }


def of_latency(found: Mapping[str, Mapping[str, Latency]]) -> dict[str, Any]:
    """Summarise time between tasks and throughput, healthy and hanging."""
    return {
        key: {"label": LABELS[key]}
        | {
            state: {
                "p50_ms": round(statistics.median(one.p50), 3),
                "p99_ms": round(statistics.median(one.p99), 3),
                "tasks_a_second": round(statistics.median(one.throughput)),
            }
            for state, one in states.items()
        }
        for key, states in found.items()
    }


def delivered(sampled: int | None, received: Mapping[str, int]) -> dict[str, Any]:
    """Say what arrived: traces of tasks against those sampled, metrics, and what the sender says it lost."""
    lost = {name.removeprefix("lost:"): number for name, number in received.items() if name.startswith("lost:")}
    return {
        "sampled": sampled,
        "delivered": received.get("tasks", 0),
        "metrics": received.get("metrics", 0),
        "requests": received.get("requests", 0),
        "kilobytes": round(received.get("bytes", 0) / 1000, 1),
        # What the sampler left out on purpose is no loss.
        "lost": {name: number for name, number in lost.items() if not name.startswith(("sample_rate:", "unsampled:"))},
    }


def _differences(values: list[float], others: list[float]) -> list[float]:
    return [one - other for one, other in zip(values, others, strict=True)]


def _share(extra: float, of: list[float] | None) -> float | None:
    """Return what is added as a share of what a peer adds; None when the peer adds nothing that can be told."""
    whole = statistics.median(of) if of else 0.0
    return round(extra / whole, 3) if whole > 0 else None
