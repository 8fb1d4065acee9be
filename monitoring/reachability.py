"""Ask what this process depends on whether it answers: broker, result backend, Sentry. Each question is bounded."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import sentry_sdk
from celery.backends.base import DisabledBackend
from celery.backends.rpc import RPCBackend
from sentry_sdk.transport import HttpTransport

from monitoring.scrubbing import scrub_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery

#: What an answer of Sentry's means, where its number alone would not say.
_SENTRY_SAYS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "it refuses the key in SENTRY_DSN",
    HTTPStatus.FORBIDDEN: "it refuses the key or the project in SENTRY_DSN",
    HTTPStatus.NOT_FOUND: "this address is no Sentry",
    HTTPStatus.TOO_MANY_REQUESTS: "the quota is used up, and Sentry drops what it gets until the limit is lifted",
}
#: No results at all, or results through the broker.
_ASKS_NOBODY: Final = (DisabledBackend, RPCBackend)
_SUCCESS: Final = range(200, 300)


def ask(questions: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, str | None]:
    """Ask all at once; return for each why it did not answer, or None when it did.

    Comes back after `seconds` at the latest. Who is silent for longer is left to a daemon thread: neither a name
    look-up nor every transport can be given a time-out.
    """
    answers: dict[str, str | None] = dict.fromkeys(questions, f"no answer within {seconds:g} s")

    def put(name: str, question: Callable[[], object]) -> None:
        try:
            question()
        except Exception as error:  # noqa: BLE001  # whatever a transport raises is the answer
            answers[name] = _reason(error)
        else:
            answers[name] = None

    threads = [threading.Thread(target=put, args=item, daemon=True) for item in questions.items()]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def connect_broker(app: Celery, seconds: float) -> None:
    """Open a connection of its own to the broker (any of its URLs will do) and close it; raise what kombu raises."""
    with app.connection_for_read() as plain:
        redis = plain.transport.driver_type == "redis"
        bounds = {"socket_connect_timeout": seconds, "socket_timeout": seconds} if redis else {}
        # Without them the thread that asks a silent server would wait for ever.
        options = {**(plain.transport_options or {}), **bounds}
        with plain.clone(connect_timeout=seconds, transport_options=options) as connection:
            connection.ensure_connection(
                max_retries=max(1, len(connection.alt)), interval_start=0, interval_step=0.1, timeout=seconds
            )


def read_result_backend(app: Celery) -> None:
    """Look up a result that cannot exist; raise what the backend raises. Writes nothing.

    The backend object belongs to the asking thread, so no child process inherits its sockets.
    """
    if not isinstance(app.backend, _ASKS_NOBODY):
        app.backend.get_task_meta(str(uuid4()))


def report_nothing(seconds: float) -> None:
    """Send Sentry an empty client report, as the SDK does to say what was lost: stored nowhere, but judged by its DSN.

    (An envelope without items would not do: Relay answers 200 before it looks at the project.) Goes through a pool of
    connections of its own with the SDK's proxy and certificate settings. Raises what says why events would not arrive.
    """
    transport = sentry_sdk.get_client().transport
    if not isinstance(transport, HttpTransport) or transport.parsed_dsn is None:
        return
    auth = transport.parsed_dsn.to_auth("worker-monitoring")
    now = datetime.now(UTC).isoformat()
    lines = ({"sent_at": now}, {"type": "client_report"}, {"timestamp": now, "discarded_events": []})
    pool: Any = transport._make_pool()  # noqa: SLF001  # the one place that knows proxies and certificates
    try:
        answer = pool.request(
            "POST",
            auth.get_api_url(),
            body="\n".join(map(json.dumps, lines)).encode(),
            headers={"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": auth.to_header()},
            timeout=seconds,
            retries=False,
        )
    finally:
        pool.clear()
    if answer.status not in _SUCCESS:
        raise ConnectionError(f"HTTP {answer.status}: {_SENTRY_SAYS.get(answer.status, 'Sentry is in trouble')}")


def _reason(error: Exception) -> str:
    first = str(error).strip().splitlines()[:1]
    return scrub_text(first[0]) if first else type(error).__name__
