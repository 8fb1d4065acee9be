"""The table of the platform's tasks is what the tasks declare."""

import inspect
from typing import Any, Final

from tests.docs.pages import ROOT, table_rows
from worker.celery import app
from worker.tasks.positions import GIVE_UP_AFTER_SECONDS

PAGE: Final = ROOT / "docs" / "reference" / "trading.md"


def _row(task: Any) -> dict[str, str]:
    """Tell a task as the page's table does."""
    return {
        "task": f"`{task.name}`",
        "queue": f"`{app.amqp.router.route({}, task.name)['queue'].name}`",
        "arguments": f"`{', '.join(inspect.signature(task.run).parameters)}`",
        "moves money": "yes" if getattr(task, "moves_money", False) else "",
        "slow after": f"{task.slow_after:g} s",
        "time limits": f"{task.soft_time_limit} s / {task.time_limit} s",
        "retries": str(task.max_retries),
        "expires": f"{task.expires} s" if task.expires else "",
    }


def test_the_table_of_tasks_is_what_they_declare() -> None:
    """Queue, arguments, limits and retries on the page are the code's, for every task."""
    app.loader.import_default_modules()
    declared = {name: _row(task) for name, task in app.tasks.items() if name.startswith("worker.")}
    shown = {row["task"].strip("`"): row for row in table_rows(PAGE, "task", "queue", "arguments")}
    assert shown == declared


def test_the_page_says_when_an_order_is_reconciled() -> None:
    """The time after which nobody can still be working on an order is the code's."""
    assert f"from {GIVE_UP_AFTER_SECONDS} s on" in PAGE.read_text(encoding="utf-8")
