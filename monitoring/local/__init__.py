"""A Sentry for one machine: receives real envelopes by a plain DSN and shows the performance of tasks.

`python -m monitoring.local` runs it as a process; tests use `LocalSentry` directly. It needs nothing but the standard
library (and `brotli` for senders that compress with it), and listens on the loopback interface only.
"""

from .envelope import Limits
from .faults import Faults
from .queries import StoredItem
from .server import LocalSentry
from .tables import Bounds

__all__ = ["Bounds", "Faults", "Limits", "LocalSentry", "StoredItem"]
