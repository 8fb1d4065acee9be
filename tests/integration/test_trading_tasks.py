"""A real worker trades on paper: once, whatever goes wrong on the way."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from celery.result import AsyncResult

from tests.harness.polling import PATIENCE_SECONDS, wait_until
from tests.harness.process import LocalProcess
from tests.harness.sentry import tagged
from tests.harness.stage import Stage
from tests.harness.worker import Worker, process_environment
from worker.arguments import OrderRequest, client_order_id_of
from worker.exchanges import PaperExchange, paper_market
from worker.exchanges.faults import set_faults
from worker.ledger import Ledger
from worker.momentum import analyse
from worker.store import connect

RISING, FALLING = "BTC/USDT", "ETH/USDT"
TREND_LASTS = 150  # seconds; longer than this module takes

Send = Callable[..., AsyncResult]


def _trend(seed: int, symbol: str, at: float) -> str:
    path = paper_market.candles(seed, "binance", symbol, until=at, interval_seconds=60, limit=100)
    return analyse(list(path)).trend


@pytest.fixture(scope="module")
def seed() -> int:
    """Choose a market in which, as long as these tests run, one symbol rises and another falls."""
    now = time.time()
    moments = [now + seconds for seconds in range(0, TREND_LASTS, 6)]
    return next(
        seed
        for seed in range(100_000)
        if all(_trend(seed, RISING, at) == "up" and _trend(seed, FALLING, at) == "down" for at in moments)
    )


@pytest.fixture(scope="module")
def worker(module_stage: Stage, seed: int) -> Worker:
    """Run the trading worker, all queues, two processes."""
    return module_stage.start_worker(
        app="worker", queue="orders,market,default", env={"PAPER_SEED": str(seed), "PAPER_FAULTS": ""}
    )


@pytest.fixture
def bot() -> str:
    """Name a bot, with an account of its own, for one test."""
    return f"bot-{uuid4().hex[:8]}"


@pytest.fixture
def paper(module_stage: Stage, seed: int, bot: str) -> Iterator[PaperExchange]:
    """See the bot's account as the exchange has it; faults set here end with the test."""
    client = connect(module_stage.database.url)
    yield PaperExchange("binance", bot, client, seed=seed)
    set_faults(client, "")
    client.close()


@pytest.fixture
def send(worker: Worker, bot: str) -> Send:
    """Send a task of the bot's: `send("orders.place_order", side="buy", amount="1")`."""

    def send(name: str, **arguments: object) -> AsyncResult:
        signature = worker.app.signature(f"worker.tasks.{name}", queue="orders")
        return signature.apply_async(kwargs={"bot_id": bot, "exchange": "binance", "symbol": RISING, **arguments})

    return send


def answer(result: AsyncResult) -> Any:
    """Wait for a task's result."""
    return result.get(timeout=PATIENCE_SECONDS)


def failure(result: AsyncResult) -> str:
    """Wait for a task to fail and return the name of its error's class."""
    wait_until(result.ready, lambda: f"the task to end, it is {result.state}")
    assert result.state == "FAILURE"
    return type(result.result).__name__


def test_order_is_placed_and_told_in_plain_json(send: Send, paper: PaperExchange) -> None:
    """The result carries money as exact text, under the id that belongs to the task; the ledger is clean again."""
    task = send("orders.place_order", side="buy", amount="0.50")
    order = answer(task)

    assert (order["status"], order["amount"], order["bot_id"]) == ("closed", "0.50", paper.account)
    assert Decimal(order["filled"]) == Decimal("0.5")
    assert order["client_order_id"] == client_order_id_of(task.id)
    assert Decimal(order["cost"]) == paper.fetch_order(order["client_order_id"], RISING).cost
    assert Ledger("binance", paper.server).unsettled(older_than_seconds=0) == []


def test_lost_answer_is_one_order(send: Send, paper: PaperExchange, module_stage: Stage) -> None:
    """The order was placed, its answer lost: the retry asks, finds it, and pays no second time.

    Every answer to `create_order` is lost here, so only asking can have succeeded.
    """
    set_faults(paper.server, "binance:create_order.lost=1")

    order = answer(send("orders.place_order", side="buy", amount="0.5"))

    assert order["status"] == "closed"
    assert [position.amount for position in paper.fetch_positions()] == [Decimal("0.5")]
    retried = tagged(bot_id=paper.account, outcome="retry")
    assert module_stage.sentry.wait_for("transaction", 1, where=retried)


