"""Many processes trade on one paper account, and its books stay right."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from redis import Redis

from tests.harness.polling import wait_until
from tests.harness.server import Server
from worker.exchanges.paper import PaperExchange
from worker.exchanges.paper_market import STARTING_BALANCES, order_book
from worker.store import connect

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 6
BTC = "BTC/USDT"
# Each process says that it is ready, waits for the start, trades, and prints what it got.
TRADER = """
import json, sys
from decimal import Decimal
from worker.errors import BaseError
from worker.exchanges import as_json
from worker.exchanges.paper import PaperExchange
from worker.store import connect

url, number = sys.argv[1], int(sys.argv[2])
server = connect(url)
paper = PaperExchange("binance", "shared", server)
server.incr("ready")
while not server.blpop("start", timeout=2):
    pass
{body}
"""
SAME_ORDER = 'print(json.dumps(as_json(paper.create_order("the-one", "BTC/USDT", "buy", Decimal("0.5")))))'
MANY_ORDERS = """
for turn in range(15):
    side, price = ("buy", None) if turn % 3 == 0 else ("sell", None) if turn % 3 == 1 else ("buy", Decimal(59_000))
    order_id = f"{number}-{turn}"
    try:
        paper.create_order(order_id, "BTC/USDT", side, Decimal("0.7") + number * Decimal("0.1"), price)
        print(order_id)
        if turn % 6 == 5:
            paper.cancel_order(order_id, "BTC/USDT")
    except BaseError as error:
        print(f"{order_id} {type(error).__name__}", file=sys.stderr)
"""


@pytest.fixture
def shared(server: Server) -> Iterator[PaperExchange]:
    """Look at the account that the processes trade on."""
    database = server.new_database()
    client = connect(database.url)
    yield PaperExchange("binance", "shared", client)
    client.close()
    database.close()


def _trade(server: Redis, url: str, body: str) -> list[str]:
    """Run `body` in every process at the same instant and return the lines they printed."""
    command = [sys.executable, "-W", "ignore", "-c", TRADER.format(body=body), url]
    traders = [
        subprocess.Popen([*command, str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    wait_until(lambda: int(server.get("ready") or 0) == PROCESSES, "every trader to be ready")
    server.rpush("start", *range(PROCESSES))
    printed = [trader.communicate(timeout=60)[0] for trader in traders]
    assert [trader.returncode for trader in traders] == [0] * PROCESSES
    return [line for text in printed for line in text.splitlines()]


def _url(server: Redis) -> str:
    options = server.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options['db']}"


def test_same_client_order_id_in_many_processes_is_one_order(shared: PaperExchange) -> None:
    """All who place it at the same instant get the same order, and it is paid for once."""
    answers = _trade(shared.server, _url(shared.server), SAME_ORDER)

    assert len(answers) == PROCESSES
    assert len(set(answers)) == 1
    order = json.loads(answers[0])
    assert (order["status"], Decimal(order["filled"])) == ("closed", Decimal("0.5"))
    assert shared.fetch_positions()[0].amount == Decimal("0.5")
    paid = Decimal(order["cost"]) + Decimal(order["fee"])
    assert shared.fetch_balance()["USDT"].total == STARTING_BALANCES["USDT"] - paid


def test_money_is_conserved_when_many_processes_trade(shared: PaperExchange) -> None:
    """Every total is what the account began with and its orders' fills, and nothing is negative."""
    placed = _trade(shared.server, _url(shared.server), MANY_ORDERS)

    orders = [shared.fetch_order(client_order_id, BTC) for client_order_id in placed]
    bought = sum(order.filled if order.side == "buy" else -order.filled for order in orders)
    paid = sum(order.fee + (order.cost if order.side == "buy" else -order.cost) for order in orders)
    balance = shared.fetch_balance()
    assert len(orders) > PROCESSES * 5
    assert balance["BTC"].total == STARTING_BALANCES["BTC"] + bought
    assert balance["USDT"].total == STARTING_BALANCES["USDT"] - paid
    assert all(item.free >= 0 and item.locked >= 0 for item in balance.values())


def test_order_book_is_sold_once_when_many_processes_want_it(shared: PaperExchange) -> None:
    """In each second the processes together take no more of a price than was offered at it, and all that is written."""
    placed = _trade(shared.server, _url(shared.server), MANY_ORDERS)

    sold = Decimal(0)
    for key in map(str, shared.server.keys("paper:binance:taken:*")):
        book = order_book(shared.seed, shared.name, BTC, int(key.rpartition(":")[2]))
        offered = dict(book.bids + book.asks)
        taken = {Decimal(str(price)): Decimal(str(part)) for price, part in shared.server.hgetall(key).items()}
        assert all(part <= offered[price] for price, part in taken.items())
        sold += sum(taken.values())
    orders = [shared.fetch_order(client_order_id, BTC) for client_order_id in placed]
    resting = sum(order.filled for order in orders if order.price is not None)
    assert sold <= sum(order.filled for order in orders) <= sold + resting
