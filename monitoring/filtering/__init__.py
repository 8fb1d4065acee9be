"""Which events are noise: rules as values, the exchange-error table, the persistence window, the ledger.

The door of this room. `EventFilter` is the first of our parts in Sentry's `before_send`.
"""

from monitoring.filtering.classify import Classification, classify
from monitoring.filtering.decision import Decision
from monitoring.filtering.enrich import recovered
from monitoring.filtering.errors import EXCHANGE_ERRORS
from monitoring.filtering.errors.row import ErrorRow, Persistence, Treatment
from monitoring.filtering.explain import errors_as_table, explain, policy_as_table
from monitoring.filtering.failover import FailoverWindow, shared_window
from monitoring.filtering.filter import EventFilter
from monitoring.filtering.flood import FloodGuard
from monitoring.filtering.ledger import Ledger
from monitoring.filtering.local_window import LocalWindow
from monitoring.filtering.operations import Operation, credential_hash
from monitoring.filtering.rules import POLICY, DropRule, drop_environments, drop_exceptions, drop_loggers, without
from monitoring.filtering.shared_window import SharedWindow
from monitoring.filtering.watch import Watch
from monitoring.filtering.window import Outage

__all__ = [
    "EXCHANGE_ERRORS",
    "POLICY",
    "Classification",
    "Decision",
    "DropRule",
    "ErrorRow",
    "EventFilter",
    "FailoverWindow",
    "FloodGuard",
    "Ledger",
    "LocalWindow",
    "Operation",
    "Outage",
    "Persistence",
    "SharedWindow",
    "Treatment",
    "Watch",
    "classify",
    "credential_hash",
    "drop_environments",
    "drop_exceptions",
    "drop_loggers",
    "errors_as_table",
    "explain",
    "policy_as_table",
    "recovered",
    "shared_window",
    "without",
]
