"""No argument of a task leaves in a local variable, in whatever it is wrapped; what is none stays readable."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import sentry_sdk
from celery import Celery, signals
from hypothesis import example, given
from hypothesis import strategies as st
from sentry_sdk.serializer import serialize
from sentry_sdk.utils import event_from_exception

import monitoring
from monitoring.context import ArgumentNames
from monitoring.scrubbing import scrub_value
from monitoring.signals import argument_texts
from monitoring.signals.arguments import MARK, conceal
from tests.harness.sentry import Sentry
from tests.unit.core.conftest import Start
from tests.unit.core.test_cheap_attempts import run

NAMES = ArgumentNames.extended_by({"pair": "symbol"})


@dataclass
class Held:
    """An object of the application's that shows what it holds."""

    of: object


@dataclass(slots=True)
class Slotted:
    """The same without a dictionary of its own."""

    of: object


class Opaque:
    """An object that shows nothing of what it holds."""

    def __init__(self, of: object) -> None:
        self.of = of


class Broken:
    """An object that nobody may look at, except hypothesis."""

    closed = False

    def __repr__(self) -> str:
        if Broken.closed:
            raise ValueError("no text")
        return "Broken()"

    __str__ = __repr__

    def __getattribute__(self, name: str) -> Any:
        if Broken.closed:
            raise ValueError(name)
        return super().__getattribute__(name)


@contextmanager
def closed() -> Iterator[None]:
    """Let nobody look."""
    Broken.closed = True
    try:
        yield
    finally:
        Broken.closed = False


def trade(order: object, bot_id: object = None, *rest: object, pair: object = None, **more: object) -> NoReturn:
    """Stand for a task's function."""
    raise RuntimeError("refused")


def concealed(value: object, *args: object, tags: dict[str, str] | None = None, **kwargs: object) -> Any:
    """Return what is told of a local variable outside of the task's function, which had these arguments."""
    event: Any = {"tags": tags or {}, "stacktrace": {"frames": [{"vars": serialize({"x": value}, is_vars=True)}]}}
    conceal(event, SimpleNamespace(run=trade), SimpleNamespace(args=args, kwargs=kwargs), NAMES)
    (frame,) = event["stacktrace"]["frames"]
    return frame["vars"]["x"]


def inside(text: st.SearchStrategy[Any], wrappers: list[Callable[[Any], object]]) -> st.SearchStrategy[Any]:
    """Wrap a value up, several times over."""
    return st.recursive(
        text, lambda inner: st.builds(lambda wrap, value: wrap(value), st.sampled_from(wrappers), inner)
    )


#: How an argument may hold a value; and how a local variable may.
IN_ARGUMENTS: list[Callable[[Any], object]] = [
    lambda value: [value, 7],
    lambda value: (None, value),
    lambda value: {"of": value},
    Held,
    Slotted,
    Opaque,
]
IN_VARIABLES: list[Callable[[Any], object]] = [
    lambda value: [value, 7],
    lambda value: {"of": value},
    lambda value: {repr(value): 1},
    Held,
    repr,
    str,
    lambda value: f"refused: {value!r} again",
    lambda value: repr(value).encode(),
    lambda value: json.dumps(repr(value)),
]


def bare(text: str) -> str:
    """Return a text without quotes, escapes and white space."""
    return argument_texts._bare(text)


@given(text=st.text(min_size=4, max_size=40).filter(lambda text: len(bare(text)) >= 4), data=st.data())
def test_no_text_of_an_argument_is_let_through(text: str, data: st.DataObject) -> None:
    """Wherever it stands in the arguments and wherever in a variable, four characters of it are enough."""
    argument = data.draw(inside(st.just(text), IN_ARGUMENTS))
    told = str(concealed(data.draw(inside(st.just(text), IN_VARIABLES)), argument)).replace(MARK, "")
    assert bare(text) not in bare(told)
    assert bare(repr(text)[1:-1]) not in bare(told)


FLOATS = st.floats(min_value=0.0123, max_value=1e12).filter(lambda number: len(repr(number)) >= 4)


