"""The processes of a bench: one server, one receiver, and for each variant a worker and a producer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import redis

from benchmarks.cost import machine
from benchmarks.cost.variants import QUEUE, READY
from worker.local.valkey import server_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.cost.variants import Variant

ROOT: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 60.0
#: A worker that flushes to a slow receiver may take as long as it was promised; then it is killed.
STOP_SECONDS: Final = 30.0
DRAIN_SECONDS: Final = 120.0
#: Projects of producers, so that nothing they send counts as a worker's.
PRODUCERS: Final = 100_000
#: Databases: what is published waits in one, the worker reads another, results go to a third.
DATABASES: Final = 3 * 512


def environment(**more: str) -> dict[str, str]:
    """Return this machine's environment without what would change a variant."""
    foreign = ("SENTRY_", "MONITORING_", "CELERY_", "OTEL_", "APP_VERSION", "BENCH_")
    proxies = {"http_proxy", "https_proxy", "no_proxy", "all_proxy"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    kept = {key: value for key, value in kept.items() if key.lower() not in proxies}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "C_FORCE_ROOT": "true"} | more


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], object], what: str, seconds: float, interval: float = 0.005) -> None:
    """Return when `holds` does; raise TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(interval)


class Ground:
    """What all variants stand on: the embedded server and the receiver. Closing it ends both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.receiver_port = free_port(), free_port()
        self._databases = iter(range(DATABASES))
        self._projects = iter(range(1, PRODUCERS))
        command = [server_binary(), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)]
        command += ["--databases", str(DATABASES), "--save", "", "--appendonly", "no", "--loglevel", "warning"]
        self._processes = ExitStack()
        self._start("server", command)
        self._start("receiver", [sys.executable, "-m", "benchmarks.cost.receiver", str(self.receiver_port)])
        with redis.Redis(port=self.port) as client:
            wait_until(lambda: _answers(client.ping), "answer of the server", START_SECONDS)
        wait_until(lambda: _answers(self.counts), "answer of the receiver", START_SECONDS)

    def _start(self, name: str, command: list[str]) -> None:
        log = self._processes.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(command, env=environment(), cwd=self.folder, stdout=log, stderr=log)
        self._processes.callback(process.wait)
        self._processes.callback(process.terminate)

    def database(self) -> str:
        """Return the address of a database that nobody has used."""
        return f"redis://127.0.0.1:{self.port}/{next(self._databases)}"

    def project(self) -> int:
        """Return a project that nobody has sent to."""
        return next(self._projects)

    def answers(self, *, delay: float = 0.0, hang: bool = False) -> None:
        """Say how the receiver answers from now on."""
        body = json.dumps({"delay": delay, "hang": hang}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.receiver_port}/answer", body, timeout=10).close()

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what was received so far, by project."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.receiver_port}/counts", timeout=120) as answer:
            found: dict[str, dict[str, int]] = json.load(answer)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()


class Runner:
    """One variant at work: its worker, its producer, and what it has cost so far."""

    def __init__(self, ground: Ground, variant: Variant, *, rate: float, pool: str, concurrency: int = 2) -> None:
        self.variant, self.ground, self.project = variant, ground, ground.project()
        self.every = round(1 / rate) if rate else 0
        self._waiting, broker, results = ground.database(), ground.database(), ground.database()
        self._broker_number = int(broker.rpartition("/")[2])
        self._hold = redis.Redis.from_url(self._waiting)
        self._results = redis.Redis.from_url(results)
        common = {"BENCH_RESULTS": results}
        words = ["-m", "celery", "-A", "benchmarks.cost.app", "worker", "--pool", pool, "-c", str(concurrency)]
        words += ["--without-mingle", "--without-gossip"]
        told = variant.environment(rate, ground.receiver_port, self.project)
        self.log = ground.folder / f"worker-{self.project}-{variant.key}.log"
        self._log = self.log.open("wb")
        self.worker = subprocess.Popen(
            [sys.executable, *words],
            env=environment(**common, **told, BENCH_BROKER=broker, BENCH_ROLE="worker"),
            cwd=ground.folder,
            stdout=self._log,
            stderr=self._log,
        )
        told = variant.environment(rate, ground.receiver_port, self.project + PRODUCERS)
        self.producer = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cost.producer"],
            env=environment(**common, **told, BENCH_BROKER=self._waiting),
            cwd=ground.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def wait_ready(self) -> None:
        """Return when worker and producer are; raise TimeoutError with the worker's log."""
        try:
            wait_until(lambda: READY in self.log.read_text(), f"worker of {self.variant.label}", START_SECONDS, 0.05)
        except TimeoutError as error:
            error.add_note(self.log.read_text()[-4000:])
            raise
        assert self.producer.stdout is not None
        if self.producer.stdout.readline() != "ready\n":
            raise RuntimeError(f"the producer of {self.variant.label} did not start: {self.log.read_text()[-4000:]}")

    def publish(self, count: int, task: str = "trading.place_order", **order: Any) -> float:
        """Publish tasks out of the worker's sight; return the CPU seconds that it took inside of `apply_async`."""
        assert self.producer.stdin is not None
        assert self.producer.stdout is not None
        self.producer.stdin.write(json.dumps({"count": count, "every": self.every, "task": task, **order}) + "\n")
        self.producer.stdin.flush()
        return float(json.loads(self.producer.stdout.readline())["seconds"])

    def hand_over(self) -> None:
        """Let the worker see, at once, what was published."""
        wait_until(lambda: self._hold.move(QUEUE, self._broker_number), "move of the queue", DRAIN_SECONDS)

    def drain(self, count: int) -> None:
        """Return when so many results are stored, and forget them."""
        wait_until(lambda: self._results.dbsize() >= count, f"{count} results of {self.variant.label}", DRAIN_SECONDS)
        self._results.flushdb()

    def result_of(self, count: int, task: str) -> Any:
        """Run a task `count` times and return what one of them did."""
        self.publish(count, task, arity=0)
        self.hand_over()
        wait_until(lambda: self._results.dbsize() >= count, f"result of {task}", DRAIN_SECONDS)
        [key, *_] = self._results.scan_iter("celery-task-meta-*")
        value = json.loads(str(self._results.get(key), "utf-8"))["result"]  # type: ignore[arg-type]  # not awaitable
        self._results.flushdb()
        return value

    def cpu_seconds(self) -> float:
        """Return what the worker's processes have used since they were started."""
        return machine.cpu_seconds(self.worker.pid)

    def ask_to_stop(self) -> None:
        """Ask both to end as an operator would; they flush what Sentry has not got yet."""
        assert self.producer.stdin is not None
        self.producer.stdin.close()
        self.worker.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait until both have ended; kill what does not."""
        for process in (self.worker, self.producer):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                for each in machine.tree(process.pid):
                    each.kill()
                process.wait()
        assert self.producer.stdout is not None
        self.producer.stdout.close()
        self._log.close()
        self._hold.close()
        self._results.close()


def _answers(question: Callable[[], Any]) -> bool:
    try:
        question()
    except (OSError, redis.RedisError):
        return False
    return True


def received(counts: Mapping[str, Mapping[str, int]], runner: Runner) -> Mapping[str, int]:
    """Return what was received from a runner's worker."""
    return counts.get(str(runner.project), {})
