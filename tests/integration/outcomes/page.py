"""The page that documents what is sent, as data; and another page's tables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "events.md"
DELIVERY = ROOT / "docs" / "explanation" / "delivery.md"


def rows(heading: str, page: Path = PAGE) -> list[list[str]]:
    """Return the cells of the table under a heading of a page."""
    section = page.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    """Return the names that a cell shows as code."""
    return re.findall(r"`([^`]+)`", cell)


def generated(mark: str) -> str:
    """Return what stands between two comments of the page."""
    return PAGE.read_text(encoding="utf-8").split(_begin(mark), 1)[1].split(_end(mark), 1)[0].strip()


def replaced(text: str, mark: str, table: str) -> str:
    """Return the page's text with another table between two comments."""
    before, rest = text.split(_begin(mark), 1)
    return f"{before}{_begin(mark)}{table}\n{_end(mark)}{rest.split(_end(mark), 1)[1]}"


def _begin(mark: str) -> str:
    return f"<!-- {mark}: begin, written by `python -m tests.integration.outcomes` -->\n"


def _end(mark: str) -> str:
    return f"<!-- {mark}: end -->"
