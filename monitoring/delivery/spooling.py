"""The transport's way over the disk: errors before they are sent, and what is left when a process stops."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from typing import TYPE_CHECKING, Any, Final, cast

import sentry_sdk

from monitoring.delivery import fitting, wire
from monitoring.delivery.answer import Answer, Verdict
from monitoring.delivery.counting import CountingTransport
from monitoring.delivery.folders import kind_of, name_for
from monitoring.delivery.losses import CUT, UNSPOOLED, count_lost, report_of
from monitoring.delivery.notices import Notices
from monitoring.delivery.spool import Spool, SpoolError
from monitoring.delivery.waiting import RECOGNISED, Parcel, category_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sentry_sdk.envelope import Envelope

logger = logging.getLogger(__name__)

#: What is on disk before the call that captured it returns.
DURABLE: Final = frozenset({"event"})
#: The part of the spool that transactions, metrics and logs may fill when a process stops.
BULK_SHARE: Final = 0.5


class SpoolingTransport(CountingTransport):
    """Keep on disk what must not be lost; how anything is sent is for a subclass to say."""

    #: Where the spool is, and the bytes that it may take; set by `transport_for`.
    place: Path | None = None
    spool_bytes: int = 0

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._notices = Notices()
        #: Where this process keeps what Sentry does not have yet; None when it keeps nothing.
        self.spool = self._spool_of(self.place, self.spool_bytes)

    def _spool_of(self, place: Path | None, limit: int) -> Spool | None:
        if place is None or not limit:
            return None
        # What one DSN has not taken is nothing for another; the key itself stands in no file's name.
        digest = hashlib.sha256(f"{self._auth.public_key}@{self._auth.get_api_url()}".encode()).hexdigest()
        return Spool(place / f"{self._auth.project_id}-{digest[:12]}-u{os.geteuid()}", limit)

    def make_durable(self, parcel: Parcel, spool: Spool, *, keep_text: bool) -> None:
        """Have an error on disk before anybody waits for Sentry; `keep_text` spares reading it from there again.

        What cannot be written goes by memory alone, and is counted.
        """
        name = name_for(parcel.kind)
        try:
            text = self.text_of(cast("Envelope", parcel.envelope))
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
            parcel.text = text if keep_text else None

    def keep(self, parcel: Parcel, deadline: float, *, under_way: bool) -> None:
        """Put what a stopping process could not send on disk, until `deadline` (monotonic); count what finds no room.

        `under_way`: Sentry may have it already.
        """
        if parcel.losses is not None and not under_way:
            self.lose(parcel, "")  # told by the report that is written last
            return
        unclear = under_way and parcel.kind not in RECOGNISED and parcel.losses is None
        if self.spool is None or time.monotonic() > deadline or unclear:
            self.lose(parcel, "network_error")
            return
        try:
            text, name = self.text_of(cast("Envelope", parcel.envelope)), name_for(parcel.kind)
            self.spool.put(name, text, force=False, share=BULK_SHARE)
            parcel.file = name
        except SpoolError:
            self.lose(parcel, "cache_overflow")
        except Exception:  # noqa: BLE001  # what cannot be written as JSON; it is counted
            self.lose(parcel, "internal_sdk_error")

    def keep_report(self) -> None:
        """Put the report of what was lost so far on disk."""
        if self.spool is None:
            return
        losses = self.take_losses()
        report = report_of(losses, self.options)
        if report.items:
            try:
                self.spool.put(name_for("client_report"), wire.plain(report), force=False)
            except SpoolError:
                self.put_back_losses(losses)

    def kept_text(self, parcel: Parcel, name: str, *, fresh: bool) -> bytes | None:
        """Return what is on disk as it is to be sent now, or None if nothing is; `fresh` if it has hardly waited."""
        text, parcel.text = parcel.text, None
        if text is not None and fresh:
            return text
        spool = cast("Spool", self.spool)
        text = text or spool.read(name)
        if text is None:
            return None  # an operator has dropped it
        try:
            return wire.sent_now(text)
        except ValueError:
            spool.refuse(name, "it is no envelope")
            return None

    def settle_kept(self, verdict: Verdict, name: str, spool: Spool, answer: Answer | OSError) -> bool:
        """Have what is on disk leave it only when Sentry has it or does not want it; say whether to send it again."""
        if verdict is Verdict.TAKEN:
            spool.remove(name)
        elif verdict is Verdict.REFUSED and isinstance(answer, Answer):
            kind = kind_of(name)
            self._notices.tell(str(answer.status), "Sentry refuses what it was sent (%s): %s", kind, answer.text)
            spool.refuse(name, answer.text)
            self.record_lost_event("send_error", category_of(kind))
        return verdict in {Verdict.FAILED, Verdict.LIMITED}

    def text_of(self, envelope: Envelope) -> bytes:
        """Return an envelope as text that Sentry takes."""
        self.fit(envelope)
        return wire.plain(envelope)

    def fit(self, envelope: Envelope) -> None:
        """Cut what Sentry would refuse for its size; count what had to go."""
        for item in envelope.items:
            gone = fitting.fit(item) if item.type in fitting.FITTED else None
            if gone:
                count_lost(CUT)
                if gone["spans"]:
                    self.record_lost_event("buffer_overflow", "span", quantity=gone["spans"])

    def forget_kept(self) -> None:
        """Become as new in a forked child: the folder is the parent's."""
        self._notices = Notices()
        if self.spool is not None:
            self.spool.forget()


def parcels_of(names: Iterable[str]) -> Iterator[Parcel]:
    """Yield what is on disk as what waits to be sent."""
    for name in names:
        kind = kind_of(name)
        yield Parcel(kind, category_of(kind), file=name)
