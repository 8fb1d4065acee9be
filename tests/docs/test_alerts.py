"""The alerts that the documentation recommends filter by what the package really sends."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from monitoring.filtering.errors import EXCHANGE_ERRORS
from monitoring.sdk import DEFAULT_COMPONENT
from monitoring.signals.attempt import STATUSES
from tests.docs.pages import ROOT, Block, blocks
from worker.settings import EXCHANGES

PAGE: Final = ROOT / "docs" / "how-to" / "alerts.md"
#: Tag -> the values that it can have, where they are a closed list.
VALUES: Final[dict[str, set[str] | None]] = {
    "bot_id": None,
    "component": {DEFAULT_COMPONENT, "web", "beat"},
    "error_kind": {row.kind for row in EXCHANGE_ERRORS} | {"order_state_unknown"},
    "exchange": set(EXCHANGES),
    "outcome": {*STATUSES, "worker_lost"},
}


def _filters(body: Any) -> Iterator[tuple[str, str]]:
    """Yield (tag, value) of every tag condition in a body."""
    for group in body["actionFilters"]:
        for condition in group["conditions"]:
            if condition["type"] == "tagged_event":
                yield condition["comparison"]["key"], condition["comparison"]["value"]


@pytest.mark.parametrize("block", [b for b in blocks(PAGE) if "alert" in b.marks], ids=str)
def test_an_alert_filters_by_a_tag_that_is_sent(block: Block) -> None:
    """A filter on a tag or value that no event has would never fire, and nobody would notice."""
    found = list(_filters(json.loads(block.text)))
    assert found
    for tag, value in found:
        assert (allowed := VALUES[tag]) is None or value in allowed, f"{tag}:{value} is never sent"


def test_every_value_in_the_tables_is_sent() -> None:
    """The recommendations in words name tags and values that exist."""
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"tag `(\w+)` (?:equals|is one of) ((?:`[\w-]+`(?:, )?)+)", text)
    assert len(named) >= 6
    for tag, values in named:
        allowed = VALUES[tag]
        unknown = set(re.findall(r"`([\w-]+)`", values)) - (allowed or set())
        assert allowed is None or not unknown, f"{tag}: {unknown} are never sent"