def test_order_that_never_gets_through_fails_once_and_is_settled_by_reconcile(
    send: Send, paper: PaperExchange, worker: Worker, module_stage: Stage
) -> None:
    """Five attempts, one error event of unknown order state; then `reconcile` finds that there is no such order."""
    set_faults(paper.server, "binance:create_order.timeout=1")
    task = send("orders.place_order", side="buy", amount="0.5")

    assert failure(task) == "RequestTimeout"
    assert not paper.fetch_positions()
    event = module_stage.sentry.one("event", tagged(bot_id=paper.account))
    assert (event["tags"]["attempt"], event["tags"]["operation"]) == ("5", "buy_order")
    reconcile = worker.app.signature("worker.tasks.positions.reconcile", queue="default")
    report = answer(reconcile.apply_async(kwargs={"exchange": "binance", "older_than_seconds": 0}))
    assert [order["client_order_id"] for order in report["missing"]] == [client_order_id_of(task.id)]
    assert Ledger("binance", paper.server).unsettled(older_than_seconds=0) == []


def test_order_that_nobody_waited_for_is_told_by_reconcile(
    paper: PaperExchange, worker: Worker, module_stage: Stage
) -> None:
    """A task that died after its order was placed: `reconcile` finds the order and warns, with bot and symbol."""
    request = OrderRequest(paper.account, "binance", RISING, "buy", Decimal("0.5"), None, "orphan")
    Ledger("binance", paper.server).begin(request)
    paper.create_order("orphan", RISING, "buy", Decimal("0.5"))

    reconcile = worker.app.signature("worker.tasks.positions.reconcile", queue="default")
    report = answer(reconcile.apply_async(kwargs={"exchange": "binance", "older_than_seconds": 0}))

    assert [order["client_order_id"] for order in report["placed"]] == ["orphan"]
    event = module_stage.sentry.one("event", tagged(bot_id=paper.account))
    assert (event["level"], event["tags"]["symbol"]) == ("warning", RISING)


def test_killed_process_places_no_second_order(send: Send, paper: PaperExchange, worker: Worker) -> None:
    """SIGKILL while the answer is on its way: the retry is counted, and finds the order or places it, once."""
    set_faults(paper.server, "binance:create_order.slow=1@20s")
    before = worker.child_pids
    task = send("orders.place_order", side="buy", amount="0.5")
    wait_until(lambda: task.state == "STARTED", "the task to start")
    wait_until(lambda: Ledger("binance", paper.server).unsettled(older_than_seconds=0), "the order to be sent")

    set_faults(paper.server, "")
    for pid in before:
        psutil.Process(pid).kill()

    assert answer(task)["status"] == "closed"
    assert [position.amount for position in paper.fetch_positions()] == [Decimal("0.5")]


def test_wrong_arguments_are_refused_at_once(send: Send, paper: PaperExchange) -> None:
    """No retry can help, nothing was sent, and the error names every mistake."""
    task = send("orders.place_order", side="hold", amount="-1")

    assert failure(task) == "BadRequest"
    assert str(task.result) == (
        "side must be one of buy, sell, got 'hold'; amount must be a number above 0 and up to 1e+12, got '-1'"
    )
    assert Ledger("binance", paper.server).unsettled(older_than_seconds=0) == []


def test_an_error_shows_the_platforms_own_code(send: Send, paper: PaperExchange, module_stage: Stage) -> None:
    """The frames of worker modules are the application's, wherever it is installed and whatever folder it runs in."""
    assert failure(send("orders.place_order", side="sell", amount="1", symbol="NO/SUCH")) == "BadSymbol"
    event = module_stage.sentry.one("event", tagged(bot_id=paper.account))
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert {frame["module"].partition(".")[0] for frame in frames if frame.get("in_app")} == {"worker"}
    assert "worker.tasks.orders" in {frame["module"] for frame in frames if frame.get("in_app")}


def test_refused_order_is_not_left_open(send: Send, paper: PaperExchange) -> None:
    """What the exchange refused does not exist for certain: it is an error once, and nothing to reconcile."""
    assert failure(send("orders.place_order", side="sell", amount="1000")) == "InsufficientFunds"
    assert Ledger("binance", paper.server).unsettled(older_than_seconds=0) == []


