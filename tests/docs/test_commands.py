"""Every command that the documentation tells its readers to type is one that exists, with the options it is given."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import click
import pytest
from celery.bin.celery import celery
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from monitoring.local.pages import FILES, ROUTES
from tests.docs.pages import ROOT, Block, every_block
from tests.docs.test_settings import expected
from tests.harness.polling import PATIENCE_SECONDS
from tests.harness.worker import process_environment

#: Programs of other people; their own manuals hold them to account.
OTHERS: Final = {
    *("cat", "cd", "cp", "curl", "echo", "git", "gunicorn", "kill", "python3", "redis-cli", "sudo", "systemctl"),
    *("systemd-analyze", "journalctl", "docker", "openssl", "sentry-cli", "flask", "test", "watch"),
}
#: Variables that are neither ours nor Celery's options.
VARIABLES: Final = {"PATH", "PYTHON", "PYTEST_ARGS", "NO_COLOR"}

Words = list[str]


def commands(block: Block) -> Iterator[Words]:
    """Yield the commands of a block, split as a shell would; a prompt (`$`) begins one, output follows."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        for part in re.split(r"\s(?:&&|\|\||\||;)\s", line):
            words = shlex.split(part, comments=True)
            if words:
                yield words


BLOCKS: Final = [block for block in every_block("sh") if "skip" not in block.marks]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_shell(block: Block) -> None:
    """A block can be pasted: the shell can parse it."""
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True, timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_command_exists(block: Block) -> None:
    """Targets, subcommands, options, modules, variables and addresses are ones that there are."""
    for words in commands(block):
        wrong = _wrong(words)
        assert wrong is None, f"{block}: {shlex.join(words)}: {wrong}"


@pytest.mark.parametrize("block", every_block("ini"), ids=str)
def test_variables_of_a_unit_file_are_read(block: Block) -> None:
    """What a service is given in its unit file is a variable that somebody reads."""
    given = re.findall(r"^Environment=(\w+=)", block.text, re.MULTILINE)
    assert [wrong for assignment in given if (wrong := _variable(assignment))] == []


def test_only_sh_blocks_hold_commands() -> None:
    """`bash`, `shell` and `console` blocks would pass this module by."""
    assert not [str(block) for block in every_block("bash", "shell", "console", "zsh")]


def _wrong(words: Words) -> str | None:
    while words and re.match(r"[A-Z_]+=", words[0]):
        if wrong := _variable(words[0]):
            return wrong
        words = words[1:]
    if not words:
        return None
    program, rest = words[0], words[1:]
    return CHECKS[program](rest) if program in CHECKS else None if program in OTHERS else "no such program is known"


def _variable(assignment: str) -> str | None:
    name = assignment.partition("=")[0]
    known = name in expected() or name in VARIABLES or name.startswith("CELERY_WORKER_")
    return None if known else f"nobody reads {name}"


def _export(words: Words) -> str | None:
    return next((wrong for word in words if (wrong := _variable(word))), None)


def _make(words: Words) -> str | None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for word in words:
        if "=" in word:
            if wrong := _variable(word):
                return wrong
        elif word not in targets:
            return f"there is no target {word}; there are {sorted(targets)}"
    return None


def _celery(words: Words) -> str | None:
    command: click.Command = celery
    context = click.Context(celery)
    options = iter(words)
    for word in options:
        if word.startswith("-"):
            name, has_value, _ = word.partition("=")
            if name not in (known := _options(command)):
                return f"{command.name} has no option {name}"
            if known[name] and not has_value:
                next(options, None)
        elif isinstance(command, click.Group):
            below = command.get_command(context, word)
            if below is None:
                return f"{command.name} has no command {word}"
            command = below
    return None


def _options(command: click.Command) -> dict[str, bool]:
    """Return a command's options, and whether each takes a value. `start` takes those of `worker`, and one more."""
    from celery.bin.worker import worker  # noqa: PLC0415  # celery.bin.celery patches click first

    params = [*command.params]
    known = {"--help": False}
    if command.name == "start":
        params = list(worker.params)
        known["--check-only"] = False
    for option in params:
        if isinstance(option, click.Option):
            known |= dict.fromkeys([*option.opts, *option.secondary_opts], not option.is_flag and not option.count)
    return known


def _python(words: Words) -> str | None:
    if words[:2] == ["-m", "pip"]:
        return _pip(words[2:])
    if words[:1] == ["-m"]:
        if importlib.util.find_spec(words[1]) is None:
            return f"there is no module {words[1]}"
        unknown = [w for w in words[2:] if w.startswith("--") and w.partition("=")[0] not in _help_of(words[1])]
        return f"{words[1]} has no option {unknown[0]}" if unknown else None
    return None


@cache
def _help_of(module: str) -> str:
    if module == "venv":
        return ""
    return subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
        cwd=ROOT,
    ).stdout


def _pip(words: Words) -> str | None:
    known = ConfigParser()
    known.read(ROOT / "setup.cfg")
    extras = set(known["options.extras_require"])
    for word in words:
        for extra in re.findall(r"\[([\w,]+)\]$", word):
            if unknown := set(extra.split(",")) - extras:
                return f"there is no extra {unknown}"
    return None


def _curl(words: Words) -> str | None:
    method = (
        words[words.index("-X") + 1] if "-X" in words else "POST" if {"-d", "--data", "--json"} & set(words) else "GET"
    )
    for word in words:
        url = urlsplit(word)
        if not url.scheme.startswith("http") or url.hostname != "127.0.0.1":
            continue
        if url.port == int(expected()["LOCAL_SENTRY_PORT"]):
            if url.path not in {*ROUTES, *FILES}:
                return f"the local Sentry has nothing at {url.path}"
        elif wrong := _not_in_api(url.path, method):
            return wrong
    return None


def _not_in_api(path: str, method: str) -> str | None:
    try:
        _routes().bind("127.0.0.1").match(path, method)
    except HTTPException as error:
        return f"the API answers {method} {path} with {error.code}"
    return None


@cache
def _routes() -> Map:
    """Return the API's routes, asked of a process of its own: making the app changes the worker's, which is shared."""
    told = subprocess.run(
        [sys.executable, "-c", _TELL_ROUTES], env=process_environment("redis://", None), capture_output=True, check=True
    )
    return Map([Rule(rule, methods=methods) for rule, methods in json.loads(told.stdout)])


_TELL_ROUTES: Final = """
import json, flask_app
rules = flask_app.create_app().url_map.iter_rules()
print(json.dumps([[rule.rule, sorted(rule.methods)] for rule in rules]))
"""


CHECKS: Final[dict[str, Callable[[Words], str | None]]] = {
    "celery": _celery,
    "curl": _curl,
    "export": _export,
    "make": _make,
    "pip": _pip,
    "python": _python,
    ".venv/bin/python": _python,
}
