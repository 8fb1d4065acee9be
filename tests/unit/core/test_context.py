"""Work is told by bot, exchange, symbol and strategy, found wherever a task's arguments hold them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import sentry_sdk
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from monitoring.context import (
    MAX_VALUE,
    ArgumentNames,
    TradingContext,
    normalised,
    set_trading_context,
    trading_context,
)
from monitoring.settings import CONTEXT_FIELDS

sentry_relay = pytest.importorskip("sentry_relay.processing")
RELAY = sentry_relay.StoreNormalizer()

NAMES = ArgumentNames.extended_by({})
FIELDS = st.sampled_from(CONTEXT_FIELDS)
TEXT = st.text(st.one_of(st.characters(), st.sampled_from("aß\n\t \0\x85\u2028İŉ")), max_size=600)
PLAIN = st.one_of(TEXT, st.integers(), st.uuids(), st.booleans(), st.none(), st.floats(), st.binary())


class Hostile:
    """Raise whatever is asked of it, its class included, like a proxy without a target."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class HostileText(str):
    """Be a text that cannot be read."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


class HostileDict(dict[str, Any]):
    """Be a dictionary that cannot be read."""

    def get(self, *_: object) -> Any:  # noqa: D102  # the class says it
        raise RuntimeError


@dataclass
class Order:
    """Hold context in a dataclass."""

    exchange: str
    symbol: str
    amount: float = 1.0

    @property
    def bot_id(self) -> str:
        """Raise, because a property may reach for a database."""
        raise AssertionError("a property was read")


class Tick(NamedTuple):
    """Hold context in a named tuple."""

    symbol: str
    price: float


class Plan(BaseModel):
    """Hold context in a model."""

    bot_id: int
    strategy: str


HOSTILE: Mapping[str, Callable[[], object]] = {
    "proxy": Hostile,
    "text": lambda: HostileText("x"),
    "dictionary": lambda: HostileDict(bot_id="x"),
    "number": lambda: 10**5000,
    "surrogate": lambda: "\ud800",
    "class": lambda: Order,
}
ANYTHING = st.one_of(
    PLAIN,
    *(st.builds(make) for make in HOSTILE.values()),
    st.dictionaries(FIELDS, PLAIN),
    st.lists(PLAIN, max_size=3),
)


class Number(IntEnum):
    """Give numbers by enumeration."""

    ONE = 1


class Venue(Enum):
    """Give names by enumeration, as trading code does."""

    BINANCE = "Binance"
    FIRST = Number.ONE


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("exchange", " Binance\n", "binance"),
        ("symbol", "btc/usdt:usdt", "BTC/USDT:USDT"),
        ("bot_id", "Bot\t7\x00", "Bot 7"),
        ("bot_id", 42, "42"),
        ("bot_id", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("exchange", Venue.BINANCE, "binance"),
        ("bot_id", Number.ONE, "1"),
        ("symbol", "ß" * 200, "S" * MAX_VALUE),
        ("symbol", "\x00 btc", "BTC"),
        ("strategy", "x" * 1000, "x" * MAX_VALUE),
        *[
            ("bot_id", nothing, None)
            for nothing in ("", "  ", "\x00", None, True, 1.5, b"bot", ["bot"], {"bot": 1}, object())
        ],
    ],
)
def test_a_value_has_one_spelling(field: str, value: object, expected: str | None) -> None:
    """Exchanges are lower case, symbols upper case, white space single; what is no plain name is unknown."""
    assert normalised(field, value) == expected


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_read_is_unknown(kind: str) -> None:
    """An object that raises is no name, and neither is its class or a number that no text holds."""
    hostile = HOSTILE[kind]()
    assert normalised("bot_id", hostile) is None
    found = NAMES.context_of(of_an_order, (hostile,), {"bot_id": hostile})
    assert found.known() == ({"bot_id": "x"} if kind == "dictionary" else {})


@given(FIELDS, ANYTHING)
def test_a_normalised_value_is_bounded_and_stays_as_it_is(field: str, value: object) -> None:
    """Whatever object comes: no exception, a bounded name, and the same name when a child normalises it."""
    text = normalised(field, value)
    assert text is None or (1 <= len(text) <= MAX_VALUE and normalised(field, text) == text)


@given(FIELDS, TEXT)
def test_relay_keeps_a_normalised_value_unchanged(field: str, value: str) -> None:
    """What we tag with is what an operator can search for."""
    text = normalised(field, value)
    if text is not None:
        assert RELAY.normalize_event({"platform": "python", "tags": {field: text}})["tags"] == [[field, text]]


def test_fields_that_are_no_context_are_left_out() -> None:
    """Only the four names leave; whatever else a mapping holds stays."""
    values = {"bot_id": "b", "exchange": None, "symbol": "eth", "api_key": "secret"}
    assert TradingContext.of(values) == TradingContext(bot_id="b", symbol="ETH")
    assert TradingContext.of(values).known() == {"bot_id": "b", "symbol": "ETH"}


def test_gaps_are_filled_and_nothing_is_overwritten() -> None:
    """What a task says of itself goes before what it inherits."""
    own, inherited = TradingContext(symbol="BTC"), TradingContext(symbol="ETH", bot_id="b")
    assert own.over(inherited) == TradingContext(symbol="BTC", bot_id="b")


def positional(bot_id: str, exchange: str, symbol: str, amount: float = 1) -> None:
    """Take context by position."""


def keyword_only(*, bot_id: str, exchange: str, symbol: str) -> None:
    """Take context by name."""


def open_ended(*args: object, **kwargs: object) -> None:
    """Take anything."""


def after_others(amount: float, /, bot_id: str, *rest: object, symbol: str) -> None:
    """Take context among other arguments."""


def with_defaults(order: object, exchange: str = "Binance", symbol: str = "btc") -> None:
    """Take context from the signature."""


def of_an_order(order: object, other: object = None) -> None:
    """Take context inside of other arguments."""


FULL = {"bot_id": "b1", "exchange": "kraken", "symbol": "ETH"}


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        (positional, ("b1", "Kraken", "eth"), {}, FULL),
        (positional, ("b1",), {"exchange": "kraken", "symbol": "eth"}, FULL),
        (keyword_only, (), {"bot_id": "b1", "exchange": "kraken", "symbol": "eth"}, FULL),
        (open_ended, ("b1", "kraken"), {"symbol": "eth"}, {"symbol": "ETH"}),
        (after_others, (5, "b1", "rest"), {"symbol": "eth"}, {"bot_id": "b1", "symbol": "ETH"}),
        (with_defaults, (None,), {}, {"exchange": "binance", "symbol": "BTC"}),
        (with_defaults, (None, "kraken"), {}, {"exchange": "kraken", "symbol": "BTC"}),
        (with_defaults, ({"exchange": "kraken"},), {}, {"exchange": "kraken", "symbol": "BTC"}),
        (of_an_order, ({"symbol": "eth", "exchange": "kraken", "bot_id": "b1", "secret": "x"},), {}, FULL),
        (of_an_order, (Order("kraken", "eth"), {"bot_id": "b1"}), {}, FULL),
        (of_an_order, (), {"order": Order("kraken", "eth"), "other": Plan(bot_id=7, strategy="grid")},
         {"bot_id": "7", "exchange": "kraken", "symbol": "ETH", "strategy": "grid"}),
        (of_an_order, (Tick("eth", 1.0),), {}, {"symbol": "ETH"}),
        (of_an_order, ([{"symbol": "eth"}], "symbol"), {}, {}),
        (of_an_order, (HostileDict(bot_id="b"),), {}, {"bot_id": "b"}),
        (partial(positional, "b1"), ("kraken", "eth"), {}, {"exchange": "kraken", "symbol": "ETH"}),
        (max, ({"symbol": "eth"},), {"exchange": "kraken"}, {"symbol": "ETH", "exchange": "kraken"}),
    ],
)  # fmt: skip
def test_context_is_found_in_the_arguments(
    function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object], expected: dict[str, str]
) -> None:
    """By signature, positional or not; then inside of containers; then by default; never from what is no field."""
    assert NAMES.context_of(function, args, kwargs).known() == expected


def test_equal_values_of_other_types_are_other_names() -> None:
    """What was found is kept by the arguments; 1, 1.0 and True are equal, and so are a text and its subclass."""

    class Name(str):
        __slots__ = ()

    def found(value: object) -> Mapping[str, str]:
        return NAMES.context_of(positional, (value,), {}).known()

    assert [found(value) for value in ("1", 1, True, 1.0, "1", None)] == [
        {"bot_id": "1"}, {"bot_id": "1"}, {}, {}, {"bot_id": "1"}, {},
    ]  # fmt: skip
    assert found(Name("kraken")) == found("kraken") == {"bot_id": "kraken"}


@given(st.lists(ANYTHING, max_size=6), st.dictionaries(FIELDS | st.just("amount"), ANYTHING))
@pytest.mark.parametrize("function", [positional, open_ended, of_an_order, with_defaults])
def test_looking_for_context_never_raises(
    function: Callable[..., object], args: list[object], kwargs: Mapping[str, object]
) -> None:
    """It runs inside of the user's task, before it: any argument is possible, a wrong number of them too."""
    known = NAMES.context_of(function, args, kwargs).known()
    assert all(normalised(field, value) == value for field, value in known.items())


