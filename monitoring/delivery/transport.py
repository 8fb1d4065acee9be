"""How envelopes leave: the SDK's own HTTP transport, kept out of the application's traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sentry_sdk.scope import Scope, ScopeType, use_isolation_scope, use_scope
from sentry_sdk.transport import HttpTransport

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

#: Envelopes that may wait in memory. The SDK's 100 overflow at full sampling even on loopback (measured).
QUEUE_SIZE: Final = 1000


class WorkerTransport(HttpTransport):
    """Send envelopes outside of any task's scope.

    The SDK starts its sender thread inside whatever task sends first, with that task's scope for life; and it knows its
    own uploads by a host name without the port, so with a port in the DSN it would trace each upload as the task's.
    """

    def _send_envelope(self, envelope: Envelope) -> None:
        with use_scope(Scope(ScopeType.CURRENT)), use_isolation_scope(Scope(ScopeType.ISOLATION)):
            super()._send_envelope(envelope)
