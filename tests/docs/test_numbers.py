"""Bounds, defaults and lists that pages state are the code's."""

import re
from pathlib import Path
from typing import Final

import click
import pytest

from flask_app.health import ASK_SECONDS as READY_SECONDS
from flask_app.publishing import STEP_SECONDS
from monitoring.breadcrumbs import MAX_CRUMBS, MAX_DATA, MAX_MESSAGE, MAX_RECORDS
from monitoring.cli import EX_CONFIG, MONITOR, monitor
from monitoring.context import MAX_VALUE
from monitoring.delivery.fitting import MOST_BYTES
from monitoring.delivery.forcing import FORCE_SECONDS
from monitoring.filtering.errors import EXCHANGE_ERRORS
from monitoring.local.pages import MAX_LIMIT, ROUTES
from monitoring.preflight.facts import ASK_SECONDS
from monitoring.scrubbing.encodings import SHORTEST_SECRET
from monitoring.scrubbing.entries import LARGER, METRIC
from monitoring.scrubbing.registry import LONGEST_SECRET, MOST_SECRETS
from monitoring.settings import Settings
from monitoring.signals.message import _MAX_READ as LONGEST_HEADER
from tests.docs.pages import ROOT, parsed, table_rows
from worker import celeryconfig
from worker.local.stack import GRACE_SECONDS
from worker.tasks.policy import MONEY, READS

DOCS: Final = ROOT / "docs"
CLI: Final = DOCS / "reference" / "cli.md"
DEFAULTS: Final = {name: field.default for name, field in Settings.model_fields.items()}
REDIS: Final = celeryconfig.transport_options("redis://")
(CONNECTION,) = {row.window for row in EXCHANGE_ERRORS if row.kind == "api_connection" and row.window is not None}
SETUP: Final = (ROOT / "setup.cfg").read_text(encoding="utf-8")
PYTHON, CELERY, SDK = (
    found[1]
    for wanted in (r"python_requires = >=([\d.]+)", r"celery\[redis\]>=([\d.]+)", r"sentry-sdk>=([\d.]+)")
    if (found := re.search(wanted, SETUP))
)

#: (page, what it must say).
SAID: Final = (
    ("explanation/trail.md", f"| {DEFAULTS['trail_bytes']} bytes (`MONITORING_TRAIL_BYTES`)"),
    ("explanation/trail.md", f"| records | {MAX_RECORDS}, and two thirds"),
    ("explanation/trail.md", f"| breadcrumbs | {MAX_CRUMBS} |"),
    ("explanation/trail.md", f"message | {MAX_MESSAGE} characters"),
    ("explanation/trail.md", f"data | {MAX_DATA} bytes"),
    ("explanation/trail.md", f"| {LONGEST_HEADER // 1024} KiB |"),
    ("explanation/delivery.md", f"larger than {MOST_BYTES:,} bytes"),
    ("explanation/delivery.md", f"at most {METRIC} or {LARGER:,} bytes"),
    ("explanation/latency.md", f"`MONITORING_SLOW_TASK_SECONDS`, {DEFAULTS['slow_task_seconds']:g} s"),
    ("explanation/latency.md", f"once per window of {DEFAULTS['slow_task_window_seconds']:g} s"),
    ("explanation/no-harm.md", f"`MONITORING_SHUTDOWN_TIMEOUT` ({DEFAULTS['shutdown_timeout']:g} s)"),
    ("explanation/no-harm.md", f"disk, {FORCE_SECONDS * 1000:g} ms at most"),
    ("how-to/troubleshooting.md", f"`MONITORING_SHUTDOWN_TIMEOUT` seconds ({DEFAULTS['shutdown_timeout']:g})"),
    ("how-to/flask-app.md", f"{DEFAULTS['slow_request_seconds']:g} s (`MONITORING_SLOW_REQUEST_SECONDS`)"),
    ("how-to/flask-app.md", f"two steps of {STEP_SECONDS:g} s"),
    (
        "how-to/alerts.md",
        f"{CONNECTION.count} tasks in {CONNECTION.seconds / 60:g} minutes, then once "
        + ("an hour" if CONNECTION.cooldown == 3600 else "?"),
    ),
    ("how-to/production.md", f"(Redis) | {REDIS['visibility_timeout']} s"),
    ("how-to/production.md", f"| {MONEY['time_limit']} s, {MONEY['soft_time_limit']} s for orders"),
    ("how-to/production.md", f"| {MONEY['expires']} s for orders"),
    ("how-to/production.md", f"of a task ({READS['time_limit']} s here) and the shutdown time-out (2 s)"),
    ("how-to/register-secrets.md", f"At least {SHORTEST_SECRET} characters"),
    ("how-to/register-secrets.md", f"At most {MOST_SECRETS} values"),
    ("reference/api.md", f"at most {MOST_SECRETS} values".capitalize()),
    ("reference/api.md", f"shorter than {SHORTEST_SECRET} characters"),
    ("reference/api.md", f"longer than {LONGEST_SECRET},"),
    ("reference/api.md", f"most {MAX_VALUE} characters"),
    ("reference/cli.md", f"servers take {ASK_SECONDS:g} s at most"),
    ("reference/cli.md", f"| {EX_CONFIG} | the worker could not"),
    ("reference/cli.md", f"| `--grace` | `{GRACE_SECONDS:g}` |"),
    ("reference/http-api.md", f"ends after {max(STEP_SECONDS, READY_SECONDS):g} s"),
    ("reference/http-api.md", f"`MONITORING_SLOW_REQUEST_SECONDS` ({DEFAULTS['slow_request_seconds']:g} s)"),
    ("reference/http-api.md", "kept for an hour" if celeryconfig.result_expires == 3600 else "?"),
    ("reference/local-sentry.md", f"`limit` (1 to {MAX_LIMIT})"),
    ("../README.md", f"Python {PYTHON} and newer, Celery {CELERY} and newer, sentry-sdk {SDK} to 2.x"),
)