def test_other_names_mean_a_field_by_the_operators_map() -> None:
    """`bot=bot_id,pair=symbol` names a platform's own arguments; a field's own name goes first."""
    names = ArgumentNames.extended_by({"bot": "bot_id", "pair": "symbol"})

    def trade(bot: str, pair: str, symbol: str | None = None) -> None: ...

    assert names.context_of(trade, ("b1", "eth"), {}).known() == {"bot_id": "b1", "symbol": "ETH"}
    assert names.context_of(trade, ("b1", "eth", "btc"), {}).known() == {"bot_id": "b1", "symbol": "BTC"}
    assert names.context_of(of_an_order, ({"pair": "eth"},), {}).known() == {"symbol": "ETH"}
    assert NAMES.context_of(trade, ("b1", "eth"), {}).known() == {}


@pytest.mark.parametrize(
    "options", [{}, {"bind": True}, {"autoretry_for": (OSError,)}, {"bind": True, "autoretry_for": (OSError,)}]
)
def test_a_task_is_read_by_the_function_that_it_was_made_of(app: Celery, options: dict[str, Any]) -> None:
    """Neither the bound task itself nor autoretry's wrapper shifts the positions."""

    def bound(self: object, bot_id: str, exchange: str, symbol: str = "btc") -> None: ...
    def plain(bot_id: str, exchange: str, symbol: str = "btc") -> None: ...

    place = app.task(shared=False, **options)(bound if options.get("bind") else plain)
    assert NAMES.context_of(place.run, ("b1", "kraken"), {}).known() == {**FULL, "symbol": "BTC"}


