"""What the SDK calls with everything that is about to leave.

None of these raises and none drops: an item whose hook raises is lost by the SDK, or sent as it was. A section that
cannot be cleaned is replaced; if even that fails, a skeleton is sent, which names the error's class in the tag
`scrubbing_failed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from monitoring.scrubbing import entries
from monitoring.scrubbing.attachments import scrub_attachments
from monitoring.scrubbing.marks import FAILED
from monitoring.scrubbing.readings import ANYWHERE
from monitoring.scrubbing.sections import SECTIONS, anything, substitute, without_hidden
from monitoring.scrubbing.text import clean
from monitoring.scrubbing.walk import Walk
from monitoring.scrubbing.words import verbatim

if TYPE_CHECKING:
    from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint, Log, Metric, SpanJSON

# The tags an operator finds an event by; their values are still cleaned.
SKELETON_TAGS: Final = verbatim(
    "bot_id exchange symbol strategy component task queue attempt outcome error_kind celery_task_id"
)
_SKELETON_FIELDS: Final = verbatim("""
    event_id type timestamp start_timestamp level platform release environment server_name check_in_id monitor_slug
    status duration
""")
FAILED_TAG: Final = "scrubbing_failed"


def scrub_event(event: Event, hint: Hint) -> Event:
    """Return the event, message or check-in without secrets, and clear the hint's attachments (`before_send`)."""
    try:
        cleaned = _scrub_sections(cast("Mapping[str, object]", event))
        removed = scrub_attachments(hint)
        if removed:
            contexts = cleaned.setdefault("contexts", {})
            if isinstance(contexts, dict):
                contexts["scrubbing"] = {"attachments_removed": removed}
    except Exception as error:  # noqa: BLE001  # the SDK loses an event whose hook raises
        if isinstance(hint, dict):
            hint.pop("attachments", None)
        return cast("Event", _skeleton(event, error))
    return cast("Event", cleaned)


def scrub_transaction(event: Event, hint: Hint) -> Event:
    """Return the transaction without secrets, spans included (`before_send_transaction`)."""
    return scrub_event(event, hint)


def scrub_check_in(event: Event, hint: Hint) -> Event:
    """Return the check-in without secrets; the SDK sends these through `before_send` too."""
    return scrub_event(event, hint)


