"""Every Python example of the documentation runs, against a real server, a real worker and a local Sentry.

The blocks of a page are one program, in their order, in a process of its own. Marks, comments right above a block:

    <!-- file: trading.py -->       the block is a file beside the program, not a part of it
    <!-- worker: trading -->        a monitored worker of this app runs while the program does
    <!-- received: event -->        a JSON block: something of this kind, with at least these values, arrives at Sentry
    <!-- run: here -->             a shell block: its commands are run, too, after the program
    <!-- hidden: some code -->      runs before the block: what the reader has and the page need not show
    <!-- answer: GET /healthz -->   a JSON block: what the API answers
    <!-- screen: trading -->        what a command prints, likewise `explained` (`test_screens.py`)
    <!-- signature: flush -->       the block is a public name's signature (`test_public_api.py`)
    <!-- skip: reason -->           the block does not run
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.docs.pages import ROOT, Block, blocks, pages
from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.stage import Stage
from tests.harness.swallowed import swallowed_errors
from tests.harness.worker import process_environment

README = ROOT / "README.md"  # its example has a test of its own
MARKS = {
    "alert",
    "answer",
    "event",
    "explained",
    "file",
    "hidden",
    "received",
    "run",
    "screen",
    "signature",
    "skip",
    "worker",
}
PAGES = [page for page in pages() if page != README and any("signature" not in b.marks for b in blocks(page, "python"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_pages_examples_run(page: Path, stage: Stage) -> None:
    """The examples of a page run as they stand there, and what the page says arrives at Sentry, arrives."""
    shown = blocks(page)
    for block in shown:
        if "file" in block.marks:
            (stage.folder / block.marks["file"]).write_text(block.text)
    env = {"PYTHONPATH": f"{stage.folder}:{ROOT}", "SENTRY_ENVIRONMENT": "production"}
    for app in [block.marks["worker"] for block in shown if "worker" in block.marks]:
        stage.start_worker(app=app, command="start", concurrency=1, env=env)
    _run(_program(page), stage, env)
    for block in shown:
        if "run" in block.marks:
            _output([sys.executable, *shlex.split(block.text)[1:]], stage, env)
    expected = [
        (block, block.marks["received"], json.loads(block.text)) for block in shown if "received" in block.marks
    ]
    for block, kind, values in expected:
        _wait_received(stage, block, kind, values)
    assert stage.settle() == []


def test_every_mark_is_known() -> None:
    """A misspelt mark would silently take a block out of the test, or leave one in."""
    unknown = {f"{block}: {mark}" for page in pages() for block in blocks(page) for mark in block.marks.keys() - MARKS}
    assert not unknown
    assert all(block.marks["skip"] for page in pages() for block in blocks(page) if "skip" in block.marks)


@pytest.mark.parametrize("block", [b for page in pages() for b in blocks(page, "json")], ids=str)
def test_json_is_json(block: Block) -> None:
    """What is shown as JSON can be read as JSON."""
    json.loads(block.text)


def _program(page: Path) -> str:
    """Put the blocks together, each at its own line of the page, so that a traceback points there."""
    lines: list[str] = []
    for block in blocks(page, "python"):
        if {"file", "signature", "skip"} & block.marks.keys():
            continue
        hidden = block.marks.get("hidden", "").splitlines()
        lines += [""] * (block.line - len(lines) - len(hidden)) + hidden
        lines += block.text.splitlines()
    return "\n".join(lines) + "\n"


def _run(program: str, stage: Stage, env: dict[str, str]) -> str:
    path = stage.folder / "example.py"
    path.write_text(program)
    return _output([sys.executable, str(path)], stage, env)


def _output(command: list[str], stage: Stage, env: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=process_environment(stage.database.url, stage.sentry.dsn, env),
        cwd=stage.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"(lines are the page's)\n{done.stdout}{done.stderr}"
    assert swallowed_errors(done.stderr) == []
    return done.stdout


def _wait_received(stage: Stage, block: Block, kind: str, values: Any) -> None:
    wait_until(
        lambda: any(_holds(entry, values) for entry in _entries(stage, kind)),
        lambda: f"{block}: {kind} {values}\n{_entries(stage, kind) if kind == 'stats' else stage.sentry.summary()}",
    )


def _entries(stage: Stage, kind: str) -> list[Any]:
    """Return what Sentry has of a kind; `stats` are the rows of the local Sentry's table."""
    if kind != "stats":
        return stage.sentry.entries(kind)
    with urlopen(f"{stage.sentry.url}/stats.json", timeout=10) as answer:
        return list(json.load(answer)["rows"])


def _holds(received: Any, shown: Any) -> bool:
    """Tell whether everything that is shown is there. A list that is shown is whole; an attribute is its value."""
    if isinstance(shown, dict):
        return isinstance(received, dict) and all(_holds(received.get(key), value) for key, value in shown.items())
    if isinstance(shown, list):
        return isinstance(received, list) and len(received) == len(shown) and all(map(_holds, received, shown))
    if isinstance(received, dict) and "value" in received:
        received = received["value"]
    return bool(received == shown)


def test_the_answers_of_the_api_are_the_ones_that_are_shown(stage: Stage) -> None:
    """The API answers each request as its page says; ids are another run's."""
    shown = [block for page in pages() for block in blocks(page) if "answer" in block.marks]
    requests = [block.marks["answer"].split(" ", 2) for block in shown]
    answers = json.loads(_run(_ASK.format(requests=requests), stage, {}))
    for block, answered in zip(shown, answers, strict=True):
        expected = json.loads(block.text)
        for varies in {"task_id", "status_url"} & answered.keys() & expected.keys():
            assert type(answered.pop(varies)) is type(expected.pop(varies))
        assert answered == expected, block


_ASK = """
import json
from flask_app import create_app
client = create_app().test_client()
answers = [
    client.open(path, method=method, json=json.loads(body[0]) if body else None).get_json(force=True)
    for method, path, *body in {requests!r}
]
print(json.dumps(answers))
"""
