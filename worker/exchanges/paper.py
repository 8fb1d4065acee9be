"""The paper exchange: real books, no money.

Prices come from `paper_market`, the rules of an account from `paper_account`, what goes wrong from `faults`. This file
keeps the books in the Redis server, where every worker process finds the same:

    paper:<exchange>:account:<account>         the account, as one value
    paper:<exchange>:order:<account>:<id>      each order by its client order id; a closed one for an hour
    paper:<exchange>:taken:<symbol>:<slot>     what was taken from the order book in this second
    paper:<exchange>:requests                  the number of the latest request
    paper:faults                               the plan of faults that was set at run time

Every change is one optimistic transaction (WATCH, then MULTI): two processes that place the same client order id at the
same instant get the same order.

The clock is wall time in epoch seconds, because processes and hosts share it; give another to hold the market still.
Resting orders are matched when their account is next looked at, against the path that prices took meanwhile; nobody has
to run for it.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from hashlib import blake2b
from typing import Any, TypeVar, cast

import redis
from redis.client import Pipeline

from worker import errors
from worker.exchanges import paper_account, paper_market
from worker.exchanges.faults import FAULTS_KEY, plan_of
from worker.exchanges.interface import Balance, Candle, Level, Market, Order, OrderBook, Position, Side
from worker.fault_plan import KINDS, Rule
from worker.store import translated

CLOSED_ORDER_SECONDS = 3600
"""How long a closed order is remembered: far longer than any task's retries and redeliveries can take."""

