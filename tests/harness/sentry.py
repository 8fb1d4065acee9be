"""What Sentry received: real envelopes over HTTP, kept whole, with questions a test asks of them."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitoring.local.envelope import Item
from tests.harness.polling import wait_until
from tests.harness.receiver import Receiver

Entry = dict[str, Any]
Where = Callable[[Entry], bool]


class Sentry:
    """Receive envelopes for one test. Every list is in order of arrival.

    `event`, `transaction`, `check_in`, `client_report` are one entry per item; `log`, `metric` (Sentry's item type
    `trace_metric`) and `span` (streamed) are the entries of their containers.
    """

    def __init__(self) -> None:
        self._receiver = Receiver()
        self.dsn = self._receiver.dsn

    def close(self) -> None:
        """Stop receiving."""
        self._receiver.close()

    @property
    def requests(self) -> int:
        """Count the HTTP requests, refused ones included."""
        return self._receiver.requests

    @property
    def refused(self) -> list[str]:
        """Return why requests were not accepted: bad framing, too large, not JSON."""
        return list(self._receiver.refused)

    @property
    def items(self) -> list[Item]:
        """Return every item that was received."""
        return self._receiver.items()

    def entries(self, kind: str) -> list[Entry]:
        """Return the payloads of one kind (see the class)."""
        wanted = "trace_metric" if kind == "metric" else kind
        return [entry for item in self.items if item.type == wanted for entry in item.entries]

    def events(self, where: Where | None = None) -> list[Entry]:
        """Return error events and messages."""
        return matching(self.entries("event"), where)

    def transactions(self, where: Where | None = None) -> list[Entry]:
        """Return transactions (static lifecycle)."""
        return matching(self.entries("transaction"), where)

    def spans(self, where: Where | None = None) -> list[Entry]:
        """Return streamed spans (stream lifecycle)."""
        return matching(self.entries("span"), where)

    def metrics(self, name: str | None = None, where: Where | None = None) -> list[Entry]:
        """Return metrics, of one name or all."""
        return [entry for entry in matching(self.entries("metric"), where) if name in {None, entry["name"]}]

    def logs(self, where: Where | None = None) -> list[Entry]:
        """Return structured logs."""
        return matching(self.entries("log"), where)

    def check_ins(self, where: Where | None = None) -> list[Entry]:
        """Return cron check-ins."""
        return matching(self.entries("check_in"), where)

    def client_reports(self) -> list[Entry]:
        """Return what the SDKs say they have thrown away."""
        return self.entries("client_report")

    def lost(self) -> Counter[tuple[str, str]]:
        """Sum the client reports: (reason, category) to quantity."""
        losses: Counter[tuple[str, str]] = Counter()
        for report in self.client_reports():
            for entry in report.get("discarded_events", ()):
                losses[entry["reason"], entry["category"]] += entry["quantity"]
        return losses

    def wait_for(self, kind: str, count: int = 1, where: Where | None = None, timeout: float = 10.0) -> list[Entry]:
        """Return at least `count` entries of a kind that satisfy `where`, or fail telling what came instead.

        Metrics and logs leave a process in batches, up to 6 s after the fact; a stopping process flushes them.
        """

        def found() -> list[Entry]:
            entries = matching(self.entries(kind), where)
            return entries if len(entries) >= count else []

        return wait_until(found, lambda: f"{count} x {kind} at Sentry\n{self.summary()}", timeout)

    def one(self, kind: str, where: Where | None = None, timeout: float = 10.0) -> Entry:
        """Return the only entry of a kind that satisfies `where`: no second one has come by then."""
        entries = self.wait_for(kind, 1, where, timeout)
        assert len(entries) == 1, f"{len(entries)} x {kind} instead of one\n{self.summary()}"
        return entries[0]

    def clear(self) -> None:
        """Forget what was received."""
        self._receiver.clear()

    def summary(self) -> str:
        """Describe everything received, one line each, for a failing test."""
        lines = [f"{item.type}: {describe(entry)}" for item in self.items for entry in item.entries]
        return "\n".join(["received:", *lines, *(f"refused: {reason}" for reason in self.refused)])


def matching(entries: Iterable[Entry], where: Where | None) -> list[Entry]:
    """Return the entries that satisfy `where`; an entry that lacks what it asks for does not."""
    return [entry for entry in entries if where is None or _holds(where, entry)]


def _holds(where: Where, entry: Entry) -> bool:
    try:
        return bool(where(entry))
    except (KeyError, IndexError):
        return False


def tagged(**tags: str) -> Where:
    """Return a `where` for events and transactions that carry these tags."""
    return lambda entry: all(entry.get("tags", {}).get(key) == value for key, value in tags.items())


def attributed(**values: object) -> Where:
    """Return a `where` for metrics, logs and streamed spans that carry these attributes."""
    return lambda entry: all(attributes(entry).get(key) == value for key, value in values.items())


def attributes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a metric, log or span as plain values."""
    return {key: value["value"] for key, value in entry.get("attributes", {}).items()}


def describe(entry: Entry) -> str:
    """Shorten an entry to what tells it apart."""
    if "exception" in entry:
        last = entry["exception"]["values"][-1]
        return f"{last.get('type')}: {last.get('value')} {entry.get('tags')}"
    if "spans" in entry:
        return (
            f"{entry.get('transaction')} {entry.get('contexts', {}).get('trace', {}).get('status')} {entry.get('tags')}"
        )
    return json.dumps(entry)[:400]
