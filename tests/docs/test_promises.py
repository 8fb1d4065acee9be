"""The page of promises: each row names what holds it, and that exists."""

import ast
import re
from functools import cache
from typing import Final

import pytest

from tests.docs.pages import ROOT, table_rows

PAGE: Final = ROOT / "docs" / "explanation" / "promises.md"
ROWS: Final = table_rows(PAGE, "promise", "kept by", "held by")


@cache
def existing_tests() -> frozenset[str]:
    """Return the names of all tests."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in found if name.startswith("test_"))


def test_there_are_promises() -> None:
    """The page can be read."""
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["promise"][:40])
def test_a_promise_is_held_by_existing_tests(row: dict[str, str]) -> None:
    """A renamed or removed test leaves no promise behind that only seems to be held."""
    named = set(re.findall(r"`(test_\w+)`", row["held by"]))
    assert named or row["held by"] in {"the same", "Sentry's"}, "nothing holds it"
    assert not (missing := named - existing_tests()), f"no such test: {missing}"
