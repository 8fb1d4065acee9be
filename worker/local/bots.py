"""Five made-up bots and what they ask of the platform: an endless sequence, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCHANGES: Final = ("binance", "kraken", "okx")
_BOTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {  # what each bot trades, and where
    "bot-alpha": (("binance", "BTC/USDT"), ("kraken", "BTC/USDT")),
    "bot-bravo": (("binance", "ETH/USDT"), ("okx", "ETH/USDT")),
    "bot-carol": (("kraken", "SOL/USDT"), ("okx", "SOL/USDT")),
    "bot-delta": (("binance", "SOL/USDT"), ("kraken", "ETH/USDT")),
    "bot-eagle": (("okx", "BTC/USDT"), ("binance", "XRP/USDT")),
}
_AMOUNT: Final = {  # of about 500 USDT, and the digits that every exchange takes
    "BTC/USDT": (0.01, 3),
    "ETH/USDT": (0.2, 3),
    "SOL/USDT": (4.0, 2),
    "XRP/USDT": (900.0, 0),
}
_STRATEGY_EVERY: Final = 5


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the trading API."""

    path: str
    body: dict[str, str]


def requests(seed: int, run: str) -> Iterator[Request]:
    """Yield what the bots ask for, in turn; every fifth request runs a strategy, the others place an order.

    ``run`` makes the orders of this run different from those of any other run with the same seed, and a request that
    is sent twice the same order.
    """
    chance = random.Random(seed)  # noqa: S311 - a game, repeatable on purpose
    for number in count():
        bot_id = chance.choice(tuple(_BOTS))
        exchange, symbol = chance.choice(_BOTS[bot_id])
        target = {"bot_id": bot_id, "exchange": exchange, "symbol": symbol}
        usual, digits = _AMOUNT[symbol]
        side, amount = chance.choice(("buy", "sell")), f"{usual * chance.uniform(0.5, 1.5):.{digits}f}"
        if number % _STRATEGY_EVERY == _STRATEGY_EVERY - 1:
            yield Request("/api/trading/strategies", {**target, "strategy": "momentum"})
        else:
            order = {"side": side, "amount": amount, "client_order_id": f"{run}-{number}"}
            yield Request("/api/trading/orders", {**target, **order})
