"""pytest-celery's nodes as local processes: its own fixtures, no Docker engine.

pytest-celery wraps docker-py's Container; `LocalProcess` offers the part of it that is called, so `celery_setup`,
`celery_worker_cluster` and the rest are the stock ones. Only what starts a container is replaced here.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pytest_celery import (
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerContainer,
    RedisContainer,
    RedisTestBackend,
    RedisTestBroker,
)

from tests.harness.polling import wait_until
from tests.harness.process import LocalProcess
from tests.harness.server import Server
from tests.harness.swallowed import swallowed_errors
from tests.harness.worker import QUIET, close_sender, process_environment

APP = "tests.apps.trading"


class LocalRedis(RedisContainer):  # type: ignore[misc]  # pytest-celery publishes no types
    """The session's server as pytest-celery's broker and backend (database 0, both in one process)."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.process)
        self._server = server

    @property
    def port(self) -> int:
        """Return the server's own port: nothing is mapped."""
        return self._server.port

    @property
    def host_url(self) -> str:
        """Return the address for the test process."""
        return self._server.url(int(self.vhost))

    @property
    def url(self) -> str:
        """Return the address for workers: the same, there is no inner network."""
        return self.host_url

    def ready(self) -> bool:
        """Wait until the server answers."""
        with self.client as client:
            return bool(client.ping())

    def teardown(self) -> None:
        """Empty the nodes' database, and no other: a module's stage may be using its own."""
        with self.client as client:
            client.flushdb()


class LocalWorkerContainer(CeleryWorkerContainer):  # type: ignore[misc]  # as above
    """A worker of the tests' trading application, with pytest-celery's own tasks beside."""

    @classmethod
    def command(cls, *args: str, **_: Any) -> list[str]:
        """Return the worker's command line."""
        name = ("--hostname", f"{cls.worker_name()}@%h", "--queues", cls.worker_queue())
        own_tasks = ("--include", "pytest_celery.vendors.worker.tasks")
        return [sys.executable, "-m", "celery", "-A", APP, "worker", *QUIET, *name, *own_tasks, *args]

    @classmethod
    def initial_env(cls, celery_worker_cluster_config: dict[str, Any], initial: dict[str, str] | None = None) -> Any:
        """Return the environment of a worker under test; monitoring is off unless `initial` gives a DSN."""
        (broker,) = celery_worker_cluster_config["celery_broker_cluster_config"]["urls"]
        return process_environment(broker, None, initial)

    def ready(self) -> bool:
        """Wait until the worker takes tasks."""
        wait_until(
            lambda: self.ready_prompt in self._since_start() or self.status == "exited",
            lambda: f"worker ready\n{self.logs()}",
        )
        assert self.status == "running", f"the worker exited\n{self.logs()}"
        return True

    def _since_start(self) -> str:
        logs: bytes = self._container.logs_since_start()
        return logs.decode(errors="replace")


class LocalWorker(CeleryTestWorker):  # type: ignore[misc]  # as above
    """A worker node whose processes are asked of the operating system."""

    def get_running_processes_info(
        self, columns: list[str] | None = None, filters: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Describe the worker's processes, as the stock method does inside its container."""
        main = psutil.Process(self.container._container.pid)
        rows = [process.as_dict(columns) for process in (main, *main.children(recursive=True))]
        return [row for row in rows if all(row.get(key) == value for key, value in (filters or {}).items())]


class LocalSetup(CeleryTestSetup):  # type: ignore[misc]  # as above
    """The stock setup, which gives its app's connections back."""

    def teardown(self) -> None:
        """Close what the test has opened: an open socket is an error here."""
        super().teardown()
        close_sender(self.app)


@pytest.fixture
def default_redis_broker(server: Server) -> LocalRedis:
    """Offer the session's server as broker."""
    return LocalRedis(server)


@pytest.fixture
def default_redis_backend(server: Server) -> LocalRedis:
    """Offer the session's server as result backend."""
    return LocalRedis(server)


@pytest.fixture
def celery_broker(celery_redis_broker: RedisTestBroker) -> RedisTestBroker:
    """Use Redis alone: the stock fixture also makes every test a RabbitMQ one."""
    return celery_redis_broker


@pytest.fixture
def celery_backend(celery_redis_backend: RedisTestBackend) -> RedisTestBackend:
    """Use Redis alone."""
    return celery_redis_backend


@pytest.fixture
def default_worker_container_cls() -> type[CeleryWorkerContainer]:
    """Run the trading application."""
    return LocalWorkerContainer


@pytest.fixture
def default_worker_cls() -> type[CeleryTestWorker]:
    """Ask the operating system about processes."""
    return LocalWorker


@pytest.fixture
def celery_setup_cls() -> type[CeleryTestSetup]:
    """Close connections."""
    return LocalSetup


@pytest.fixture
def default_worker_container(
    default_worker_container_cls: type[CeleryWorkerContainer],
    default_worker_command: list[str],
    default_worker_env: dict[str, str],
    tmp_path: Path,
) -> Iterator[CeleryWorkerContainer]:
    """Start the worker as a local process; stop it after the test and let nothing of it live on."""
    process = LocalProcess("worker", default_worker_command, env=default_worker_env, cwd=tmp_path)
    container = default_worker_container_cls(process)
    try:
        container.ready()
        yield container
        process.stop()
    finally:
        left = process.reap()
    if wrong := left + swallowed_errors(container.logs()):
        pytest.fail("\n".join(wrong), pytrace=False)
