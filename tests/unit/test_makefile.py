"""`make` does what has to be done and no more: the environment when it is missing or its description has changed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.runner import ROOT

INSTALL = "-m pip install --quiet --editable"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what make looks at into an empty folder."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a fresh shell, not as part of the `make test` that runs this test."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(["make", *arguments], cwd=checkout, env=env, capture_output=True, text=True, check=False)


def plan(checkout: Path, *arguments: str) -> str:
    """Ask make what it would do."""
    done = make(checkout, "-n", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(checkout: Path, *stamps: str) -> None:
    """Pretend that the environment was made a moment after the files were written."""
    written = (checkout / "setup.cfg").stat().st_mtime
    (checkout / ".venv/bin").mkdir(parents=True, exist_ok=True)
    for name in ("bin/python", *(f"{stamp}.stamp" for stamp in stamps)):
        (checkout / ".venv" / name).touch()
        os.utime(checkout / ".venv" / name, (written + 1, written + 1))


@pytest.mark.parametrize(
    ("target", "extras"), [("run", "local"), ("demo", "local"), ("lint", "test,dev"), ("test", "test,dev")]
)
def test_a_missing_environment_is_made(checkout: Path, target: str, extras: str) -> None:
    """Make .venv with what the target needs, from nothing."""
    said = plan(checkout, target)
    assert "-m venv .venv" in said
    assert f"{INSTALL} '.[{extras}]'" in said


def test_an_environment_that_is_there_is_used(checkout: Path) -> None:
    """Install nothing the second time; an environment for the tests is good for a run too."""
    installed(checkout, "local", "test")
    for target in ("run", "demo", "test"):
        assert "pip install" not in plan(checkout, target)
        assert "-m venv" not in plan(checkout, target)


def test_a_run_does_not_pay_for_the_tests(checkout: Path) -> None:
    """Install the test tools only when they are asked for."""
    installed(checkout, "local")
    assert "pip install" not in plan(checkout, "run")
    assert f"{INSTALL} '.[test,dev]'" in plan(checkout, "test")


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
def test_a_changed_description_is_installed_again(checkout: Path, name: str) -> None:
    """Notice that dependencies may have changed."""
    installed(checkout, "local", "test")
    later = (checkout / ".venv/local.stamp").stat().st_mtime + 5
    os.utime(checkout / name, (later, later))
    assert f"{INSTALL} '.[local]'" in plan(checkout, "run")
    assert "-m venv" not in plan(checkout, "run")


def test_another_python_can_be_chosen(checkout: Path) -> None:
    """Make the environment with the Python that is named."""
    assert "python3.13 -m venv .venv" in plan(checkout, "run", "PYTHON=python3.13")


def test_a_python_that_is_too_old_is_refused_in_words(checkout: Path) -> None:
    """Say which Python is needed, which was found, and how to name another."""
    old = checkout / "old-python"
    old.write_text(
        f"#!/bin/sh\nexec {shutil.which('python3')} -c 'import sys; sys.version_info = (3, 10, 0)\n'\"$2\"\n"
    )
    old.chmod(0o755)
    done = make(checkout, "run", f"PYTHON={old}")
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "make PYTHON=python3.13" in done.stderr
    assert not (checkout / ".venv").exists()


def test_make_alone_lists_its_targets(checkout: Path) -> None:
    """Show every command with what it does, and make nothing."""
    lines = [line.split(maxsplit=2) for line in make(checkout).stdout.splitlines()]
    described = {line[1] for line in lines if line[0] == "make" and len(line) == 3}
    assert described >= {"run", "demo", "test", "lint", "clean"}
    assert not (checkout / ".venv").exists()


def test_tests_come_after_lint(checkout: Path) -> None:
    """Lint, check types and import layers before any test runs; hand PYTEST_ARGS on."""
    installed(checkout, "local", "test")
    said = plan(checkout, "test", "PYTEST_ARGS=-k demo")
    order = [said.index(step) for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "-m pytest")]
    assert order == sorted(order)
    assert re.search(r"-m pytest .*-k demo", said)
