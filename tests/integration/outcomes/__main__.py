"""Write the tests' own lists into docs/reference/events.md: `python -m tests.integration.outcomes`."""

from tests.integration.outcomes import cases, promises
from tests.integration.outcomes.page import PAGE, replaced

PAGE.write_text(
    replaced(replaced(PAGE.read_text(encoding="utf-8"), "outcomes", promises.table()), "cases", cases.table()),
    encoding="utf-8",
)