@given(number=st.integers(min_value=1000) | FLOATS, data=st.data())
def test_no_number_of_an_argument_is_let_through(number: float, data: st.DataObject) -> None:
    """A number is known by itself and in a text, as a decimal as well, and never by a part of another number."""
    wrapped = data.draw(inside(st.just(number), IN_VARIABLES[:4]))
    assert repr(number) not in str(concealed(wrapped, data.draw(inside(st.just(number), IN_ARGUMENTS))))
    assert concealed(f"sold {number}", number) == MARK
    assert concealed(Decimal(str(number)), number) == MARK
    assert concealed(f"sold 5{number}5", number) == f"'sold 5{number}5'"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Broken),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.builds(Opaque, inner),
    max_leaves=12,
)


@given(value=anything, args=st.lists(anything), kwargs=st.dictionaries(st.text(), anything))
@example(value="x", args=[10**5000, float("nan"), float("inf"), Decimal("sNaN"), "\udc80" * 9], kwargs={})
@example(value="x", args=[], kwargs={"pair": "x" * 200, "bot_id": Broken()})
def test_it_never_raises(value: object, args: list[object], kwargs: dict[str, object]) -> None:
    """Arguments of any kind, also those that raise when they are looked at: the event goes on, without variables."""
    event: Any = {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"x": value}}, {"lineno": 1}]}}]}}
    with closed():
        conceal(event, SimpleNamespace(run=trade), SimpleNamespace(args=args, kwargs=kwargs), NAMES)
    assert event["exception"]["values"][0]["stacktrace"]["frames"][0].keys() <= {"vars"}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [([Broken()], {}), ([list(range(5000))], {}), ([], {"order": eval("[" * 40 + "1" + "]" * 40)})],  # ours
    ids=["broken", "many", "deep"],
)
def test_in_doubt_no_variable_leaves_and_it_is_counted(
    sentry: Sentry, start: Start, args: list[object], kwargs: dict[str, object]
) -> None:
    """Arguments that cannot be read, or hold too much, take all variables of the event along."""
    start()
    event: Any = {"stacktrace": {"frames": [{"lineno": 3, "vars": {"x": "'plain'"}}]}}
    with closed():
        conceal(event, SimpleNamespace(run=trade), SimpleNamespace(args=args, kwargs=kwargs), NAMES)
    assert event == {"stacktrace": {"frames": [{"lineno": 3}]}}
    monitoring.flush()
    (lost,) = sentry.metrics("monitoring.lost")
    assert lost["attributes"]["reason"]["value"] == "task_arguments"


@pytest.mark.parametrize("value", ["plain", 1723, None, True, 0, 1, 7, ["spread", 0.5], {"limit": None}, "kraken", ""])
def test_what_is_no_argument_stays(value: object) -> None:
    """An unrelated value stays as it is, also beside arguments that are too short to tell anything."""
    args = ({"exchange": "Kraken", "limit": None, "post_only": True, "levels": [0, 1, 7]}, "bot-1")
    assert concealed(value, *args, tags={"exchange": "kraken"}) == serialize({"x": value}, is_vars=True)["x"]


@pytest.mark.parametrize(("argument", "value"), [("buy", "buy"), (42, 42), (42, 42.0), (0.5, "0.5"), (-17, -17)])
def test_a_short_argument_is_known_where_it_is_all_of_a_value(argument: object, value: object) -> None:
    """Two or three characters are hidden by themselves, and not as a part of something else."""
    assert concealed(value, argument) == MARK
    assert concealed(f"the {argument} of another", argument) == f"'the {argument} of another'"


@pytest.mark.parametrize("wrap", IN_VARIABLES)
def test_four_characters_are_known_anywhere(wrap: Callable[[Any], object]) -> None:
    """The shortest text that is looked for is found as a part of another one."""
    assert "desk" not in str(concealed(wrap("of desks"), {"note": ["desk"]}))


def test_the_context_stays_also_in_its_own_spelling() -> None:
    """What the tags tell is no secret: neither as the message had it nor as it is told, in any argument."""
    tags = {"bot_id": "bot-7", "exchange": "kraken", "symbol": "BTC/USDT"}
    for value in ("bot-7", "Kraken", "kraken", "btc/usdt", "BTC/USDT", "ETH/USDT"):
        args = ({"exchange": "Kraken", "quote": "USDT"}, "bot-7")
        told = concealed(value, *args, tags=tags, pair="ETH/USDT", symbol="btc/usdt")
        assert told == repr(value)


