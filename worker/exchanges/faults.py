"""Faults at run time: an outage that somebody switches on and off while the workers run.

The environment's plan (`PAPER_FAULTS`) is in force until another is put in its place with `set_faults`, at once and for
every process; `clear_faults` puts the environment's back. `worker.fault_plan` says how a plan reads.
"""

from functools import lru_cache

from redis import Redis

from worker.fault_plan import FaultPlan

FAULTS_KEY = "paper:faults"
"""Where the plan that was set at run time is kept; an empty one means that nothing goes wrong."""


def set_faults(server: Redis, text: str) -> None:
    """Put this plan in force for every process; `""` lets nothing go wrong. Raises `ValueError`, then all stays."""
    FaultPlan.parse(text)
    server.set(FAULTS_KEY, text)


def clear_faults(server: Redis) -> None:
    """Go back to the plan of the environment."""
    server.delete(FAULTS_KEY)


@lru_cache(maxsize=32)
def plan_of(text: str) -> FaultPlan:
    """Return the plan that `text` describes, parsed once per process: every request asks for it."""
    return FaultPlan.parse(text)
