"""What Sentry received: the package's own local Sentry, with the questions that tests ask of it."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from monitoring.local import queries
from monitoring.local.server import LocalSentry
from tests.harness.polling import PATIENCE_SECONDS

Entry = dict[str, Any]
Where = Callable[[Entry], object]


class Sentry(LocalSentry):
    """Receive real envelopes over HTTP for one test. Every list is in order of arrival.

    `metric` is another name for Sentry's item type `trace_metric`. A `where` that stumbles over a missing key does not
    hold. `faults` makes this Sentry slow, limited, failing or absent (see `monitoring.local.faults`).
    """

    def entries(self, kind: str) -> list[Entry]:
        """Return payloads of a kind; logs, metrics and spans one by one, out of their containers."""
        return super().entries("trace_metric" if kind == "metric" else kind)

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
        return matching(super().metrics(name), where)

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
            for entry in report["discarded_events"]:
                losses[entry["reason"], entry["category"]] += entry["quantity"]
        return losses

    @property
    def refused(self) -> dict[str, int]:
        """Count by reason the requests that were not accepted, those refused by an asked-for fault aside."""
        rejected: dict[str, int] = queries.tallies(self.store)["rejected"]
        return {reason: number for reason, number in rejected.items() if not reason.startswith("fault_")}

    @property
    def silent(self) -> bool:
        """Tell whether nobody has sent anything at all."""
        counts = queries.tallies(self.store)
        return not counts["received"] and not counts["rejected"]

    def wait_for(
        self, kind: str, count: int = 1, timeout: float = PATIENCE_SECONDS, where: Callable[[Any], object] | None = None
    ) -> list[Entry]:
        """Return the entries of a kind for which `where` holds, as soon as there are `count`; fail after `timeout` s.

        Metrics and logs leave a process in batches, up to 6 s after the fact; a stopping process flushes them.
        """
        return super().wait_for(kind, count, timeout, tolerant(where) if where else None)

    def one(self, kind: str, where: Where | None = None, timeout: float = PATIENCE_SECONDS) -> Entry:
        """Return the only entry of a kind for which `where` holds: no second one has come by then."""
        entries = self.wait_for(kind, 1, timeout, where)
        assert len(entries) == 1, f"{len(entries)} x {kind} instead of one\n{self.summary()}"
        return entries[0]

    def post(self, body: bytes) -> int:
        """Send a body as an envelope from this process; return the HTTP status."""
        headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": "Sentry sentry_key=local"}
        request = Request(f"{self.url}/api/1/envelope/", data=body, headers=headers)
        try:
            with urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code

    def summary(self) -> str:
        """Describe everything received, one line each, for a failing test."""
        lines = [f"{item.type}: {describe(entry)}" for item in self.items() for entry in item.entries]
        return "\n".join(["received:", *lines, f"refused: {self.refused}"])


def tolerant(where: Where) -> Where:
    """Return a `where` that does not hold, rather than fail, where it misses a key."""

    def holds(entry: Entry) -> bool:
        try:
            return bool(where(entry))
        except (KeyError, IndexError):
            return False

    return holds


def matching(entries: Iterable[Entry], where: Where | None) -> list[Entry]:
    """Return the entries for which `where` holds."""
    return [entry for entry in entries if where is None or tolerant(where)(entry)]


def tagged(**tags: str) -> Where:
    """Return a `where` for events and transactions that carry these tags."""
    return lambda entry: all(entry["tags"].get(key) == value for key, value in tags.items())


def attributed(**values: object) -> Where:
    """Return a `where` for metrics, logs and streamed spans that carry these attributes."""
    return lambda entry: all(attributes(entry).get(key) == value for key, value in values.items())


def attributes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a metric, log or span as plain values."""
    return {key: value["value"] for key, value in entry.get("attributes", {}).items()}


def describe(entry: Any) -> str:
    """Shorten an entry to what tells it apart."""
    if not isinstance(entry, dict):
        return f"{len(entry)} bytes"
    if "exception" in entry:
        last = entry["exception"]["values"][-1]
        return f"{last.get('type')}: {last.get('value')} {entry.get('tags')}"
    if "spans" in entry:
        status = entry.get("contexts", {}).get("trace", {}).get("status")
        return f"{entry.get('transaction')} {status} {entry.get('tags')}"
    own = {key: value for key, value in attributes(entry).items() if not key.startswith(("sentry.", "process."))}
    return json.dumps({**entry, "attributes": own} if own else entry)[:400]
