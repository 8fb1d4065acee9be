"""Fixtures, markers and reports of the harness, for pytest."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import judges
from tests.harness.producer import Producer
from tests.harness.rabbit import Rabbit, rabbit_missing
from tests.harness.sentry import Sentry
from tests.harness.server import Database, Server
from tests.harness.stage import Stage
from tests.harness.swallowed import SwallowedErrors
from tests.harness.worker import Worker

STAGES = pytest.StashKey[list[Stage]]()
MARKERS = (
    "unjudged(*judges, reason): excuse this test's envelopes from the named judges, or from all",
    "swallows(reason): errors that Celery or the SDK swallow are expected in this test",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[STAGES] = []
    # What a test's own process cannot send waits in a spool; not in that of whoever runs the tests.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="worker-monitoring-tests-")
    config.add_cleanup(lambda: shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True))


def pytest_report_header() -> list[str]:
    """Say so when a judge is absent."""
    missing = judges.relay_missing()
    return [f"judges: {', '.join(sorted(judges.NEED_RELAY))} absent, {missing}"] if missing else []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the logs of a failing test's processes, and what Sentry received."""
    report = yield
    stages = item.config.stash[STAGES]
    if report.failed:
        for stage in stages:
            report.sections += stage.logs()
    if report.when == "teardown":
        stages[:] = [stage for stage in stages if not stage.closed]
    return report


@pytest.fixture(autouse=True)
def no_swallowed_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test when Celery's signal dispatch or the SDK has swallowed an error in this process."""
    with SwallowedErrors() as swallowed:
        yield
    if swallowed.messages and not _excuse(request, "swallows"):
        pytest.fail("swallowed errors:\n" + "\n".join(swallowed.messages), pytrace=False)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one real Redis-compatible server for the session, on a free port."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.process.stop()
    assert not running.process.reap()


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """Run one real RabbitMQ for the session; skip what needs it where it is not installed."""
    if missing := rabbit_missing():
        pytest.skip(missing)
    running = Rabbit(tmp_path_factory.mktemp("rabbit"))
    yield running
    running.close()


@pytest.fixture
def stage(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Stage]:
    """Give one test its own database, Sentry and processes."""
    with staged(request, server, tmp_path) as ready:
        yield ready


@pytest.fixture(scope="module")
def module_stage(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Give the tests of one module a stage to share: for scenarios that run once and are looked at from many sides."""
    with staged(request, server, tmp_path_factory.mktemp("stage")) as ready:
        yield ready


@pytest.fixture
def sentry(stage: Stage) -> Sentry:
    """Receive this test's envelopes; the judges see them all when the test is over."""
    return stage.sentry


@pytest.fixture
def database(stage: Stage) -> Database:
    """Give this test a database of the server that nobody else sees."""
    return stage.database


@pytest.fixture
def start_worker(stage: Stage) -> Callable[..., Worker]:
    """Start real workers: `start_worker(pool="threads", concurrency=4, options=["-E"], env={...})`."""
    return stage.start_worker


@pytest.fixture
def producer(stage: Stage) -> Producer:
    """Publish through a monitored process of its own."""
    return stage.start_producer()


@contextmanager
def staged(request: pytest.FixtureRequest, server: Server, folder: Path) -> Iterator[Stage]:
    """Open a stage for a fixture of any scope; its end fails with what went wrong and what the judges say."""
    stage = Stage(server, folder)
    request.config.stash[STAGES].append(stage)
    stage.may_swallow = _excuse(request, "swallows")
    try:
        yield stage
    except BaseException:
        # A fixture that fails on its stage: what it has started must not outlive it.
        stage.close(frozenset(judges.JUDGES))
        raise
    if found := stage.close(_excused_judges(request)):
        pytest.fail("\n".join(found), pytrace=False)


def _excuse(request: pytest.FixtureRequest, name: str) -> bool:
    """Tell whether the test (or its module) carries an excuse; an excuse without a reason is an error."""
    marks = list(request.node.iter_markers(name))
    for mark in marks:
        if not mark.kwargs.get("reason"):
            pytest.fail(f"@pytest.mark.{name} needs a reason=")
    return bool(marks)


def _excused_judges(request: pytest.FixtureRequest) -> frozenset[str]:
    _excuse(request, "unjudged")
    named = [mark.args or tuple(judges.JUDGES) for mark in request.node.iter_markers("unjudged")]
    unknown = {name for names in named for name in names} - set(judges.JUDGES)
    if unknown:
        pytest.fail(f"no judge is called {', '.join(sorted(unknown))}")
    return frozenset(name for names in named for name in names)
