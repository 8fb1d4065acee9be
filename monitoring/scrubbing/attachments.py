"""Files that travel with an event: short texts are cleaned, all others stay behind and are counted."""

from __future__ import annotations

from typing import Any, Final

from sentry_sdk.attachments import Attachment

from monitoring.scrubbing.text import LONGEST_TEXT, clean

_TEXT_TYPES: Final = ("text/", "application/json", "application/yaml", "application/x-yaml", "application/toml")


def scrub_attachments(hint: dict[str, Any]) -> int:
    """Replace the hint's attachments by clean ones and return how many had to stay behind.

    A text of up to 8 KB that is given as bytes can be cleaned. A file, a function and anything binary cannot.
    """
    attachments = hint.get("attachments") if isinstance(hint, dict) else None
    if not attachments:
        return 0
    kept = [cleaned for attachment in attachments if (cleaned := _cleaned(attachment)) is not None]
    hint["attachments"] = kept
    return len(attachments) - len(kept)


def _cleaned(attachment: object) -> Attachment | None:
    if not isinstance(attachment, Attachment) or not isinstance(attachment.bytes, bytes):
        return None
    if len(attachment.bytes) > LONGEST_TEXT or not str(attachment.content_type).startswith(_TEXT_TYPES):
        return None
    try:
        text = attachment.bytes.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Attachment(
        bytes=clean(text).encode(),
        filename=clean(str(attachment.filename)),
        content_type=attachment.content_type,
        add_to_transactions=attachment.add_to_transactions,
    )
