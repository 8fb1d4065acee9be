"""The worker's Celery app is configured as its comments say, seen from a process that imports it."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from worker.tasks import policy

ROOT = Path(__file__).resolve().parents[3]
FACTS = """
import json
from worker.celery import app
app.loader.import_default_modules()
tasks = {name: task for name, task in app.tasks.items() if name.startswith("worker.")}
print(json.dumps({
    "tasks": sorted(tasks),
    "money": sorted(name for name, task in tasks.items() if getattr(task, "moves_money", False)),
    "queues": {name: app.amqp.router.route({}, name)["queue"].name for name in tasks},
    "consumed": {name: [q.exchange.name, q.routing_key] for name, q in app.amqp.queues.consume_from.items()},
    "beat": app.conf.beat_schedule,
    "redelivery": app.conf.broker_transport_options,
    "late": sorted(name for name, task in tasks.items() if task.acks_late and not task.reject_on_worker_lost),
}))
"""


def run(tmp_path: Path, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing of ours in its environment but what is given."""
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=inherited | env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Ask a fresh process about the app."""
    folder = tmp_path_factory.mktemp("app")
    done = run(folder, "-c", FACTS, TRADING_EXCHANGES="okx", TRADING_BEAT_SECONDS="5")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_task_has_its_queue_and_a_worker_without_q_consumes_all(facts: dict[str, Any]) -> None:
    """No task is routed to a queue that the plain `celery -A worker start` does not read."""
    assert facts["queues"] == {
        "worker.tasks.market.analyze_market": "market",
        "worker.tasks.orders.cancel_order": "orders",
        "worker.tasks.orders.place_order": "orders",
        "worker.tasks.positions.reconcile": "default",
        "worker.tasks.positions.sync_all_positions": "default",
        "worker.tasks.positions.sync_positions": "default",
        "worker.tasks.strategy.run_strategy": "market",
    }
    assert set(facts["queues"].values()) == set(facts["consumed"])
    assert len({tuple(binding) for binding in facts["consumed"].values()}) == 3


def test_only_orders_move_money_and_every_task_survives_its_host(facts: dict[str, Any]) -> None:
    """Placing and cancelling are declared to move money; all tasks are acknowledged when done."""
    assert facts["money"] == ["worker.tasks.orders.cancel_order", "worker.tasks.orders.place_order"]
    assert facts["late"] == facts["tasks"]


def test_nothing_is_redelivered_while_it_may_still_run(facts: dict[str, Any]) -> None:
    """The visibility time-out exceeds the longest back-off and the longest run of any task together."""
    longest = max(options["retry_backoff_max"] + options["time_limit"] for options in (policy.READS, policy.MONEY))

    assert facts["redelivery"]["visibility_timeout"] > longest


def test_beat_looks_after_each_exchange_and_lets_missed_runs_expire(facts: dict[str, Any]) -> None:
    """One entry per exchange and duty, at the pace that one variable sets."""
    assert set(facts["beat"]) == {"reconcile-okx", "sync-positions-okx"}
    for entry in facts["beat"].values():
        assert entry["task"] in facts["tasks"]
        assert (entry["schedule"], entry["options"], entry["kwargs"]) == (5, {"expires": 5}, {"exchange": "okx"})


def test_wrong_setting_ends_the_command_with_a_sentence(tmp_path: Path) -> None:
    """Exit code 78 (EX_CONFIG), variable, rule and value on stderr, and no traceback."""
    done = run(tmp_path, "-m", "celery", "-A", "worker", "report", PAPER_FAULTS="okx:timeout=7")

    assert done.returncode == os.EX_CONFIG
    assert "PAPER_FAULTS must be a plan of faults (timeout of okx must be a share" in done.stderr
    assert "Traceback" not in done.stderr


def test_misspelt_queue_is_refused_at_start(tmp_path: Path, paper_redis: Redis) -> None:
    """`-Q` with a queue that nobody fills is an error, not a worker that waits for ever."""
    options = paper_redis.connection_pool.connection_kwargs
    url = f"redis://{options['host']}:{options['port']}/{options['db']}"
    command = ("-m", "celery", "-A", "worker", "worker", "-Q", "order", "--pool", "solo")
    done = run(tmp_path, *command, CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)

    assert done.returncode != 0
    assert "order" in done.stderr + done.stdout


def test_published_order_expires_with_its_signal(tmp_path: Path, paper_redis: Redis) -> None:
    """The message itself says until when the order is worth placing, and goes to the orders' queue."""
    options = paper_redis.connection_pool.connection_kwargs
    url = f"redis://{options['host']}:{options['port']}/{options['db']}"
    code = """
from datetime import UTC, datetime
from worker.tasks.orders import place_order
print(datetime.now(UTC).timestamp())
place_order.delay(bot_id="b", exchange="okx", symbol="BTC/USDT", side="buy", amount="1")
"""
    done = run(tmp_path, "-c", code, CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)

    assert done.returncode == 0, done.stderr
    message = json.loads(str(paper_redis.lindex("orders", 0)))
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "orders"}
    expires = datetime.fromisoformat(message["headers"]["expires"]).timestamp()
    assert 59 <= expires - float(done.stdout) <= 61
