"""Tell the metrics of every task at little cost: JSON made once for each set of attributes, and not by the task.

The SDK takes some 60 µs for a metric: it merges three scopes, calls hooks, and spells each attribute anew in each
entry. A task's metrics have the same few sets of attributes over and over, so their scrubbed JSON is kept. And what a
task leaves behind is only what they are made from: the thread that sends makes them, one after the other, at a third of
what it costs in between a task's own work, where none of this is in the processor's caches.
"""

from __future__ import annotations

import json
import time
from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from sentry_sdk._metrics_batcher import MetricsBatcher
from sentry_sdk.envelope import Envelope, Item
from sentry_sdk.utils import has_data_collection_enabled

from monitoring import scrubbing
from monitoring.delivery import wire
from monitoring.delivery.transport import WorkerTransport
from monitoring.latency import iso_moment
from monitoring.scrubbing.registry import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sentry_sdk.client import BaseClient

MILLISECOND: Final = "millisecond"
#: Entries that are spelled at once: some 60 kB.
_AT_ONCE: Final = 100

#: When something was measured (wall clock, seconds since the epoch), and where: a trace's id, and a span's or None. The
#: ids are ours or the SDK's, and are written as they are.
Place = tuple[float, str, str | None]
#: A distribution's name and value; then when, trace, span, and the JSON of its attributes: one for all of a task's.
Ready = tuple[str, float, tuple[float, str, str | None, str]]


#: Makes a task's entries of what it has left; may raise, then they are lost and counted. A `partial`, to be cheap.
Measured = partial[list[Ready]]


class ReadyMetrics(MetricsBatcher):
    """Be the SDK's batcher that also takes what metrics are made from.

    Unlike the SDK's it has no thread of its own: the one that talks to Sentry fetches what is here every few seconds,
    or when a thousand entries wait. Entries are made and spelled when they are sent, so that no task waits for that,
    nor for a lock. The SDK's bounds hold; a task's entries count as one.
    """

    def __init__(self, own: MetricsBatcher, transport: WorkerTransport) -> None:
        super().__init__(own._capture_func, own._record_lost_func)  # noqa: SLF001  # its constructor's
        self._transport = transport
        self._waiting: deque[Measured | str] = deque()
        self._fetched = self._hurried = False
        transport.fetch = self.flush

    def add(self, item: Any) -> None:
        """Take a metric of the SDK's; one that is no JSON (a value that is no number) is lost alone, and counted."""
        try:
            text = _json(self._to_transport_format(item))
        except Exception:  # noqa: BLE001  # whatever the application has put in: the call must not fail for it
            self._lose_unmade()
        else:
            self.take(text)

    def take(self, entry: Measured | str) -> None:
        """Take an entry that is JSON, or what entries are made from. Also from code that the garbage collector runs."""
        waiting = self._waiting
        if len(waiting) >= self.MAX_BEFORE_DROP:
            for lost in self._made([entry]):
                self._record_lost(cast("Any", lost))
            return
        waiting.append(entry)
        if not self._fetched:
            self._fetched = True
            self._transport.fetch_soon(now=False)
        if len(waiting) >= self.MAX_BEFORE_FLUSH and not self._hurried:
            self._hurried = True
            self._transport.fetch_soon(now=True)

    def _reset_thread_state(self) -> None:
        super()._reset_thread_state()
        self._waiting = deque()
        self._fetched = self._hurried = False  # by a thread that the parent has, and this process has not

    def _flush(self) -> Envelope | None:
        self._hurried = False
        with self._lock:  # against another flush
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        entries = list(self._made(taken))
        for start in range(0, len(entries), self.MAX_BEFORE_FLUSH):
            envelope = Envelope(headers={"sent_at": iso_moment(time.time())})
            envelope.add_item(self._to_envelope_item(entries[start : start + self.MAX_BEFORE_FLUSH]))
            self._capture_func(envelope)
        return None  # nobody asks

    def _made(self, taken: Iterable[Measured | str]) -> Iterator[Ready | str]:
        for entry in taken:
            if isinstance(entry, str):
                yield entry
                continue
            try:
                yield from entry()
            except Exception:  # noqa: BLE001  # one task's are not to take all others' with them
                self._lose_unmade()

    def _lose_unmade(self) -> None:
        self._record_lost_func(reason="internal_sdk_error", data_category=self.CLIENT_REPORT_TYPE, quantity=1)

    @classmethod
    def _to_envelope_item(cls, items: Sequence[Any]) -> Item:
        return Item(
            type=cls.TYPE,
            content_type=cls.CONTENT_TYPE,
            headers={"item_count": len(items)},
            payload=wire.Pieces(lambda: cls._spell(items)),
        )

    @classmethod
    def _spell(cls, items: Sequence[Any]) -> Iterator[bytes]:
        opening = '{"version":2,"items":['
        for start in range(0, len(items), _AT_ONCE):
            texts = (item if type(item) is str else _spelled(item) for item in items[start : start + _AT_ONCE])
            yield (opening + ",".join(texts)).encode()
            opening = ","
        yield b"]}"


