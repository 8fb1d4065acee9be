"""The harness for every test; pytest-celery's own fixtures run over local processes unless `--docker` is given."""

import pytest
from hypothesis import settings

# A busy machine is slow now and then, which says nothing of a property.
settings.register_profile("worker-monitoring", deadline=None)
settings.load_profile("worker-monitoring")

pytest_plugins = ["tests.harness.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let pytest-celery use Docker containers after all."""
    parser.addoption("--docker", action="store_true", help="run pytest-celery's nodes in Docker containers")


def pytest_configure(config: pytest.Config) -> None:
    """Replace pytest-celery's containers by local processes."""
    if not config.getoption("--docker"):
        from tests.harness import nodes  # noqa: PLC0415  # not wanted with --docker

        config.pluginmanager.register(nodes, "local-nodes")
