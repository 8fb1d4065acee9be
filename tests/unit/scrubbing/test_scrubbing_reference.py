"""The reference page of the scrubber says what the code does."""

import re
from pathlib import Path

import pytest

from monitoring.scrubbing import register_secret, scrub_text
from monitoring.scrubbing.registry import MOST_SECRETS
from monitoring.scrubbing.text import LONGEST_TEXT
from monitoring.scrubbing.walk import DEEPEST, MOST_ITEMS, MOST_NODES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "scrubbing.md").read_text()
REGISTERED = "sunny-day-42-live"


def rows(heading: str) -> list[list[str]]:
    """Return the cells in code font of each row of a heading's table."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [re.findall(r"`([^`]+)`", line) for line in section.splitlines() if line.startswith("| ")]
    return [cells for cells in found if cells]


TAKEN, STAYS = rows("What is taken out"), rows("What stays")


@pytest.mark.parametrize(("before", "after"), TAKEN)
def test_what_the_page_says_is_taken_out_is(before: str, after: str) -> None:
    """Every example of the page leaves as the page shows it."""
    register_secret(REGISTERED)
    assert scrub_text(before) == after
    assert "[Filtered]" in after


@pytest.mark.parametrize("text", [cells[0] for cells in STAYS])
def test_what_the_page_says_stays_does(text: str) -> None:
    """Every look-alike of the page leaves unchanged."""
    assert scrub_text(text) == text


def test_the_page_shows_enough_and_names_the_bounds() -> None:
    """The tables are found at all, and the numbers of the page are the code's."""
    assert len(TAKEN) >= 20
    assert len(STAYS) >= 9
    for number in (LONGEST_TEXT, MOST_ITEMS, DEEPEST, MOST_NODES):
        assert str(number) in PAGE
    assert str(MOST_SECRETS) in (Path(__file__).parents[3] / "docs" / "how-to" / "register-secrets.md").read_text()
