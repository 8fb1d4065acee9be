"""What an operator writes about bots, and what is refused."""

import pytest
from pydantic import ValidationError

from monitoring.settings import Settings


def test_budgets_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read names, patterns and seconds; a name may hold an equals sign."""
    monkeypatch.setenv("MONITORING_BOT_BUDGETS", "momentum-1=300, grid-*=3600.5,a=b=1,")
    assert list(Settings().bot_budgets.items()) == [("momentum-1", 300), ("grid-*", 3600.5), ("a=b", 1)]


@pytest.mark.parametrize("given", ["momentum", "momentum=", "momentum=soon", "=5", "a=0", "a=-1", "a=inf", "a=nan"])
def test_a_budget_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Refuse it at start: a bot that nobody watches is worse."""
    monkeypatch.setenv("MONITORING_BOT_BUDGETS", given)
    with pytest.raises(ValidationError, match="must be pairs like momentum-1=300"):
        Settings()
