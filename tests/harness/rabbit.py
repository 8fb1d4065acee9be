"""A real RabbitMQ for the tests that need one: Debian's own, with node, ports and data of its own."""

import os
import shutil
import socket
from pathlib import Path
from uuid import uuid4

from tests.harness.polling import wait_until
from tests.harness.process import LocalProcess
from tests.harness.server import free_port

#: Debian's wrapper in /usr/sbin insists on the user `rabbitmq`; this is what it wraps.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def rabbit_missing() -> str | None:
    """Tell why no server can be started, or None."""
    if SERVER.exists() and shutil.which("epmd"):
        return None
    return "RabbitMQ is not installed here: apt-get install rabbitmq-server"


class Rabbit:
    """Own one RabbitMQ node, and the Erlang port mapper that it needs, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.port, distribution, mapper = free_port(), free_port(), free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\ntcp_listen_options.backlog = 32\n")
        (folder / "plugins").write_text("[].\n")
        env = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test-{uuid4().hex[:8]}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_LOGS": "-",
            # Two schedulers are plenty for a test.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }
        # Started by us, in the foreground: the node would leave a daemon behind.
        self._mapper = LocalProcess("epmd", ["epmd"], env=env, cwd=folder)
        wait_until(lambda: _listens(mapper), "the Erlang port mapper")
        self.process = LocalProcess("rabbitmq", [str(SERVER)], env=env, cwd=folder)
        wait_until(
            lambda: self.process.status == "exited" or (_listens(self.port) and "startup complete" in self.log),
            lambda: f"RabbitMQ ready\n{self.log}",
        )
        assert self.process.status == "running", f"RabbitMQ exited\n{self.log}"

    @property
    def url(self) -> str:
        """Return the broker's address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def log(self) -> str:
        """Return what the node has printed."""
        return self.process.logs().decode(errors="replace")

    def close(self) -> None:
        """Stop the node, then its port mapper."""
        for process in (self.process, self._mapper):
            if process.status == "running":
                process.stop()
            process.reap()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