_SLOT_SECONDS = 60  # how long what was taken of a slot's book is kept; only the current slot is ever read
_PRICES_LOOKED_AT = 600  # per resting order and look; a longer absence is looked at in wider steps

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PaperExchange:
    """One account at a paper exchange; see `worker.exchanges.interface.Exchange` for what each method promises."""

    name: str
    account: str
    server: redis.Redis
    seed: int = 1
    faults: str = ""
    clock: Callable[[], float] = field(default=time.time, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def fetch_market(self, symbol: str) -> Market:
        """Return the rules of `symbol`; they never change, so this asks nobody and nothing can go wrong on the way."""
        return paper_market.market(symbol)

    def fetch_candles(self, symbol: str, *, interval_seconds: int = 60, limit: int = 100) -> list[Candle]:
        """Return the latest candles; the last one ends now."""
        with self._request("fetch_candles"):
            path = paper_market.candles(
                self.seed, self.name, symbol, until=self.clock(), interval_seconds=interval_seconds, limit=limit
            )
            return list(path)

    def fetch_order_book(self, symbol: str) -> OrderBook:
        """Return this second's book without what anybody has already taken from it. Resting orders are not shown."""
        with self._request("fetch_order_book"):
            slot = self._slot()
            taken = cast("dict[str, str]", self.server.hgetall(self._taken_key(symbol, slot)))
            book = paper_market.order_book(self.seed, self.name, symbol, slot)
            return OrderBook(symbol, bids=_without(taken, book.bids), asks=_without(taken, book.asks))

    def fetch_balance(self) -> dict[str, Balance]:
        """Return every currency of the account."""
        with self._request("fetch_balance"):
            account = self._settled()
            return {currency: account.balance(currency) for currency in account.totals}

    def fetch_positions(self) -> list[Position]:
        """Return what trading has added up to since the account was first used."""
        with self._request("fetch_positions"):
            return sorted(self._settled().positions, key=lambda position: position.symbol)

    def fetch_open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the resting orders, the oldest first."""
        with self._request("fetch_open_orders"):
            return [order for order in self._settled().open_orders if symbol in (None, order.symbol)]

    def fetch_order(self, client_order_id: str, symbol: str) -> Order:
        """Return the order by the id its sender gave it."""
        with self._request("fetch_order"):
            self._settled()
            text = cast("str | None", self.server.get(self._order_key(client_order_id)))
            order = paper_account.order_from_facts(json.loads(text)) if text else None
            if order is None or order.symbol != symbol:
                raise errors.OrderNotFound(f"{self.name} has no order {client_order_id!r} of {symbol}")
            return order

    def create_order(
        self, client_order_id: str, symbol: str, side: Side, amount: Decimal, price: Decimal | None = None
    ) -> Order:
        """Place an order, or answer with the one that already has this id; another one raises `DuplicateOrderId`."""
        with self._request("create_order"):
            paper_market.market(symbol)
            slot = self._slot()
            taken_key = self._taken_key(symbol, slot)
            wanted = Order(
                id=blake2b(f"{self.name} {self.account} {client_order_id}".encode(), digest_size=8).hexdigest(),
                client_order_id=client_order_id,
                exchange=self.name,
                symbol=symbol,
                side=side,
                amount=amount,
                price=price,
                placed_at=self.clock(),
            )

            def place(transaction: Pipeline) -> Order:
                text = cast("str | None", transaction.get(self._order_key(client_order_id)))
                if text is not None:
                    return _same(paper_account.order_from_facts(json.loads(text)), wanted)
                account, done = self._matched(self._read(transaction), slot)
                book = paper_market.order_book(self.seed, self.name, symbol, slot)
                before = cast("dict[str, str]", transaction.hgetall(taken_key))
                levels = book.asks if side == "buy" else book.bids
                account, order, taken = paper_account.place(account, wanted, _without(before, levels), levels[0][0])
                transaction.multi()
                self._write(transaction, account, *done, order)
                for level, part in taken.items():
                    already = Decimal(before.get(str(level), "0"))
                    transaction.hset(taken_key, str(level), str(already + part))
                if taken:
                    transaction.expire(taken_key, _SLOT_SECONDS)
                return order

            return self._transaction(place, self._order_key(client_order_id), taken_key)

    def cancel_order(self, client_order_id: str, symbol: str) -> Order:
        """Take a resting order out of the book."""
        with self._request("cancel_order"):
            slot = self._slot()

            def take_out(transaction: Pipeline) -> Order:
                account, done = self._matched(self._read(transaction), slot)
                account, order = paper_account.cancel(account, client_order_id, symbol)
                transaction.multi()
                self._write(transaction, account, *done, order)
                return order

            return self._transaction(take_out)

    @contextmanager
    def _request(self, operation: str) -> Iterator[None]:
        """Let happen what the plan of faults has for this request, around the work itself."""
        with translated():
            pipeline = self.server.pipeline(transaction=False)
            pipeline.incr(f"paper:{self.name}:requests")
            pipeline.get(FAULTS_KEY)
            number, text = pipeline.execute()
        plan = plan_of(self.faults if text is None else text)
        strikes = tuple(plan.strikes(self.name, operation, number=number, seed=self.seed, now=self.clock()))
        lost = [strike for strike in strikes if strike.kind == "lost"]
        for strike in strikes:
            if strike.kind == "slow":
                self.sleep(strike.seconds)
            elif strike.kind != "lost":
                self._raise(strike, operation)
        with translated():
            yield
        for strike in lost:
            self._raise(strike, operation)

    def _raise(self, strike: Rule, operation: str) -> None:
        kind = KINDS[strike.kind]
        if kind.error is not None:
            raise kind.error(f"{self.name} {operation}: {self.name} {kind.message}")

    def _settled(self) -> paper_account.Account:
        """Match the resting orders against the prices since the last look, and return the account."""
        account = self._read(self.server)
        slot = self._slot()
        if not account.open_orders or account.settled_at >= slot:
            return account

        def settle(transaction: Pipeline) -> paper_account.Account:
            settled, done = self._matched(self._read(transaction), slot)
            transaction.multi()
            self._write(transaction, settled, *done)
            return settled

        return self._transaction(settle)

    def _matched(self, account: paper_account.Account, slot: int) -> tuple[paper_account.Account, tuple[Order, ...]]:
        def reached(order: Order) -> bool:
            since = max(account.settled_at, int(order.placed_at))
            step = max(1, (slot - since) // _PRICES_LOOKED_AT)
            prices = (
                paper_market.mid_price(self.seed, self.name, order.symbol, at) for at in range(slot, since, -step)
            )
            limit = order.price or Decimal(0)
            return any(price <= limit if order.side == "buy" else price >= limit for price in prices)

        return paper_account.settle(account, slot, reached)

    def _transaction(self, change: Callable[[Pipeline], T], *watched: str) -> T:
        """Run `change` until nobody has interfered; what it raises leaves everything as it was."""
        watched = (self._account_key(), *watched)
        answer: Any = self.server.transaction(change, *watched, value_from_callable=True)  # type: ignore[arg-type]  # redis types the callable as if its value were never asked for
        return cast("T", answer)

    def _read(self, source: redis.Redis) -> paper_account.Account:
        text = cast("str | None", source.get(self._account_key()))
        return paper_account.Account.from_text(text) if text else paper_account.Account()

    def _write(self, transaction: Pipeline, account: paper_account.Account, *changed: Order) -> None:
        transaction.set(self._account_key(), account.to_text())
        for order in changed:
            kept_for = None if order.status == "open" else CLOSED_ORDER_SECONDS
            transaction.set(self._order_key(order.client_order_id), json.dumps(asdict(order), default=str), ex=kept_for)

    def _slot(self) -> int:
        return int(self.clock())

    def _account_key(self) -> str:
        return f"paper:{self.name}:account:{self.account}"

    def _order_key(self, client_order_id: str) -> str:
        return f"paper:{self.name}:order:{self.account}:{client_order_id}"

    def _taken_key(self, symbol: str, slot: int) -> str:
        return f"paper:{self.name}:taken:{symbol}:{slot}"


def _without(taken: dict[str, str], levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return what is left of `levels`; both sides share one hash, their prices never meet."""
    left = ((price, amount - Decimal(taken.get(str(price), "0"))) for price, amount in levels)
    return tuple((price, amount) for price, amount in left if amount > 0)


def _same(existing: Order, wanted: Order) -> Order:
    """Return the existing order if it is the one that is wanted again."""
    facts = ("symbol", "side", "amount", "price")
    if any(getattr(existing, name) != getattr(wanted, name) for name in facts):
        raise errors.DuplicateOrderId(
            f"client order id {wanted.client_order_id!r} belongs to another order: "
            f"{existing.side} {existing.amount} {existing.symbol}"
        )
    return replace(existing)
