"""No secret leaves: the hooks through which everything passes that Sentry receives.

Pure functions, linear in the size of what they clean, bounded, and never raising. A second cleaning changes nothing.
"""

from monitoring.scrubbing.encodings import SHORTEST_SECRET
from monitoring.scrubbing.envelopes import scrub_envelope
from monitoring.scrubbing.hooks import (
    scrub_breadcrumb,
    scrub_check_in,
    scrub_event,
    scrub_log,
    scrub_metric,
    scrub_span,
    scrub_text,
    scrub_transaction,
    scrub_value,
)
from monitoring.scrubbing.passwords import register_passwords
from monitoring.scrubbing.registry import SECRETS

register_secret = SECRETS.register

__all__ = [
    "SHORTEST_SECRET",
    "register_passwords",
    "register_secret",
    "scrub_breadcrumb",
    "scrub_check_in",
    "scrub_envelope",
    "scrub_event",
    "scrub_log",
    "scrub_metric",
    "scrub_span",
    "scrub_text",
    "scrub_transaction",
    "scrub_value",
]