def test_cancelling_again_is_no_error(send: Send) -> None:
    """An order that is cancelled or filled already is told as it is; one that never was is an error."""
    resting = answer(send("orders.place_order", side="buy", amount="0.5", price="30000"))
    cancel = {"client_order_id": resting["client_order_id"]}

    assert resting["status"] == "open"
    assert answer(send("orders.cancel_order", **cancel))["status"] == "canceled"
    assert answer(send("orders.cancel_order", **cancel))["status"] == "canceled"
    assert failure(send("orders.cancel_order", client_order_id="never")) == "OrderNotFound"


def test_analysis_is_that_of_the_market(send: Send, bot: str) -> None:
    """Indicators as numbers, money as text, and the trend that this market was chosen for."""
    analysis = answer(send("market.analyze_market"))

    assert (analysis["bot_id"], analysis["symbol"], analysis["candles"]) == (bot, RISING, 100)
    assert (analysis["trend"], analysis["rsi"] >= 55, analysis["macd"]["histogram"] > 0) == ("up", True, True)
    assert Decimal(analysis["close"]) > 0


def test_strategy_buys_a_rising_market_once(send: Send, paper: PaperExchange, worker: Worker) -> None:
    """An entry, its take-profit and a synchronisation run as a chain; the next run holds, and says why."""
    first = answer(send("strategy.run_strategy"))

    assert first["action"] == "buy"
    assert [step["task"].rpartition(".")[2] for step in first["tasks"]] == [
        "place_order",
        "place_order",
        "sync_positions",
    ]
    last = answer(AsyncResult(first["tasks"][-1]["id"], app=worker.app))
    assert [item["symbol"] for item in last["positions"]] == [RISING]
    assert [(order["side"], order["status"]) for order in last["open_orders"]] == [("sell", "open")]
    (position,) = paper.fetch_positions()
    assert position.amount == paper.fetch_open_orders()[0].amount
    second = answer(send("strategy.run_strategy"))
    assert (second["action"], second["tasks"]) == ("hold", [])
    assert second["reason"] == f"the trend is up and {position.amount} BTC are held already"


def test_strategy_leaves_a_falling_market(send: Send, paper: PaperExchange, worker: Worker) -> None:
    """With a position: its resting orders are cancelled, then it is sold. Without one: there is nothing to do."""
    idle = answer(send("strategy.run_strategy", symbol=FALLING))
    paper.create_order("entry", FALLING, "buy", Decimal(2))
    paper.create_order("goal", FALLING, "sell", Decimal(2), Decimal(9000))
    exit_ = answer(send("strategy.run_strategy", symbol=FALLING))
    answer(AsyncResult(exit_["tasks"][-1]["id"], app=worker.app))

    assert (idle["action"], idle["reason"]) == ("hold", "the trend is down and no ETH is held")
    assert exit_["action"] == "sell"
    assert paper.fetch_positions() == []
    assert paper.fetch_order("goal", FALLING).status == "canceled"


def test_beat_keeps_every_bot_in_step(
    send: Send, paper: PaperExchange, module_stage: Stage, seed: int, tmp_path: Path
) -> None:
    """Beat starts the round; each bot that trades is synchronised by a task of its own, into the ledger."""
    answer(send("orders.place_order", side="buy", amount="0.25"))
    env = process_environment(
        module_stage.database.url,
        module_stage.sentry.dsn,
        {"TRADING_BEAT_SECONDS": "1", "TRADING_EXCHANGES": "binance", "PAPER_SEED": str(seed)},
    )
    beat = LocalProcess("beat", [sys.executable, "-m", "celery", "-A", "worker", "beat"], env=env, cwd=tmp_path)
    try:
        page = wait_until(
            lambda: paper.server.hget("trading:binance:positions", paper.account),
            lambda: beat.logs().decode(),
        )
    finally:
        beat.stop()

    (position,) = json.loads(str(page))["positions"]
    assert (position["symbol"], Decimal(position["amount"])) == (RISING, Decimal("0.25"))


def test_order_can_be_sent_by_hand(worker: Worker, module_stage: Stage, bot: str, tmp_path: Path) -> None:
    """`celery -A worker call` reaches the same task."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "celery", "-A", "worker"),
            *("call", "worker.tasks.orders.place_order", "--kwargs"),
            f'{{"bot_id": "{bot}", "exchange": "okx", "symbol": "{RISING}", "side": "buy", "amount": "0.1"}}',
        ],
        env=process_environment(module_stage.database.url, module_stage.sentry.dsn),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer(AsyncResult(done.stdout.strip(), app=worker.app))["status"] == "closed"
