"""Tell the metrics of every task at little cost: JSON that is made once for each set of attributes.

The SDK takes some 60 µs for a metric: it merges three scopes, calls hooks, and spells each attribute anew in each
entry. A task's metrics have the same few sets of attributes over and over, so their scrubbed JSON is kept, and the
SDK's own batcher (its bounds, its flush) gets entries that only have to be joined.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
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
    from collections.abc import Iterator, Mapping, Sequence

    from sentry_sdk.client import BaseClient

MILLISECOND: Final = "millisecond"
#: Entries that are spelled at once: some 60 kB.
_AT_ONCE: Final = 100

#: A distribution's name and value; then when, trace, span, and the JSON of its attributes: one for all of a task's.
Ready = tuple[str, float, tuple[float, str, str | None, str]]


class ReadyMetrics(MetricsBatcher):
    """Be the SDK's batcher that also takes an entry whose attributes are JSON already.

    Unlike the SDK's it has no thread of its own: the one that talks to Sentry fetches what is here every few seconds,
    or when a thousand entries wait. And entries are spelled when they are sent, so that no task waits for that.
    """

    def __init__(self, own: MetricsBatcher, transport: WorkerTransport) -> None:
        super().__init__(own._capture_func, own._record_lost_func)  # noqa: SLF001  # its constructor's
        self._transport = transport
        self._fetched = False
        transport.fetch = self.flush

    def add(self, item: Any) -> None:
        """Take a metric of the SDK's; one that is no JSON (a value that is no number) is lost alone, and counted."""
        try:
            text = _json(self._to_transport_format(item))
        except Exception:  # noqa: BLE001  # whatever the application has put in: the call must not fail for it
            self._record_lost_func(reason="internal_sdk_error", data_category=self.CLIENT_REPORT_TYPE, quantity=1)
        else:
            self.take([text])

    def take(self, entries: Sequence[Ready | str]) -> None:
        """Take entries that are JSON, or only have to be spelled."""
        # The SDK's own precaution: what the garbage collector makes say something must not wait for our lock.
        if getattr(self._active, "flag", False):
            return
        self._active.flag = True
        try:
            with self._lock:
                room = self.MAX_BEFORE_DROP - len(self._buffer)
                self._buffer.extend(cast("Any", entries[:room]))
                full = len(self._buffer) >= self.MAX_BEFORE_FLUSH
            if full or not self._fetched:
                self._fetched = True
                self._transport.fetch_soon(now=full)
            for lost in entries[room:]:
                self._record_lost(cast("Any", lost))
        finally:
            self._active.flag = False

    def _reset_thread_state(self) -> None:
        super()._reset_thread_state()
        self._fetched = False  # by a thread that the parent has, and this process has not

    def _flush(self) -> Envelope | None:
        with self._lock:
            entries, self._buffer = self._buffer, []
        if not entries:
            return None
        envelope = Envelope(headers={"sent_at": iso_moment(time.time())})
        envelope.add_item(self._to_envelope_item(entries))
        self._capture_func(envelope)
        return envelope

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
    if not all(type(value) is str for _, value in pairs):
        raise TypeError("one of them is no text")
    return dict(pairs)


def distributions(  # noqa: PLR0913, PLR0917  # what a metric consists of
    client: BaseClient,
    milliseconds: Sequence[tuple[str, float]],
    attributes: Mapping[str, Any],
    words: Words,
    trace_id: str,
    span_id: str | None,
) -> bool:
    """Tell values of distributions, by name; False if they must go the SDK's own way, and nothing was told.

    So they must if `install` said so, or if an attribute is no text. `attributes` are the same for many tasks, `words`
    go before them. Names, `trace_id` and `span_id` are ours or the SDK's, and are written as they are.
    """
    batcher = client.metrics_batcher
    if not isinstance(batcher, ReadyMetrics):
        return False
    try:
        told = _attributes_json(_known(attributes), words, SECRETS.generation)
    except TypeError:
        return False
    place = time.time(), trace_id, span_id, told
    batcher.take([(name, value, place) for name, value in milliseconds])
    return True


class _Known:
    """Stand for the attributes of one moment in a cache's key: by identity, which costs less than to hash them all."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = dict(attributes)
        self.are_texts = all(type(value) is str for value in attributes.values())


_NONE: Final = _Known({})
_latest = _NONE


def _known(attributes: Mapping[str, Any]) -> _Known:
    global _latest  # noqa: PLW0603  # one entry: they change when a process is named, and hardly ever again
    if not attributes:
        return _NONE
    latest = _latest
    # Only texts are compared: 1, 1.0 and True are equal.
    if not latest.are_texts or latest.attributes != attributes:
        latest = _latest = _Known(attributes)
    return latest


def _spelled(entry: Ready) -> str:
    name, value, (moment, trace_id, span_id, told) = entry
    span = f'"span_id":"{span_id}",' if span_id is not None else ""
    return (
        f'{{"timestamp":{moment!r},"type":"distribution","name":"{name}","value":{value!r},"unit":"{MILLISECOND}",'
        f'"trace_id":"{trace_id}",{span}"attributes":{told}}}'
    )


@lru_cache(maxsize=4096)
def _attributes_json(known: _Known, words: Words, generation: int) -> str:  # noqa: ARG001  # part of the key
    """Spell attributes as Sentry takes them, scrubbed. Raises TypeError for one that is no text.

    Another generation of registered secrets is another key.
    """
    if not known.are_texts:
        raise TypeError("an attribute is no text")
    metric: Any = {"attributes": {**known.attributes, **words.known()}}
    cleaned: Any = scrubbing.scrub_metric(metric, {})
    return _json({key: {"value": value, "type": "string"} for key, value in cleaned["attributes"].items()})


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
