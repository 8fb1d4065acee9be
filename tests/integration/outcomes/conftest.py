"""The day that all tests of this folder look at."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.harness.plugin import staged
from tests.harness.server import Server
from tests.integration.outcomes.days import Day, play


@pytest.fixture(scope="package", params=["static", "stream"])
def day(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Play every scenario once in each trace lifecycle; the tests only look."""
    with ExitStack() as stack:
        yield play(
            request.param, lambda name: stack.enter_context(staged(request, server, tmp_path_factory.mktemp(name)))
        )
