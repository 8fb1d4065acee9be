"""What Sentry itself would say about our envelopes: Relay's own code, Sentry's own client, and the official schemas.

Every judge returns findings, one sentence each; nothing found is an empty list. No judge is ours where Sentry
publishes one; the schemas stand where it does not.
"""

import json
import os
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from monitoring.local.queries import StoredItem
from tests.harness.schemas import VALIDATORS
from tests.harness.sentry import Sentry, describe

DAY_SECONDS = 86_400
# Reasons of a client report that are somebody's choice; any other is a loss.
BY_CHOICE = frozenset({"before_send", "event_processor", "sample_rate"})
# Sentry keeps this many spans of a transaction.
MAX_SPANS = 1000
SOURCES = frozenset({"custom", "url", "route", "view", "component", "task"})
REQUIRED = ("event_id", "timestamp", "platform")
CLI_TYPES = frozenset({"log", "check_in"})


def relay_missing() -> str | None:
    """Tell why Relay's judge cannot sit here, or None. On CI its absence is an error: it would be nobody's notice."""
    try:
        import sentry_relay.processing  # noqa: F401, PLC0415  # has no Windows wheel
    except ImportError as error:
        if os.environ.get("CI") == "true":
            raise RuntimeError("sentry-relay must judge on CI, and cannot be imported") from error
        return f"sentry-relay cannot be imported: {error}"
    return None


@cache
def _normalizer() -> Any:
    from sentry_relay.processing import StoreNormalizer  # noqa: PLC0415  # loaded by the first judged event only

    return StoreNormalizer(enable_trimming=True, max_secs_in_future=60, max_secs_in_past=30 * DAY_SECONDS)


@cache
def _pii_config() -> Any:
    from sentry_relay.processing import convert_datascrubbing_config  # noqa: PLC0415  # as above

    return convert_datascrubbing_config(
        {
            "scrubData": True,
            "scrubDefaults": True,
            "scrubIpAddresses": True,
            "sensitiveFields": ["api_key", "apikey", "api_secret", "secret_key", "passphrase", "private_key"],
            "excludeFields": [],
        }
    )


def judge_event(event: Mapping[str, Any]) -> list[str]:
    """Return what Relay would repair, drop or refuse in an error event or a transaction.

    Relay cuts the local variables of frames as a matter of course; that alone is no finding.
    """
    from sentry_relay.exceptions import RelayError  # noqa: PLC0415  # as above

    try:
        kept = _normalizer().normalize_event(dict(event))
    except RelayError as error:
        return [f"Relay refuses it: {type(error).__name__}: {error}"]
    found = [f"{path}: {verdict}" for path, verdict in _verdicts(kept.get("_meta")) if ".vars" not in path]
    return found + _silent(event) + _changed_tags(event.get("tags"), kept.get("tags"))


#: A task's id, which now and then begins with the digits of a valid card.
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


def judge_privacy(event: Mapping[str, Any]) -> list[str]:
    """Return what Sentry's own data scrubber would still find to remove. This machine's own address is no secret."""
    from sentry_relay.processing import pii_strip_event  # noqa: PLC0415  # as above

    event = json.loads(UUID.sub("uuid", json.dumps(event).replace("127.0.0.1", "localhost")))
    known = dict(_verdicts(event.get("_meta"), ("rem",)))
    kept = pii_strip_event(_pii_config(), dict(event))
    return [
        f"{path}: a secret left for Sentry to find ({verdict})"
        for path, verdict in _verdicts(kept.get("_meta"), ("rem",))
        if path not in known and not _is_filtered(event, path)
    ]


def judge_with_cli(items: Iterable[StoredItem]) -> list[str]:
    """Return what sentry-cli's typed parser refuses: framing, logs, check-ins."""
    chosen = [item for item in items if item.type in CLI_TYPES]
    if not chosen:
        return []
    with Sentry() as receiver, tempfile.TemporaryDirectory() as folder:
        for number, item in enumerate(chosen):
            Path(folder, f"{number}.envelope").write_bytes(framed(item))
        if _refusal(receiver.dsn, f"{folder}/*.envelope") is None:
            return []
        one_by_one = [(item, _refusal(receiver.dsn, f"{folder}/{n}.envelope")) for n, item in enumerate(chosen)]
    return [f"{item.type} {describe(item.payload)}: {why}" for item, why in one_by_one if why is not None]


def judge_envelope_with_cli(envelope: bytes) -> list[str]:
    """Return what sentry-cli refuses in a whole envelope as it was on the wire."""
    with Sentry() as receiver, tempfile.NamedTemporaryFile(suffix=".envelope") as file:
        file.write(envelope)
        file.flush()
        refusal = _refusal(receiver.dsn, file.name)
    return [] if refusal is None else [refusal]