def install(client: BaseClient) -> None:
    """Give a client, before anything is counted, the batcher that `distributions` needs.

    Not where the application has a transport or a hook for metrics, or wants users told: there every metric goes the
    SDK's own way.
    """
    own, options = client.metrics_batcher, client.options
    if own is None or not isinstance(client.transport, WorkerTransport):
        return
    if not tells_users(client) and options["before_send_metric"] is scrubbing.scrub_metric:
        client.metrics_batcher = ReadyMetrics(own, client.transport)


def tells_users(client: BaseClient) -> bool:
    """Say whether the SDK adds the user to metrics, logs and spans: the application wants it."""
    return client.should_send_default_pii() or has_data_collection_enabled(client.options)


class Words(Protocol):
    """Attributes that differ from one task to the next, as one value that can be a cache's key."""

    def __hash__(self) -> int:
        """Tell equal ones by it."""
        ...

    def known(self) -> Mapping[str, str]:
        """Return them by name."""
        ...


class Pairs(NamedTuple):
    """Be such a value of whatever attributes there are."""

    pairs: tuple[tuple[str, Any], ...]

    def known(self) -> Mapping[str, str]:
        """Return them by name. Raises TypeError if one is no text."""
        return texts(self.pairs)


def texts(pairs: tuple[tuple[str, Any], ...]) -> dict[str, str]:
    """Return pairs by name. Raises TypeError if one is no text: to a cache 1, 1.0 and True are one key."""
    if not are_texts(pairs):
        raise TypeError("one of them is no text")
    return dict(pairs)


def are_texts(pairs: Iterable[tuple[str, Any]]) -> bool:
    """Say whether all values are texts."""
    return all(type(value) is str for _, value in pairs)


class Ambient:
    """Stand for the attributes of one moment in a cache's key: by identity, which costs less than to hash them all."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = dict(attributes)
        #: If not, no entry can be made with them.
        self.are_texts = are_texts(attributes.items())


#: Nothing around.
NONE: Final = Ambient({})
_latest = NONE


def ambient(attributes: Mapping[str, Any]) -> Ambient:
    """Return what stands for these attributes now, whatever becomes of the mapping."""
    global _latest  # noqa: PLW0603  # one entry: they change when a process is named, and hardly ever again
    if not attributes:
        return NONE
    latest = _latest
    # Only texts are compared: 1, 1.0 and True are equal.
    if not latest.are_texts or latest.attributes != attributes:
        latest = _latest = Ambient(attributes)
    return latest


def distributions(
    milliseconds: Sequence[tuple[str, float]], place: Place, around: Ambient, words: Words
) -> list[Ready]:
    """Make entries of distributions, by name; `words` go before what is `around`.

    Raises TypeError for an attribute that is no text.
    """
    told = _attributes_json(around, words, SECRETS.generation)
    return [(name, value, (*place, told)) for name, value in milliseconds]


def _spelled(entry: Ready) -> str:
    name, value, (moment, trace_id, span_id, told) = entry
    span = f'"span_id":"{span_id}",' if span_id is not None else ""
    return (
        f'{{"timestamp":{moment!r},"type":"distribution","name":"{name}","value":{value!r},"unit":"{MILLISECOND}",'
        f'"trace_id":"{trace_id}",{span}"attributes":{told}}}'
    )


@lru_cache(maxsize=4096)
def _attributes_json(around: Ambient, words: Words, generation: int) -> str:  # noqa: ARG001  # part of the key
    """Spell attributes as Sentry takes them, scrubbed. Raises TypeError for one that is no text.

    Another generation of registered secrets is another key.
    """
    if not around.are_texts:
        raise TypeError("an attribute is no text")
    metric: Any = {"attributes": {**around.attributes, **words.known()}}
    cleaned: Any = scrubbing.scrub_metric(metric, {})
    return _json({key: {"value": value, "type": "string"} for key, value in cleaned["attributes"].items()})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
