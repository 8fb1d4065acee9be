"""Give every test of delivery a Sentry, and transports that are ended with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sentry_sdk.client import Client
from sentry_sdk.envelope import Envelope, Item, PayloadRef

from monitoring.delivery.transport import WorkerTransport, transport_for
from monitoring.local.faults import Faults
from tests.harness.sentry import Sentry

Start = Callable[..., WorkerTransport]
NUMBER = 0


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    """Receive envelopes; what is sent here is made by hand and not judged."""
    receiving = Sentry()
    yield receiving
    receiving.close()


@pytest.fixture
def start(sentry: Sentry, tmp_path: Path) -> Iterator[Start]:
    """Start transports: `start(spool_bytes=0, https_proxy=...)`, each as the SDK's client makes it."""
    clients: list[Any] = []

    def started(*, dsn: str = sentry.dsn, spool_bytes: int = 1 << 24, **options: Any) -> WorkerTransport:
        client: Any = Client(
            dsn,
            transport=transport_for(tmp_path / "spool", spool_bytes),
            default_integrations=False,
            auto_enabling_integrations=False,
            **options,
        )
        clients.append(client)
        transport: WorkerTransport = client.transport
        return transport

    yield started
    sentry.faults = Faults()
    for client in clients:
        client.close(timeout=0)


def envelope(kind: str, number: int, **more: Any) -> Envelope:
    """Return an envelope with one item that tells its number."""
    payload = {"event_id": f"{number:032x}", "number": number, "platform": "python", **more}
    if kind == "transaction":
        payload = {
            "type": "transaction",
            "transaction": "t",
            "start_timestamp": 1.0,
            "timestamp": 2.0,
            "spans": [],
            **payload,
        }
    headers = {"event_id": payload["event_id"], "sent_at": "2026-01-01T00:00:00.000000Z"}
    return Envelope(headers, [Item(PayloadRef(json=payload), type=kind)])


def numbers(entries: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of what was received, in order of arrival."""
    return [entry["number"] for entry in entries]