def judge_schema(kind: str, entry: Mapping[str, Any]) -> list[str]:
    """Return where a metric, a streamed span or a client report departs from its official description."""
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in VALIDATORS[kind].iter_errors(entry)]


def judge_losses(sentry: Sentry) -> list[str]:
    """Return what the SDKs say they lost, other than by choice."""
    return [
        f"the SDK lost {quantity} x {category} ({reason})"
        for (reason, category), quantity in sentry.lost().items()
        if reason not in BY_CHOICE
    ]


def _each(kinds: tuple[str, ...], judge: Callable[[Mapping[str, Any]], list[str]]) -> Callable[[Sentry], list[str]]:
    def judged(sentry: Sentry) -> list[str]:
        return [
            f"{kind} {describe(entry)}: {finding}"
            for kind in kinds
            for entry in sentry.entries(kind)
            for finding in judge(entry)
        ]

    return judged


def _schemas(sentry: Sentry) -> list[str]:
    return [
        f"{kind} {describe(entry)}: {finding}"
        for kind in VALIDATORS
        for entry in sentry.entries(kind)
        for finding in judge_schema(kind, entry)
    ]


JUDGES: Mapping[str, Callable[[Sentry], list[str]]] = {
    "framing": lambda sentry: [f"{number} x {reason}" for reason, number in sentry.refused.items()],
    "relay": _each(("event", "transaction"), judge_event),
    "privacy": _each(("event", "transaction"), judge_privacy),
    "cli": lambda sentry: judge_with_cli(sentry.items()),
    "schema": _schemas,
    "losses": judge_losses,
}
NEED_RELAY = frozenset({"relay", "privacy"})


def judge(sentry: Sentry, excused: frozenset[str] = frozenset()) -> list[str]:
    """Return what every judge but the excused says about everything a test's Sentry has received."""
    absent = NEED_RELAY if relay_missing() else frozenset()
    return [
        f"{name}: {finding}"
        for name, judged in JUDGES.items()
        if name not in excused | absent
        for finding in judged(sentry)
    ]


def framed(item: StoredItem) -> bytes:
    """Return an envelope that holds this item alone, as the SDK frames it."""
    payload = json.dumps(item.payload).encode()
    headers = {**item.headers, "length": len(payload)}
    return b"\n".join((b"{}", json.dumps(headers).encode(), payload, b""))


def _refusal(dsn: str, path: str) -> str | None:
    """Return the parser's complaint, or None. Exit code 1 alone may also mean that nobody listens."""
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "sentry-cli"), "send-envelope", path],
        env={"SENTRY_DSN": dsn, "PATH": os.defpath, "HOME": tempfile.gettempdir(), "SENTRY_DISABLE_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return " ".join(line.strip() for line in done.stderr.splitlines() if line.strip())


def _verdicts(meta: Any, kinds: tuple[str, ...] = ("err", "rem"), path: str = "") -> Iterator[tuple[str, str]]:
    """Walk Relay's annotations (`err`: not valid; `rem`: changed or removed): (path, what was said there)."""
    if not isinstance(meta, Mapping):
        return
    own = meta.get("")
    if isinstance(own, Mapping) and (said := {kind: own[kind] for kind in kinds if own.get(kind)}):
        yield path, json.dumps(said)
    for key, inner in meta.items():
        if key:
            yield from _verdicts(inner, kinds, f"{path}.{key}" if path else key)


def _silent(event: Mapping[str, Any]) -> list[str]:
    """Check what the documentation asks for and Relay's normaliser lets pass without a word."""
    found = [f"{key} is missing" for key in REQUIRED if not event.get(key)]
    spans = event.get("spans") or ()
    if len(spans) > MAX_SPANS:
        found.append(f"{len(spans)} spans, Sentry keeps {MAX_SPANS}")
    found += [f"spans.{number}.timestamp is missing" for number, span in enumerate(spans) if not span.get("timestamp")]
    source = (event.get("transaction_info") or {}).get("source", "custom")
    return found + ([] if source in SOURCES else [f"transaction_info.source {source!r} is none that Sentry knows"])


def _changed_tags(sent: Any, kept: Any) -> list[str]:
    """Compare tags by hand: Relay drops reserved names and renames odd ones without a word."""
    before, after = _tags(sent), _tags(kept)
    return [
        f"tag {name!r} = {value!r} arrives as {after.get(name, 'nothing')!r}"
        for name, value in before.items()
        if after.get(name) != value
    ]


def _tags(tags: Any) -> dict[str, str]:
    pairs = tags.items() if isinstance(tags, Mapping) else [pair for pair in tags or () if pair]
    return {str(name): str(value) if not isinstance(value, bool) else str(value).lower() for name, value in pairs}


def _is_filtered(event: Any, path: str) -> bool:
    """Tell whether the value at this path is a mark that we left ourselves."""
    value = event
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return False
    return isinstance(value, str) and value.startswith("[") and value.endswith("]")
