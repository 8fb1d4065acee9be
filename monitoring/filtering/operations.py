"""Which operation an error happened in, and whether it changes state at the exchange: whether money may have moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sentry_sdk.types import Event

    from monitoring.filtering.chain import Link


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READING: Final = _words_of(
    """
    analyse analyze calculate check describe estimate fetch find get list load parse poll preview query read reconcile
    request simulate subscribe sync test validate verify view wait watch
    """
)
_CHANGING: Final = _words_of(
    """
    amend borrow buy cancel close convert create deposit edit exit hedge liquidate liquidation long modify move open
    order place rebalance redeem reduce repay replace sell set short submit swap trade transfer withdraw withdrawal
    """
)
_NOUNS: Final = _words_of("book data fee fees history info limits price rate rates report status")
_CLOSING: Final = _words_of(
    "close exit hedge liquidate liquidation protect reduce sl stop stoploss takeprofit trailing"
)
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_TRUE: Final = frozenset({"true", "1", "yes", "on"})


@lru_cache(maxsize=1024)
def changes_state(operation: str) -> bool:
    """Tell by its name whether an operation changes state at the exchange: `buy_order`, `cancelOrder`, `set_leverage`.

    A reading word in front decides (`fetch_order`, `sync_positions`), or a thing read at the end (`order_book`); names
    that say nothing do not change state.
    """
    words = _words(operation)
    reads = not words or words[0] in _READING or words[-1] in _NOUNS
    return not reads and not _CHANGING.isdisjoint(words)


@lru_cache(maxsize=1024)
def closes_position(operation: str) -> bool:
    """Tell by its name whether an operation closes or protects a position: `close_position`, `place_stop_loss`."""
    words = _words(operation)
    return bool(words) and words[0] not in _READING and not _CLOSING.isdisjoint(words)


def _words(operation: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(operation.rpartition(".")[2]))


@dataclass(frozen=True, slots=True)
class Operation:
    """Say where an error happened, as far as it is known; what is not known is empty.

    `name` is what the application calls it (tag `operation`), else the task. `money`: it is declared to change state,
    or its name says so, or a ccxt method that does is in the traceback. On a testnet no money moves. `credential` is a
    hash.
    """

    name: str = ""
    task: str = ""
    exchange: str = ""
    symbol: str = ""
    bot: str = ""
    credential: str = ""
    money: bool = False
    closing: bool = False
    testnet: bool = False
    web: bool = False
    exhausted: bool = False


def operation_of(event: Event, chain: tuple[Link, ...] = ()) -> Operation:
    """Find out from an event's tags and contexts, and from the frames of its errors, what was being done."""
    tags = tags_of(event)
    contexts = event.get("contexts") or {}
    celery = contexts.get("celery") or {}
    task = tags.get("task", "")
    named = tags.get("operation", "")
    seen, credential = _seen_in_frames(chain)
    testnet = _is_testnet(tags)
    flagged = str(tags.get("moves_money", contexts.get("moves_money", ""))).lower() in _TRUE
    money = flagged or changes_state(named) or changes_state(seen)
    return Operation(
        name=named or task,
        task=task,
        exchange=tags.get("exchange", "") or _exchange_in(chain),
        symbol=tags.get("symbol", ""),
        bot=tags.get("bot_id", ""),
        credential=tags.get("credential", "") or credential,
        money=money and not testnet,
        closing=any(closes_position(name) for name in (named, seen, task)) and not testnet,
        testnet=testnet,
        web="request" in event and not celery and "celery_task_id" not in tags,
        exhausted=_exhausted(celery),
    )


def tags_of(event: Event) -> Mapping[str, str]:
    """Return the event's tags as a mapping of texts; Sentry also admits pairs."""
    tags: Any = event.get("tags")
    pairs = tags.items() if isinstance(tags, dict) else tags if isinstance(tags, list | tuple) else ()
    return {str(pair[0]): "" if pair[1] is None else str(pair[1]) for pair in pairs if len(pair) == _PAIR}


_PAIR: Final = 2


def _is_testnet(tags: Mapping[str, str]) -> bool:
    flagged = any(tags.get(name, "").lower() in _TRUE for name in ("testnet", "sandbox"))
    return flagged or tags.get("exchange", "").replace("_", "-").endswith(("-testnet", "-sandbox", "-demo"))


def _exhausted(celery: Mapping[str, Any]) -> bool:
    attempt, allowed = celery.get("attempt"), celery.get("max_retries")
    return isinstance(attempt, int) and isinstance(allowed, int) and attempt > 1 and attempt > allowed


#: How deep frames are searched, from the outermost; an error of ccxt has some ten.
_MAX_FRAMES: Final = 200


def _seen_in_frames(chain: tuple[Link, ...]) -> tuple[str, str]:
    """Return the ccxt method that the application called, and the fingerprint of the API key it called with."""
    for link in chain:
        traceback, depth = link.traceback, 0
        while traceback is not None and depth < _MAX_FRAMES:
            frame = traceback.tb_frame
            if frame.f_globals.get("__name__", "").startswith("ccxt."):
                return frame.f_code.co_name, _credential_of(frame.f_locals.get("self"))
            traceback, depth = traceback.tb_next, depth + 1
    return "", ""


def _credential_of(client: object) -> str:
    try:
        key = getattr(client, "apiKey", None)
    except Exception:  # noqa: BLE001  # anybody's object
        return ""
    return credential_hash(key) if isinstance(key, str) and key else ""


def credential_hash(key: str) -> str:
    """Return a short name for an API key that does not lead back to it: keys are long and random."""
    return blake2b(key.encode(), digest_size=8).hexdigest()


def _exchange_in(chain: tuple[Link, ...]) -> str:
    for link in chain:
        if link.lineage[0][0].partition(".")[0] == "ccxt" and (
            found := re.match(r"([a-z][a-z0-9]{1,30})\s", link.message)
        ):
            return found[1]
    return ""
