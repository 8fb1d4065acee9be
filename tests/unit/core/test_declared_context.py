"""A task's own `trading_context`, in every form in which Celery lets a task have it."""

# Celery publishes no types:
# mypy: disable-error-code="untyped-decorator"

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from celery import Celery, Task

from monitoring.context import ArgumentNames, TradingContext
from monitoring.signals.declared import context_of

NAMES = ArgumentNames.extended_by({})
ARGS, KWARGS = ("bot-7/binance",), {"symbol": "BTC/USDT"}
app = Celery("declared", set_as_current=False)


def whose(args: tuple[str, ...], kwargs: Mapping[str, str]) -> dict[str, str]:
    """Read the context out of an id."""
    bot_id, exchange = args[0].split("/")
    return {"bot_id": bot_id, "exchange": exchange, "strategy": f"{len(kwargs)} more"}


class Declaring(Task):  # type: ignore[misc]  # Celery publishes no types
    """Base of tasks that say it in a method."""

    def trading_context(self, args: tuple[str, ...], kwargs: Mapping[str, str]) -> dict[str, str]:
        """Say it by the task's own name, too."""
        return {**whose(args, kwargs), "bot_id": self.name}


class Static(Task):  # type: ignore[misc]  # the same
    """Base of tasks that say it in a static method."""

    trading_context = staticmethod(whose)


def body(reference: str, symbol: str) -> None:
    """Do nothing."""


FORMS: dict[str, dict[str, Any]] = {
    "function": {"trading_context": whose},
    "lambda": {"trading_context": lambda args, kwargs: {**whose(args, kwargs)}},
    "partial": {"trading_context": partial(whose)},
    "static": {"base": Static},
    "value": {"trading_context": lambda args, kwargs: TradingContext.of(whose(args, kwargs))},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_task_declares_is_its_context(form: str) -> None:
    """Celery makes a method of a function that it is given as an option; the function is called as it was written."""
    task = app.task(name=form, **FORMS[form])(body)
    expected = TradingContext("bot-7", "binance", "BTC/USDT", "1 more")
    assert context_of(NAMES, task, ARGS, KWARGS) == expected


def test_a_method_is_called_on_its_task() -> None:
    """A class of tasks may say it in a method."""
    task = app.task(name="method", base=Declaring)(body)
    assert context_of(NAMES, task, ARGS, KWARGS) == TradingContext("method", "binance", "BTC/USDT", "1 more")
