"""How envelopes leave: the SDK's transport, with a queue, a thread and a connection of each process's own."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import sentry_sdk
import urllib3
from sentry_sdk.consts import EndpointType
from sentry_sdk.envelope import Envelope, Item

from monitoring.delivery import fitting, wire
from monitoring.delivery.answer import Answer, Verdict, verdict_of
from monitoring.delivery.connection import Address, Connection
from monitoring.delivery.counting import CountingTransport
from monitoring.delivery.folders import kind_of, name_for
from monitoring.delivery.link import Link
from monitoring.delivery.losses import CUT, TOLD_BY_SENTRY, UNSPOOLED, count_lost, report_of
from monitoring.delivery.notices import Notices
from monitoring.delivery.pooled import PooledConnection
from monitoring.delivery.sender import Sender
from monitoring.delivery.spool import Spool, SpoolError
from monitoring.delivery.waiting import Parcel, parcel_of
from monitoring.forks import call_after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


logger = logging.getLogger(__name__)

REPORT_SECONDS: Final = 30.0
#: How often it is looked whether another process has died and left something.
ADOPT_SECONDS: Final = 10.0
#: How long a stopping process may spend on writing what is left, beside the time that it waits for Sentry.
SET_ASIDE_SECONDS: Final = 0.5
#: The part of the spool that transactions, metrics and logs may fill when a process stops.
BULK_SHARE: Final = 0.5
#: Errors that wait with their text in memory; of further ones the spool's copy is read when their turn comes.
TEXTS_IN_MEMORY: Final = 100
DURABLE: Final = frozenset({"event"})
#: How often a transaction, metric or log is offered to a Sentry that answers but fails.
MAX_ATTEMPTS: Final = 5
#: What Sentry recognises when it comes twice. The rest is not repeated after a time-out: it would be counted twice.
RECOGNISED: Final = frozenset({"event", "transaction", "check_in"})
LOST_BECAUSE: Final = {
    Verdict.LIMITED: TOLD_BY_SENTRY,
    Verdict.REFUSED: "send_error",
    Verdict.FAILED: "network_error",
}


def _as_it_is(_: Envelope) -> None:
    """Leave an envelope alone."""


class WorkerTransport(CountingTransport):
    """Send envelopes without ever making a task wait.

    What the SDK knows of rate limits, client reports, proxies and certificates is used as it is. The worker thread, the
    queue and the connection are ours: see `sender`, `waiting` and `link`.
    """

    #: Where the spool is, and the bytes that it may take; set by `transport_for`.
    place: Path | None = None
    spool_bytes: int = 0
    #: Hands over, by `capture_envelope`, what is gathered elsewhere: metrics.
    fetch: Callable[[], None] = staticmethod(lambda: None)
    #: Takes secrets out of what no hook of the SDK's sees; set by `transport_for` too.
    scrub: Callable[[Envelope], None] = staticmethod(_as_it_is)

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._reported_at = time.monotonic()
        self._adopted_at = -ADOPT_SECONDS
        self._failing = False
        self._finished = False
        self._notices = Notices()
        self._spool = self._spool_of(self.place, self.spool_bytes)
        self._sender = Sender(self, lambda: Link[Parcel](self._open))
        self._worker = _Worker(self._sender)  # type: ignore[assignment]  # what the SDK asks of its own
        self._encoding = wire.encoding_for(self._compression_algo)
        self._address = self._address_of()
        call_after_fork(self._forget_parent)

    def capture_envelope(self, envelope: Envelope) -> None:
        """Take an envelope to send. An error's is on disk when this returns, on the thread that captured it."""
        self.scrub(envelope)
        if not envelope.items:
            return
        parcel = parcel_of(envelope)
        try:
            if parcel.kind in DURABLE and self._spool is not None:
                self._finished = False
                self._make_durable(parcel, self._spool)
        finally:  # what ends the task or its process may strike at any point
            self._sender.put(parcel)

    def _make_durable(self, parcel: Parcel, spool: Spool) -> None:
        name = name_for(parcel.kind)
        try:
            text = self._text(cast("Envelope", parcel.envelope))
            spool.put(name, text)
        except SpoolError as error:
            # Not lost: it goes by memory alone, as everything does without a spool.
            sentry_sdk.metrics.count(UNSPOOLED, 1, attributes={"reason": error.reason})
            self._notices.tell(error.reason, "an error could not be kept in %s: %s", spool.root, error.reason)
        except BaseException as error:
            # What strikes while the disk is waited for: what it has is sent from there, and not from memory once more.
            parcel.file = name if spool.has(name) else None
            if not isinstance(error, Exception):
                raise
            logger.debug("an envelope could not be written", exc_info=True)  # `pack` will count it
        else:
            parcel.file, parcel.envelope = name, None
            parcel.text = text if len(self._sender) < TEXTS_IN_MEMORY else None

    def flush(self, timeout: float, callback: Callable[[int, float], None] | None = None) -> None:  # noqa: ARG002  # the SDK's signature
        """Wait at most `timeout` seconds until all is sent that can be."""
        # After `finish` only what came since is worth a wait: the SDK flushes once more at exit.
        if timeout > 0 and not (self._finished and not self._sender.has_unspooled):
            self.chores(hurry=True)
            self._sender.flush(timeout)

    def finish(self) -> None:
        """After a flush: put what is left into the spool, because the process may end at any moment.

        Whatever is captured afterwards still goes its way.
        """
        self._set_aside()
        self._finished = True
        if self._spool is not None:
            self._spool.leave()

    def kill(self) -> None:
        """End for good: what is left goes to the spool, which another process may take over."""
        self._sender.end()
        self._set_aside()
        if self._spool is not None:
            self._spool.leave(for_good=True)

    def watch(self) -> None:
        """Look after the spool from now on, also before there is anything to send."""
        if self._spool is not None:
            self._sender.start()

    def fetch_soon(self, *, now: bool) -> None:
        """Have `fetch` called from time to time from now on, and at once if it is to be `now`."""
        self._sender.start()
        if now:
            self._sender.rouse()

    @property
    def spool(self) -> Spool | None:
        """Where this process keeps what Sentry does not have yet; None when it keeps nothing."""
        return self._spool

    def readmit(self, names: Iterable[str]) -> None:
        """Try again what Sentry refused once."""
        if self._spool is not None:
            self._send_files(name for name in names if self._spool.readmit(name))

    def _send_files(self, names: Iterable[str]) -> None:
        for name in names:
            kind = kind_of(name)
            self._sender.put(Parcel(kind, category_of(kind), file=name))

    def _set_aside(self) -> None:
        deadline = time.monotonic() + SET_ASIDE_SECONDS
        self._sender.set_aside(lambda parcel, sent: self._keep(parcel, deadline, under_way=sent))
        if self._spool is None:
            return
        losses = self.take_losses()
        report = report_of(losses, self.options)
        if report.items:
            try:
                self._spool.put(name_for("client_report"), wire.plain(report), force=False)
            except SpoolError:
                self.put_back_losses(losses)

    def _keep(self, parcel: Parcel, deadline: float, *, under_way: bool) -> None:
        if parcel.losses is not None and not under_way:
            self.lose(parcel, "")  # told by the report that is written last
            return
        unclear = under_way and parcel.kind not in RECOGNISED and parcel.losses is None
        if self._spool is None or time.monotonic() > deadline or unclear:
            self.lose(parcel, "network_error")
            return
        try:
            text, name = self._text(cast("Envelope", parcel.envelope)), name_for(parcel.kind)
            self._spool.put(name, text, force=False, share=BULK_SHARE)
            parcel.file = name
        except SpoolError:
            self.lose(parcel, "cache_overflow")
        except Exception:  # noqa: BLE001  # what cannot be written as JSON; it is counted
            self.lose(parcel, "internal_sdk_error")

    def pack(self, parcel: Parcel) -> bytes | None:
        """Return the body of a request; leave out what a rate limit has forbidden meanwhile, and count it."""
        if parcel.file is not None:
            return self._packed_file(parcel, parcel.file)
        envelope = cast("Envelope", parcel.envelope)
        if self._disabled_until and parcel.losses is None:
            kept = []
            for item in envelope.items:
                if self._check_disabled(item.data_category):
                    self.record_lost_event("ratelimit_backoff", item=item)
                else:
                    kept.append(item)
            if not kept:
                return None
            envelope = parcel.envelope = Envelope(headers=envelope.headers, items=kept)
        try:
            self._fit(envelope)
            return wire.packed(wire.spelled(envelope), self._encoding)
        except Exception:
            # As the SDK does: what cannot be written as JSON is nobody's to send.
            logger.debug("an envelope could not be written", exc_info=True)
            self.lose(parcel, "internal_sdk_error")
            return None

    def _text(self, envelope: Envelope) -> bytes:
        self._fit(envelope)
        return wire.plain(envelope)

    def _fit(self, envelope: Envelope) -> None:
        """Cut what Sentry would refuse for its size; count what had to go."""
        for item in envelope.items:
            gone = fitting.fit(item) if item.type in fitting.FITTED else None
            if gone:
                count_lost(CUT)
                if gone["spans"]:
                    self.record_lost_event("buffer_overflow", "span", quantity=gone["spans"])

    def _packed_file(self, parcel: Parcel, name: str) -> bytes | None:
        text, parcel.text = parcel.text, None
        if text is not None and not self._failing:
            return wire.packed(text, self._encoding)
        spool = cast("Spool", self._spool)
        text = text or spool.read(name)
        if text is None:
            return None  # an operator has dropped it
        try:
            return wire.packed(wire.sent_now(text), self._encoding)
        except ValueError:
            spool.refuse(name, "it is no envelope")
            return None

    def settle(self, parcel: Parcel, answer: Answer | OSError) -> bool:
        """Do what an answer asks for; say whether the parcel is to be sent again."""
        verdict = verdict_of(answer)
        self._tell_change(answer, failed=verdict is Verdict.FAILED)
        if not isinstance(answer, OSError) and answer.limits:
            self.limit(parcel.category, answer)
        if parcel.file is not None and self._spool is not None:
            return self._settle_file(verdict, parcel.file, self._spool, answer)
        if verdict is Verdict.FAILED:
            unclear = isinstance(answer, TimeoutError) and parcel.kind not in RECOGNISED
            if parcel.attempts < MAX_ATTEMPTS and not unclear:
                return True
        if reason := LOST_BECAUSE.get(verdict):
            self.lose(parcel, reason)
        return False

    def _settle_file(self, verdict: Verdict, name: str, spool: Spool, answer: Answer | OSError) -> bool:
        """Do the same for what is on disk, and leaves it only when Sentry has it or does not want it."""
        if verdict is Verdict.TAKEN:
            spool.remove(name)
        elif verdict is Verdict.REFUSED and isinstance(answer, Answer):
            kind = kind_of(name)
            self._notices.tell(str(answer.status), "Sentry refuses what it was sent (%s): %s", kind, answer.text)
            spool.refuse(name, answer.text)
            self.record_lost_event("send_error", category_of(kind))
        return verdict in {Verdict.FAILED, Verdict.LIMITED}

    def _tell_change(self, answer: Answer | OSError, *, failed: bool) -> None:
        if failed == self._failing:
            return
        self._failing = failed
        if failed:
            why = answer if isinstance(answer, OSError) else answer.text
            kept = f"kept in {self._spool.root}" if self._spool is not None else "kept in memory"
            logger.warning("Sentry cannot be reached (%s); errors are %s until it can", why, kept)
        else:
            logger.warning("Sentry can be reached again")

    def chores(self, *, hurry: bool) -> None:
        """Fetch what was gathered, tell what was lost, take over what dead processes have left.

        All of it now, if somebody waits for the end.
        """
        self.fetch()
        now = time.monotonic()
        if self._spool is not None and (hurry or now - self._adopted_at >= ADOPT_SECONDS):
            self._adopted_at = now
            self._send_files(self._spool.adopt())
        self.add_unsampled()
        if self._discarded_events and (hurry or now - self._reported_at >= REPORT_SECONDS):
            self._reported_at = now
            self._report()

    def _report(self) -> None:
        losses = self.take_losses()
        report = report_of(losses, self.options)
        if report.items and self.options["send_client_reports"]:
            self._sender.put(Parcel("client_report", "internal", 1, report, losses=losses))

    def _open(self) -> Connection | PooledConnection:
        # A proxy or SOCKS manager is a subclass, and knows what we do not.
        if type(self._pool) is urllib3.PoolManager:
            return self._address.open()
        return PooledConnection(self._pool, self._address.url, self._address.headers)

    def _spool_of(self, place: Path | None, limit: int) -> Spool | None:
        if place is None or not limit:
            return None
        # What one DSN has not taken is nothing for another; the key itself stands in no file's name.
        digest = hashlib.sha256(f"{self._auth.public_key}@{self._auth.get_api_url()}".encode()).hexdigest()
        return Spool(place / f"{self._auth.project_id}-{digest[:12]}-u{os.geteuid()}", limit)

    def _address_of(self) -> Address:
        pool = self._get_pool_options()
        return Address(
            url=self._auth.get_api_url(EndpointType.ENVELOPE),
            headers={
                "User-Agent": str(self._auth.client),
                "X-Sentry-Auth": self._auth.to_header(),
                "Content-Type": "application/x-sentry-envelope",
                "Content-Encoding": self._encoding,
            },
            socket_options=pool.get("socket_options") or (),
            ca_certs=pool.get("ca_certs"),
            cert_file=pool.get("cert_file"),
            key_file=pool.get("key_file"),
        )

    def _forget_parent(self) -> None:
        """Become as new in a forked child: no copy of what the parent has queued or counted, no shared socket."""
        self.forget_losses()
        self._reported_at = time.monotonic()
        self._notices = Notices()
        self._failing = self._finished = False
        with suppress(Exception):
            self._sender.forget()
        if self._spool is not None:
            self._spool.forget()
        self._pool = self._make_pool()


def category_of(kind: str) -> Any:
    """Return what Sentry counts a kind of item as."""
    return Item(b"", type=kind).data_category


def transport_for(
    place: Path | None, spool_bytes: int, scrub: Callable[[Envelope], None] = _as_it_is
) -> type[WorkerTransport]:
    """Return the transport with its spool: the SDK makes the instance, and passes it its own options only."""
    parts = {"place": place, "spool_bytes": spool_bytes, "scrub": staticmethod(scrub)}
    return type("WorkerTransport", (WorkerTransport,), parts)


class _Worker:
    """Answer what the SDK asks of its own background worker."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def full(self) -> bool:
        """Whether the queue is full; then the SDK samples fewer transactions."""
        return self._sender.full

    def kill(self) -> None:
        """End the thread."""
        self._sender.end()
