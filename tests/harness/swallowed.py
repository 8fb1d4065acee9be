"""Errors that the program swallows by design, and that a test must hear of."""

import logging
import re
from typing import Self

LOGGERS = ("celery.utils.dispatch.signal", "sentry_sdk.errors")
# A receiver that raised is logged by Celery, a fault inside the SDK by the SDK (in debug mode only).
IN_A_LOG = re.compile(
    r"^.*(?:Signal handler .* raised|\[sentry\] ERROR).*$"  # the record
    r"(?:\n(?:Traceback|[ \t]|\S*(?:Error|Exception)\b).*)*",  # its traceback
    re.MULTILINE,
)


class SwallowedErrors(logging.Handler):
    """Keep the ERROR records of Celery's signal dispatch and of the SDK while the context is open."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record with its traceback."""
        self.messages.append(self.format(record))

    def __enter__(self) -> Self:
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)


def swallowed_errors(log: str) -> list[str]:
    """Return every swallowed error, with its traceback, that a worker has written to its log."""
    return [found.group(0) for found in IN_A_LOG.finditer(log)]
