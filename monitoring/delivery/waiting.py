"""What waits to be sent, in bounded memory: errors first, the rest in order, the oldest of the rest dropped first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sentry_sdk.envelope import Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentry_sdk.envelope import Envelope

    from monitoring.delivery.losses import Losses

#: Envelopes of transactions, metrics, logs and spans that may wait. The SDK's 100 overflow at full sampling even on
#: loopback (measured).
BULK_ENVELOPES: Final = 1000
#: Spans, metrics and log lines in them together: a thousand transactions of a thousand spans would be a gigabyte.
BULK_ENTRIES: Final = 50_000
#: Errors, check-ins and reports that wait in memory alone, because the spool could not take them or is none of theirs.
URGENT_ENVELOPES: Final = 1000

#: What Sentry recognises when it comes twice. The rest is not repeated after a time-out: it would be counted twice.
RECOGNISED: Final = frozenset({"event", "transaction", "check_in"})

#: What goes first, whatever else waits.
URGENT: Final = frozenset({"event", "check_in", "client_report"})


@dataclass(slots=True, eq=False)
class Parcel:
    """Hold one envelope on its way.

    `file` names its copy in the spool; then `text` is the same, until the first attempt has failed. `losses` are what
    a report tells.
    """

    kind: str
    category: str
    entries: int = 1
    envelope: Envelope | None = None
    text: bytes | None = None
    file: str | None = None
    attempts: int = 0
    answered: bool = False
    losses: Losses | None = None


def parcel_of(envelope: Envelope) -> Parcel:
    """Return an envelope as what waits; its first item says what it is."""
    first = envelope.items[0]
    return Parcel(str(first.type), first.data_category, sum(map(_entries, envelope.items)), envelope)


def category_of(kind: str) -> Any:
    """Return what Sentry counts a kind of item as."""
    return Item(b"", type=kind).data_category


def _entries(item: Item) -> int:
    count: Any = item.headers.get("item_count") or getattr(item.payload, "entries", None)
    if count is None and item.type == "transaction":
        event = item.payload.json
        count = 1 + len(event.get("spans") or ()) if isinstance(event, dict) else 1
    return count if isinstance(count, int) else 1


@dataclass(slots=True)
class Waiting:
    """Keep parcels until they are taken. Not safe by itself: the sender's lock guards it."""

    urgent: dict[str, deque[Parcel]] = field(default_factory=dict)
    bulk: deque[Parcel] = field(default_factory=deque)
    bulk_entries: int = 0
    unspooled: int = 0

    def add(self, parcel: Parcel) -> list[Parcel]:
        """Take a parcel in; return what had to go for it, oldest first."""
        if parcel.kind in URGENT or parcel.file is not None:
            return self._add_urgent(parcel)
        self.bulk.append(parcel)
        self.bulk_entries += parcel.entries
        dropped = []
        while len(self.bulk) > BULK_ENVELOPES or (self.bulk_entries > BULK_ENTRIES and len(self.bulk) > 1):
            dropped.append(self._pop_bulk())
        return dropped

    def _add_urgent(self, parcel: Parcel) -> list[Parcel]:
        if parcel.file is None:
            if self.unspooled >= URGENT_ENVELOPES:
                return [parcel]
            self.unspooled += 1
        self.urgent.setdefault(parcel.category, deque()).append(parcel)
        return []

    def put_back(self, parcel: Parcel) -> list[Parcel]:
        """Take in what could not be sent: errors at the end, where none blocks others, the rest in front."""
        if parcel.kind in URGENT or parcel.file is not None:
            return self._add_urgent(parcel)
        if len(self.bulk) >= BULK_ENVELOPES or self.bulk_entries + parcel.entries > BULK_ENTRIES:
            return [parcel]
        self.bulk.appendleft(parcel)
        self.bulk_entries += parcel.entries
        return []

    def take(self, limited: Callable[[str], bool], *, bulk: bool = True) -> Parcel | None:
        """Return what goes next, or None. Errors under a rate limit stay; `bulk` says whether the rest may go."""
        for category, parcels in self.urgent.items():
            if parcels and not limited(category):
                parcel = parcels.popleft()
                self.unspooled -= parcel.file is None
                return parcel
        return self._pop_bulk() if bulk and self.bulk else None

    def take_unspooled(self) -> list[Parcel]:
        """Return everything that is in memory alone, and forget it."""
        left = list(self.bulk)
        self.bulk.clear()
        self.bulk_entries = 0
        for category, parcels in self.urgent.items():
            left += (parcel for parcel in parcels if parcel.file is None)
            self.urgent[category] = deque(parcel for parcel in parcels if parcel.file is not None)
        self.unspooled = 0
        return left

    @property
    def full(self) -> bool:
        """Whether the next transaction would push out an older one."""
        return len(self.bulk) >= BULK_ENVELOPES or self.bulk_entries >= BULK_ENTRIES

    def has_urgent(self, limited: Callable[[str], bool]) -> bool:
        """Say whether an urgent parcel may go now."""
        return any(parcels and not limited(category) for category, parcels in self.urgent.items())

    def __len__(self) -> int:
        return len(self.bulk) + sum(map(len, self.urgent.values()))

    def _pop_bulk(self) -> Parcel:
        parcel = self.bulk.popleft()
        self.bulk_entries -= parcel.entries
        return parcel
