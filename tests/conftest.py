"""The harness for every test; pytest-celery's own fixtures run over local processes unless `--docker` is given."""

import pytest

pytest_plugins = ["tests.harness.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let pytest-celery use Docker containers after all."""
    parser.addoption("--docker", action="store_true", help="run pytest-celery's nodes in Docker containers")


def pytest_configure(config: pytest.Config) -> None:
    """Replace pytest-celery's containers by local processes."""
    if not config.getoption("--docker"):
        from tests.harness import nodes  # noqa: PLC0415  # not wanted with --docker

        config.pluginmanager.register(nodes, "local-nodes")
