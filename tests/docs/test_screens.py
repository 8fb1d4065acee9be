"""What the documentation shows of a screen is what the command prints."""

import re
from typing import Final

import pytest

from tests.docs.pages import ROOT, Block, blocks, every_block
from tests.harness.stage import Stage

EXPLAINED: Final = [block for block in every_block() if "explained" in block.marks]
#: Ports, versions and database numbers are this run's.
VARIES: Final = re.compile(r"127\.0\.0\.1:\d+(/\d+)?|\d+\.\d+\.\d+")


def _printed(stage: Stage, *words: str) -> str:
    env = {"PYTHONPATH": f"{stage.folder}:{ROOT}", "SENTRY_TRACES_SAMPLE_RATE": ""}
    env |= {"SENTRY_ENVIRONMENT": "production", "APP_VERSION": "trading@1.4.2"}
    done = stage.celery(*words, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(autouse=True)
def application(stage: Stage) -> None:
    """Write the README's application into a folder."""
    (code,) = [block for block in blocks(ROOT / "README.md") if block.marks.get("file") == "trading.py"]
    (stage.folder / "trading.py").write_text(code.text)


def test_the_start_screen_is_the_one_that_is_shown(stage: Stage) -> None:
    """The page shows what `celery -A trading start` prints for the README's application, and nothing is warned of."""
    (shown,) = [block for block in every_block() if block.marks.get("screen") == "trading"]
    printed = _printed(stage, "-A", "trading", "start", "--check-only", "--concurrency", "4")
    assert VARIES.sub("…", printed).strip("\n") == VARIES.sub("…", shown.text).strip("\n")


@pytest.mark.parametrize("block", EXPLAINED, ids=str)
def test_explanations_are_the_commands(block: Block, stage: Stage) -> None:
    """The page shows what `celery -A trading monitor explain` prints."""
    printed = _printed(stage, "-A", "trading", "monitor", "explain", *block.marks["explained"].split())
    assert printed == block.text