def tags() -> dict[str, str]:
    """Return what an event would be tagged with here."""
    event = sentry_sdk.get_isolation_scope().apply_to_event({}, {}) or {}
    return dict(sentry_sdk.get_current_scope().apply_to_event(event, {})["tags"])  # type: ignore[index]  # it is none


def test_a_block_binds_and_releases() -> None:
    """Inside, blocks add up; outside, nothing of them is left."""
    with trading_context(bot_id="b1", exchange="Kraken") as outer:
        assert outer == TradingContext("b1", "kraken")
        with trading_context(symbol="eth", exchange="binance") as inner:
            assert inner == TradingContext.current() == TradingContext("b1", "binance", "ETH")
        assert TradingContext.current() == outer
    assert TradingContext.current() == TradingContext()


def test_setting_binds_the_rest_of_the_task() -> None:
    """A field that is not named keeps its value; a tag set by hand with the SDK counts as well."""
    set_trading_context(bot_id="b1", exchange="kraken")
    set_trading_context(exchange="binance")
    sentry_sdk.set_tag("symbol", "eth")
    assert TradingContext.current() == TradingContext("b1", "binance", "ETH")


@pytest.mark.parametrize("bind", [set_trading_context, lambda **values: trading_context(**values).__enter__()])
def test_an_unknown_field_is_refused(bind: Callable[..., object]) -> None:
    """A misspelt name is a mistake in the code, told with the names that exist."""
    with pytest.raises(TypeError, match=r"has bot_id, exchange, symbol, strategy; got bot, pair"):
        bind(bot="b1", pair="eth", symbol="btc")


def test_context_is_bound_as_tags_and_as_attributes() -> None:
    """Tags reach events, attributes reach metrics, logs and streamed spans; neither reaches both."""
    scope = sentry_sdk.get_isolation_scope()
    TradingContext("b1", "kraken").bind(scope)
    assert scope._tags == scope._attributes == {"bot_id": "b1", "exchange": "kraken"}
