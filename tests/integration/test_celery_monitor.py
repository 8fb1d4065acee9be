"""`celery -A app monitor explain` tells an operator whether an error is sent, and why."""

import subprocess
from collections.abc import Callable, Mapping

import pytest

from monitoring.filtering import EXCHANGE_ERRORS, EventFilter, errors_as_table, policy_as_table
from tests.harness.stage import Stage

APP = "tests.apps.trading"
DONE, USAGE = 0, 2

Explain = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def explain(stage: Stage) -> Explain:
    """Ask: `explain("ccxt.RequestTimeout", "--exchange", "okx")`."""

    def run(*words: str, app: str = APP, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return stage.celery("-A", app, "monitor", "explain", *words, env=env)

    return run


def test_the_policy_and_the_errors_are_printed(explain: Explain) -> None:
    """Without an error the whole policy is shown in order; `--errors` shows every row, as the reference page does."""
    assert explain().stdout.strip() == policy_as_table(EventFilter())
    assert explain("--errors").stdout.strip() == errors_as_table(EXCHANGE_ERRORS)


def test_an_error_is_explained_by_rule_row_and_operation(explain: Explain, stage: Stage) -> None:
    """The deciding rule comes first, then what the error is, by which row; nothing is sent for having asked."""
    asked = explain("DDoSProtection", "binance 418 I'm a teapot", "--operation", "fetch_ticker")
    assert asked.returncode == DONE, asked.stderr
    lines = asked.stdout.splitlines()
    assert lines[0].startswith("sent by rule first: every bot on this address is banned")
    assert lines[1].startswith("error DDoSProtection: ip_banned (fatal), critical")
    assert lines[2].startswith("row ccxt.BaseError with HTTP 418")
    assert lines[3] == "operation fetch_ticker reads"
    assert stage.sentry.events() == []


def test_a_class_that_is_not_installed_is_known_by_its_name(explain: Explain) -> None:
    """Workers have packages that the operator's machine has not; an error's status says more than its class."""
    asked = explain("binance.exceptions.BinanceAPIException", "--http", "451", "--exchange", "binance")
    assert asked.stdout.startswith("sent by rule first: this address or country is blocked")


def test_a_users_mistake_is_one_only_in_a_web_request(explain: Explain) -> None:
    """A symbol that a user typed is noise; in a worker the same error is a bug or a delisting."""
    typed, worker = explain("BadSymbol", "--web"), explain("BadSymbol")
    assert typed.stdout.startswith("suppressed by rule users_mistake"), typed.stderr
    assert worker.stdout.startswith("sent by rule"), worker.stderr


def test_what_the_task_declares_counts(explain: Explain) -> None:
    """A time-out is weather, but not in a task that moves money; a task that there is not is a usage error."""
    tasks = ("orders.place_order", "market.analyze_market")
    money, weather = (explain("RequestTimeout", "--task", f"worker.tasks.{task}", app="worker") for task in tasks)
    assert money.stdout.startswith("sent by rule money: no answer in an operation that changes state"), money.stderr
    assert weather.stdout.startswith("suppressed by rule not_persistent: 1 of 5 tasks in 600 s"), weather.stderr
    misspelt = explain("RequestTimeout", "--task", f"{APP}.suceed")
    assert misspelt.returncode == USAGE
    assert f"did you mean {APP}.succeed?" in misspelt.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ccxt.RequestTimeuot", "did you mean RequestTimeout?"),
        ("RequestTimeuot", "did you mean RequestTimeout?"),
        ("AuthenticationError", "which AuthenticationError: ccxt.AuthenticationError or redis.AuthenticationError?"),
    ],
)
def test_a_misspelt_error_is_a_usage_error(explain: Explain, name: str, told: str) -> None:
    """An answer about a class that does not exist would be worse than none."""
    asked = explain(name)
    assert asked.returncode == USAGE
    assert told in " ".join(asked.stderr.split())