def scrub_breadcrumb(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb:  # noqa: ARG001  # the SDK's signature
    """Return the breadcrumb without secrets, as plain data (`before_breadcrumb`)."""
    return cast("Breadcrumb", _scrub_item(crumb, {}, ("type", "category", "level", "timestamp")))


def scrub_log(log: Log, hint: Hint) -> Log:  # noqa: ARG001  # the SDK's signature
    """Return the log record without secrets: text, template, parameters, attributes (`before_send_log`)."""
    cleaned = _scrub_item(
        log, {"attributes": _log_attributes(log)}, ("severity_text", "severity_number", "time_unix_nano", "trace_id")
    )
    return cast("Log", entries.bounded(cleaned, entries.LARGER))


def scrub_metric(metric: Metric, hint: Hint) -> Metric:  # noqa: ARG001  # the SDK's signature
    """Return the metric without secrets in name or attributes (`before_send_metric`)."""
    cleaned = _scrub_item(metric, {}, ("timestamp", "type", "value", "unit", "trace_id", "span_id"))
    return cast("Metric", entries.bounded(cleaned, entries.METRIC))


def scrub_span(span: SpanJSON, hint: Hint) -> SpanJSON:  # noqa: ARG001  # the SDK's signature
    """Return the streamed span without secrets in name or attributes (`before_send_span`)."""
    kept = (
        "trace_id",
        "span_id",
        "parent_span_id",
        "status",
        "is_segment",
        "start_timestamp",
        "end_timestamp",
        "_segment_span",
    )
    return cast("SpanJSON", entries.bounded(_scrub_item(span, {}, kept), entries.LARGER))


def scrub_text(text: str) -> str:
    """Return the text without secrets, at most about 8 KB of it. Never raises: on an error of ours all is replaced."""
    try:
        return clean(str.__str__(text)) if isinstance(text, str) else str(Walk().value(text))
    except Exception:  # noqa: BLE001  # fails closed
        return FAILED


def scrub_value(value: object) -> Any:
    """Return any value without secrets, nested or not; objects become their cleaned `repr`. Never raises."""
    try:
        return Walk().value(value)
    except Exception:  # noqa: BLE001  # fails closed
        return FAILED


def _scrub_sections(event: Mapping[str, object]) -> dict[str, object]:
    walk = Walk()
    cleaned: dict[str, object] = {}
    failures: list[str] = []
    for name, value in sorted(event.items(), key=_is_bulky):
        try:
            cleaned[name] = value if _is_internal(name, value) else SECTIONS.get(name, anything)(value, walk)
        except Exception as error:  # noqa: BLE001  # fails closed, section by section
            cleaned[name] = substitute(name, value, error)
            failures.append(f"{name}: {type(error).__name__}")
    if failures:
        tags = cleaned.get("tags")
        cleaned["tags"] = {**(tags if isinstance(tags, dict) else {}), FAILED_TAG: ", ".join(failures)[:200]}
    return cleaned


def _is_bulky(section: tuple[str, object]) -> bool:
    """Read last what may use up the bounds: the error itself comes first."""
    return section[0] in ("extra", "request", "_meta")


def _is_internal(name: str, value: object) -> bool:
    """Know the SDK's own counters and objects, which it takes out again before sending."""
    return name.startswith("_") and name != "_meta" and not isinstance(value, str | Mapping | list | tuple | bytes)


def _scrub_item(item: Any, done: Mapping[str, Callable[[Walk], object]], kept: tuple[str, ...]) -> Any:
    """Clean the parts of a small item; a part that fails becomes a mark, an item that fails keeps only `kept`."""
    try:
        walk = Walk()
        cleaned: dict[str, object] = {}
        for name, value in item.items():
            if name in kept and not isinstance(value, str | Mapping | list | tuple | bytes):
                cleaned[name] = value
                continue
            try:
                cleaned[name] = done[name](walk) if name in done else walk.value(value)
            except Exception:  # noqa: BLE001  # fails closed
                cleaned[name] = {} if isinstance(value, Mapping) else FAILED
    except Exception:  # noqa: BLE001  # fails closed
        return {"message": FAILED, "body": FAILED, "name": FAILED, "attributes": {}}
    return cleaned


def _log_attributes(log: Log) -> Callable[[Walk], object]:
    """Clean the attributes; a parameter that the body may not show is not shown as an attribute either."""

    def scrub(walk: Walk) -> object:
        attributes = walk.value(log["attributes"])
        body = log.get("body")
        if not isinstance(body, str) or not isinstance(attributes, dict):
            return attributes
        after = clean(body)
        params = {key: item for key, item in attributes.items() if str(key).startswith("sentry.message.parameter.")}
        return (
            {**attributes, **cast("dict[object, object]", without_hidden(params, body, after))}
            if body != after
            else attributes
        )

    return scrub


def _skeleton(event: object, error: Exception) -> dict[str, object]:
    """Return the little that is safe to say about an event that could not be cleaned."""
    skeleton: dict[str, object] = {"message": FAILED, "tags": {FAILED_TAG: type(error).__name__}}
    try:
        if isinstance(event, Mapping):
            tags = event.get("tags")
            known: dict[object, object] = (
                {key: tags[key] for key in SKELETON_TAGS if key in tags} if isinstance(tags, Mapping) else {}
            )
            skeleton |= {key: event[key] for key in _SKELETON_FIELDS if key in event}
            skeleton["tags"] = {**Walk().mapping(known, ANYWHERE), FAILED_TAG: type(error).__name__}
    except Exception:  # noqa: BLE001, S110  # what is known by now is what is sent
        pass
    return skeleton
