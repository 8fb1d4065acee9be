"""Beat: a process that only publishes. It says so, and each of its messages begins a trace of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring import sdk

if TYPE_CHECKING:
    from monitoring.signals.producer import Producer


@dataclass(frozen=True, slots=True)
class Beat:
    """Receive the signals of beat."""

    producer: Producer

    def on_beat_init(self, **_: object) -> None:
        """Name the process, unless beat is embedded in a worker, and start a trace with each message.

        Without the latter everything that beat ever publishes would be one trace.
        """
        self.producer.beat_thread = threading.get_ident()
        sdk.name_component("beat")

    def on_beat_embedded_init(self, **_: object) -> None:
        """Do the same for `celery worker -B`, where beat is a forked process, or a thread, of the worker."""
        self.producer.beat_thread = threading.get_ident()
