"""`celery -A app monitor spool` shows an operator what waits on disk, and sends or drops it."""

import json
import subprocess

import pytest

from monitoring.local.faults import Faults
from tests.harness.polling import wait_until
from tests.harness.stage import Stage
from tests.harness.worker import own_spool
from tests.integration.delivery.spooled import HANGING, HEALTHY, bots, fail, spooled, wait_spooled

pytestmark = [pytest.mark.unjudged("losses", reason="what Sentry refuses is counted as lost")]

DONE, UNDONE, USAGE = 0, 1, 2


def command(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `celery -A tests.apps.trading monitor spool ...` beside the stage's worker."""
    return stage.celery("-A", "tests.apps.trading", "monitor", "spool", *words, env=own_spool(stage.folder))


def test_an_operator_sees_sends_and_drops_what_is_kept(stage: Stage) -> None:
    """From a refused event, over one that a dead worker has left, to an empty spool."""
    worker, producer = stage.start_worker(concurrency=1), stage.start_producer()
    stage.sentry.faults = Faults(status=413)
    fail(worker, producer, ["refused-1", "refused-2"])
    wait_until(lambda: sum(bots(spooled(stage, refused=True)).values()) == 2, "the refused events")
    stage.sentry.faults = HANGING
    fail(worker, producer, ["left-1"])
    wait_spooled(stage, 1)

    listed = command(stage, "list").stdout.splitlines()
    states = {line.split()[1]: line for line in listed[:-1] if " event " in line}
    assert set(states) == {"refused", "waiting"}
    assert "ExchangeError: no margin" in states["waiting"]
    assert "bot_id=left-1" in states["waiting"]
    assert "[413 " in states["refused"]
    assert listed[-1].startswith("1 waiting, 0 left, 2 refused; ")

    worker.kill()
    assert command(stage, "list").stdout.splitlines()[-1].startswith("0 waiting, 1 left, 2 refused; ")

    name = next(line.split()[0] for line in listed if "bot_id=refused-1" in line)
    shown = command(stage, "show", name)
    assert shown.stderr.startswith("refused: 413 ")
    assert json.loads(shown.stdout)["tags"]["bot_id"] == "refused-1"
    assert command(stage, "drop", name, "--yes").stdout == "1 dropped\n"
    assert command(stage, "show", name).returncode == USAGE

    tried = command(stage, "resend", "--refused", "--timeout", "1")
    assert (tried.returncode, tried.stdout) == (UNDONE, "0 sent, 0 refused again, 2 still to be sent\n")
    stage.sentry.faults = HEALTHY
    sent = command(stage, "resend")
    assert (sent.returncode, sent.stdout) == (DONE, "2 sent, 0 refused again, 0 still to be sent\n"), sent.stderr
    assert bots(stage.sentry.events()) == {"left-1": 1, "refused-2": 1}
    assert command(stage, "list").stdout.startswith("0 waiting, 0 left, 0 refused; 0 of 268435456 bytes in ")
