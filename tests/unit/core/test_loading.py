"""The package is loaded by its first use, at little cost, and leaves the process as it was."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc
import celery.apps.worker
if {collects} is False:
    gc.disable()
import monitoring
seen = []
gc.callbacks.append(lambda phase, told: seen.append(phase))
{use}
told = seen.count("start")
print(told, gc.isenabled())
"""
BROKEN = """
import sys
sys.modules["pydantic_settings"] = None
try:
    monitoring.Settings
except ImportError:
    pass
else:
    raise SystemExit("it was loaded")
"""


def told(use: str, *, collects: bool) -> list[str]:
    """Use the package for the first time in a process; return how often the collector ran, and whether it is on."""
    program = PROGRAM.format(use=use, collects=collects)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("collects", [True, False])
def test_the_garbage_collector_rests_while_the_package_is_loaded(*, collects: bool) -> None:
    """It would look through the whole application again and again; afterwards it is as the application had it."""
    runs, is_on = told("init_sentry = monitoring.init_sentry", collects=collects)
    assert int(runs) <= collects  # once, when it wakes
    assert is_on == str(collects)


def test_the_garbage_collector_goes_on_when_the_package_cannot_be_loaded() -> None:
    """A dependency that is missing or broken must not cost the application its collector."""
    assert told(BROKEN, collects=True)[1] == "True"