def test_a_long_text_under_a_name_of_the_context_is_no_context() -> None:
    """A text that is too long for a name is hidden, whatever it is called."""
    assert concealed("y" * 4000, order=None, bot_id="y" * 4000, tags={"bot_id": "y" * 128}) == MARK


def test_a_text_that_a_repr_has_cut_is_known() -> None:
    """The first 64 characters are enough."""
    text = "".join(f"{number:03}-" for number in range(500))
    assert concealed({"short": f"{text[:100]}..."}, text) == {"short": MARK}


def test_a_value_that_the_task_took_out_of_its_argument_is_known() -> None:
    """The message shows its arguments as they were published."""
    request = SimpleNamespace(
        args=({},), kwargs={}, argsrepr="""({'note': "it's the desk's", 'exchange': 'kraken', 'lots': 7315},)"""
    )
    frames = [{"vars": {"note": repr("it's the desk's"), "lots": "7315", "where": "'kraken'", "field": "'note'"}}]
    event: Any = {"tags": {"exchange": "kraken"}, "stacktrace": {"frames": frames}}
    conceal(event, SimpleNamespace(run=trade), request, NAMES)
    assert frames == [{"vars": {"note": MARK, "lots": MARK, "where": "'kraken'", "field": "'note'"}}]


def test_parameters_of_the_tasks_own_function_are_known_by_name() -> None:
    """However short, computed anew or wrapped by a decorator: only what makes the context keeps its value."""

    def decorated(function: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        @wraps(function)
        def wrapper(*args: object, **kwargs: object) -> NoReturn:
            function(*args, **kwargs)

        return wrapper

    task = SimpleNamespace(run=decorated(trade))
    args, kwargs = (3, "bot-7", 5), {"pair": "eth", "side": True}
    try:
        task.run(*args, **kwargs)
    except RuntimeError as error:
        event: Any = event_from_exception(error)[0]
    conceal(event, task, SimpleNamespace(args=args, kwargs=kwargs), NAMES)
    frames = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert [frame["vars"] for frame in frames[-2:]] == [
        {"args": MARK, "kwargs": MARK, "function": frames[-2]["vars"]["function"]},
        {"order": MARK, "bot_id": "'bot-7'", "rest": MARK, "pair": "'eth'", "more": MARK},
    ]
    assert "trade" in frames[-2]["vars"]["function"]


def test_the_stack_of_a_message_is_looked_through_too(sentry: Sentry, start: Start, app: Celery) -> None:
    """Where the application wants a stack with each message, the SDK adds it last; not so in a task."""
    start(options={"attach_stacktrace": True})
    run(app, lambda: sentry_sdk.capture_message("look", level="error"))
    monitoring.flush()
    (event,) = sentry.events()
    (own,) = [frame for frame in event["threads"]["values"][0]["stacktrace"]["frames"] if frame["function"] == "trade"]
    assert {name: own["vars"][name] for name in ("bot_id", "exchange", "symbol")} == {
        "bot_id": "'bot-7'",
        "exchange": "'Kraken'",
        "symbol": "'btc/usdt'",
    }


@pytest.mark.parametrize(("allowed", "told"), [(False, MARK), (True, "'for the desk'")])
def test_an_error_that_the_main_process_tells_is_looked_through_too(
    sentry: Sentry,
    start: Start,
    app: Celery,
    allowed: bool,  # noqa: FBT001  # a case
    told: str,
) -> None:
    """A task that fails before it begins is told without its arguments, unless the operator wants them."""
    start(task_arguments=allowed)
    task = app.task(trade, name="core.given", shared=False)
    app.finalize()
    try:
        task.run("for the desk", "bot-7")
    except RuntimeError as error:
        given = {"args": ("for the desk", "bot-7"), "kwargs": {}, "request": {"id": "7"}}
        signals.task_internal_error.send(sender=task, task_id="7", exception=error, **given)
    monitoring.flush()
    (event,) = sentry.events()
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert (frames[-1]["vars"]["order"], frames[-1]["vars"]["bot_id"]) == (told, "'bot-7'")
    assert ("for the desk" in str(frames[-2]["vars"])) is allowed


def test_the_scrubber_leaves_the_mark() -> None:
    """What is cleaned afterwards still says what stood there."""
    assert scrub_value({"note": MARK, "api_key": MARK}) == {"note": MARK, "api_key": "[Filtered]"}