@pytest.mark.parametrize(("page", "words"), SAID, ids=[f"{page}: {words}" for page, words in SAID])
def test_a_page_states_the_number_of_the_code(page: str, words: str) -> None:
    """A bound that is changed in the code is changed where its users read it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert " ".join(words.split()) in " ".join(text.split())


def test_every_problem_type_is_documented() -> None:
    """The API's page lists the types that the code can answer with, and no others."""
    code = "".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "flask_app").glob("*.py"))
    rows = table_rows(DOCS / "reference" / "http-api.md", "`type` ends with", "status")
    listed = {row["`type` ends with"].strip("`") for row in rows}
    assert listed == {*re.findall(r'kind="([\w-]+)"', code), "about:blank"}


def test_every_address_of_the_local_sentry_is_documented() -> None:
    """The page lists what can be read."""
    rows = table_rows(DOCS / "reference" / "local-sentry.md", "address", "what it is")
    listed = {row["address"].strip("`") for row in rows}
    assert {f"GET {path}" for path in ROUTES} | {"GET /", "POST /api/<project>/envelope/"} == listed


def test_every_make_target_is_documented() -> None:
    """The page lists the targets of `make help`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {f"make {name}" for name in re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)} - {"make help"}
    rows = table_rows(CLI, "target", "what it does")
    assert {row["target"].strip("`") for row in rows} == targets


@pytest.mark.parametrize("name", MONITOR)
def test_every_command_and_option_is_documented(name: str) -> None:
    """The command line's page has a heading for each `monitor` command, and names each of its options."""
    tokens = parsed(CLI)
    headings = {tokens[at + 1].content.strip("`") for at, token in enumerate(tokens) if token.type == "heading_open"}
    assert f"celery -A worker monitor {name}" in headings, f"docs/reference/cli.md has no such heading for {name}"
    text = CLI.read_text(encoding="utf-8")
    command = monitor.get_command(click.Context(monitor), name)
    assert command is not None
    options = [option for param in command.params if isinstance(param, click.Option) for option in param.opts]
    assert not [option for option in options if f"`{option}`" not in text], "docs/reference/cli.md lacks options"


def test_every_room_is_on_the_map() -> None:
    """Who opens `monitoring/` finds each module and package in CONTRIBUTING's table, and nothing else in it."""
    rows = table_rows(ROOT / "CONTRIBUTING.md", "room of `monitoring/`", "its one job")
    listed = {name for row in rows for name in re.findall(r"`([\w.]+)`", row["room of `monitoring/`"])}
    there = {
        path.name for path in (ROOT / "monitoring").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert listed == there
