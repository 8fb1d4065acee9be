"""What the documentation shows of a screen is what the command prints."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, Block, blocks, every_block
from tests.harness.stage import Stage
from tests.harness.worker import process_environment

EXPLAINED: Final = [block for block in every_block() if "explained" in block.marks]
#: Ports, versions and database numbers are this run's.
VARIES: Final = re.compile(r"127\.0\.0\.1:\d+(/\d+)?|\d+\.\d+\.\d+")


def _printed(stage: Stage, folder: Path, *words: str) -> str:
    env = {"PYTHONPATH": f"{folder}:{ROOT}", "MONITORING_DEBUG": "", "SENTRY_TRACES_SAMPLE_RATE": ""}
    env |= {"SENTRY_ENVIRONMENT": "production", "APP_VERSION": "trading@1.4.2"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "celery", *words],
        env=process_environment(stage.database.url, stage.sentry.dsn, env),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def application(stage: Stage) -> Path:
    """Write the README's application into a folder."""
    (code,) = [block for block in blocks(ROOT / "README.md") if block.marks.get("file") == "trading.py"]
    (stage.folder / "trading.py").write_text(code.text)
    return stage.folder


def test_the_start_screen_is_the_one_that_is_shown(stage: Stage, application: Path) -> None:
    """The page shows what `celery -A trading start` prints for the README's application, and nothing is warned of."""
    (shown,) = [block for block in every_block() if block.marks.get("screen") == "trading"]
    printed = _printed(stage, application, "-A", "trading", "start", "--check-only", "--concurrency", "4")
    assert VARIES.sub("…", printed).strip("\n") == VARIES.sub("…", shown.text).strip("\n")


@pytest.mark.parametrize("block", EXPLAINED, ids=str)
def test_explanations_are_the_commands(block: Block, stage: Stage, application: Path) -> None:
    """The page shows what `celery -A trading monitor explain` prints."""
    printed = _printed(stage, application, "-A", "trading", "monitor", "explain", *block.marks["explained"].split())
    assert printed == block.text
