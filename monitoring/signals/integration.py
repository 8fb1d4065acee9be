"""Connect the receivers: our `Integration`, in the place of the SDK's own for Celery.

The SDK adds its CeleryIntegration to whoever has Celery installed, unless one with the identifier `celery` is given.
Signals only: nothing of Celery, kombu or billiard is patched.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from sentry_sdk.integrations import Integration

from monitoring import sdk
from monitoring.context import ArgumentNames
from monitoring.signals.beat import Beat
from monitoring.signals.child import Child
from monitoring.signals.duplicates import Duplicates, has_no_body, is_of_no_task
from monitoring.signals.messages import Messages
from monitoring.signals.outages import Outages
from monitoring.signals.parent import Parent
from monitoring.signals.producer import Producer
from monitoring.signals.requests import HeldRequests, Told
from monitoring.signals.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.recovery import Recovery
    from monitoring.settings import Settings

    Wiring = tuple[tuple[Any, Callable[..., None]], ...]


class TradingCeleryIntegration(Integration):
    """Monitor Celery by its signals, for as long as the process lives or until `disconnect`."""

    identifier = "celery"
    origin = "auto.queue.celery"

    def __init__(self, settings: Settings, recovery: Recovery) -> None:
        names = ArgumentNames.extended_by(settings.argument_names)
        held = HeldRequests()
        producer = Producer(settings, held)
        told = Told()
        vitals = Vitals(settings)
        child = Child(settings, names, held, told, recovery, vitals)
        messages = Messages(settings, names)
        parent = Parent(settings, names, held, told, messages)
        #: Which log records become an event, a breadcrumb, a Sentry log.
        self.records = (Duplicates(parent), is_of_no_task, has_no_body)
        self._on_trace_error = child.on_trace_error
        self.beat = beat = Beat(settings, producer)
        outages = Outages(recovery.event_filter)
        self.wiring: Final[Wiring] = (
            (signals.before_task_publish, producer.on_before_task_publish),
            (signals.after_task_publish, producer.on_after_task_publish),
            (signals.task_prerun, child.on_task_prerun),
            (signals.task_failure, child.on_task_failure),
            (signals.task_failure, parent.on_task_failure),
            (signals.task_postrun, child.on_task_postrun),
            (signals.worker_ready, parent.on_worker_ready),
            (signals.task_received, parent.on_task_received),
            (signals.task_retry, parent.on_task_retry),
            (signals.task_revoked, parent.on_task_revoked),
            (signals.task_internal_error, parent.on_task_internal_error),
            (signals.task_unknown, messages.on_task_unknown),
            (signals.task_rejected, messages.on_task_rejected),
            (signals.celeryd_init, outages.on_celeryd_init),
            (signals.worker_ready, outages.on_worker_ready),
            (signals.worker_process_shutdown, outages.on_process_stopping),
            (signals.worker_ready, on_worker_ready),
            (signals.worker_init, vitals.on_worker_init),
            (signals.worker_ready, vitals.on_worker_ready),
            (signals.worker_shutting_down, vitals.on_worker_shutting_down),
            (signals.worker_shutdown, vitals.on_worker_shutdown),
            (signals.worker_process_shutdown, on_worker_stopping),
            (signals.worker_shutdown, outages.on_process_stopping),
            (signals.worker_shutdown, on_worker_stopping),
            (signals.beat_init, beat.on_beat_init),
            (signals.beat_embedded_init, beat.on_beat_embedded_init),
        )

    @staticmethod
    def setup_once() -> None:
        """Do nothing: the SDK calls this without the instance; `connect` does the work."""

    def connect(self) -> None:
        """Connect every receiver, once however often it is called."""
        for signal, receiver in self.wiring:
            signal.connect(receiver, weak=False, dispatch_uid=_uid(receiver))
        _trace_logger.addFilter(self._on_trace_error)

    def disconnect(self) -> None:
        """Disconnect every receiver; the application runs on unmonitored."""
        for signal, receiver in self.wiring:
            signal.disconnect(receiver, dispatch_uid=_uid(receiver))
        self.beat.disconnect()
        _trace_logger.removeFilter(self._on_trace_error)


#: Where Celery says, and nowhere else, that a task's hook raised.
_trace_logger: Final = logging.getLogger("celery.app.trace")


def on_worker_ready(**_: object) -> None:
    """Look after the spool of this host's dead processes, this worker's own children among them."""
    sdk.watch_spool()


def on_worker_stopping(**_: object) -> None:
    """Wait for Sentry to take what is queued, at most the shutdown time-out; put the rest into the spool.

    billiard ends a child with `os._exit` one second after this signal, so nothing else would save it.
    """
    sdk.finish()


def _uid(receiver: Callable[..., None]) -> str:
    return f"worker-monitoring.{receiver.__qualname__}"
