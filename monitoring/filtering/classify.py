"""From an error to its row of the table: what it is, how bad, and what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from monitoring.filtering.chain import MAX_MESSAGE, Lineage, Link, links
from monitoring.filtering.errors import EXCHANGE_ERRORS
from monitoring.filtering.errors.row import ErrorRow, Persistence, Scope, Severity, Treatment
from monitoring.filtering.errors.table import ErrorTable
from monitoring.filtering.operations import Operation
from monitoring.filtering.symptoms import database_code, exchange_code, http_status, http_status_in

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

UNKNOWN: Final = "unknown"
ORDER_STATE_UNKNOWN: Final = "order_state_unknown"

NOWHERE: Final = Operation()
TABLE: Final = ErrorTable(EXCHANGE_ERRORS)


@dataclass(frozen=True, slots=True)
class Classification:
    """Say what an error is. `row` is None for an error that the table does not know; such errors are sent."""

    kind: str
    severity: Severity
    treatment: Treatment
    reason: str
    row: ErrorRow | None = None
    error_class: str = ""
    code: str | None = None
    http: int | None = None
    never_filtered: bool = False

    @property
    def window(self) -> Persistence | None:
        """Return when the error counts as persistent, or None if it is never counted."""
        return self.row.window if self.row is not None and not self.never_filtered else None

    @property
    def per(self) -> Scope:
        """Return whose trouble it is."""
        return self.row.per if self.row is not None else "exchange"


_SENT: Final = Classification(UNKNOWN, "error", Treatment.SEND, "the table does not know it")


@dataclass(frozen=True, slots=True)
class _Finding:
    link: Link
    row: ErrorRow | None
    code: str | None
    http: int | None


def classify(error: BaseException | Any, operation: Operation = NOWHERE, table: ErrorTable = TABLE) -> Classification:
    """Find an error's row, looking through causes and Celery's wrappers. Never raises for whatever was raised.

    The outermost error that the table knows decides; a generic one gives way to its cause. What was merely being
    handled when one of Python's own errors struck does not excuse that error.
    """
    return classify_chain(links(error), operation, table)


def chain_of(event: Event, hint: Hint) -> tuple[Link, ...]:
    """Return the errors behind an event: the exception it was made from, else what it says of one itself."""
    error = error_of(hint)
    if error is not None:
        return links(error)
    told = (event.get("exception") or {}).get("values") or []
    return tuple(_told_link(value) for value in reversed(told) if isinstance(value, dict) and value.get("type"))


def _told_link(value: dict[str, Any]) -> Link:
    names = ((str(value.get("module") or "builtins"), str(value["type"])),)
    return Link(names, str(value.get("value") or "")[:MAX_MESSAGE], None, None, explicit=True)


def error_of(hint: Hint) -> BaseException | None:
    """Return the exception that an event was made from, if the hint or a log record holds it."""
    record = hint.get("log_record")
    for exc_info in (hint.get("exc_info"), getattr(record, "exc_info", None)):
        error = exc_info[1] if isinstance(exc_info, tuple) and len(exc_info) > 1 else exc_info
        if isinstance(error, BaseException):
            return error
    return None


def classify_chain(chain: tuple[Link, ...], operation: Operation, table: ErrorTable) -> Classification:
    """Classify a chain of errors, outermost first."""
    findings = _findings(chain, table)
    decisive = _decisive(findings)
    if operation.money and (doubtful := next((found for found in findings if found.row and found.row.uncertain), None)):
        return _order_state_unknown(doubtful)
    if decisive is None:
        return _SENT
    row = decisive.row
    if row is None:
        return _told(decisive, _SENT.kind, _SENT.severity, _SENT.treatment, _SENT.reason)
    critical = (row.critical_in == "closing" and operation.closing) or (
        row.critical_in == "changing" and operation.money
    )
    if critical:
        reason = f"in an operation that closes or moves money ({operation.name}): {row.reason}"
        return _told(decisive, row.kind, "fatal", Treatment.CRITICAL, reason, never_filtered=True)
    never = row.kind == ORDER_STATE_UNKNOWN and not operation.testnet
    return _told(decisive, row.kind, row.severity, row.treatment, row.reason, never_filtered=never)


def _order_state_unknown(found: _Finding) -> Classification:
    reason = "no answer in an operation that changes state: nobody knows whether it was carried out"
    return _told(found, ORDER_STATE_UNKNOWN, "fatal", Treatment.CRITICAL, reason, never_filtered=True)


def _told(  # noqa: PLR0913
    found: _Finding, kind: str, severity: Severity, treatment: Treatment, reason: str, *, never_filtered: bool = False
) -> Classification:
    name = found.link.lineage[0][1] if found.link.lineage else ""
    return Classification(
        kind, severity, treatment, reason, found.row, name, found.code, found.http, never_filtered=never_filtered
    )


def _findings(chain: tuple[Link, ...], table: ErrorTable) -> list[_Finding]:
    """Match every link. A status or a code found further in also describes the errors around it."""
    found: list[_Finding] = []
    http, code = None, None
    for link in reversed(chain):
        in_text = http_status_in(link.message) if "ccxt" in _packages(link.lineage) else None
        http = http_status(link.error) or in_text or http
        code = database_code(link.error) or exchange_code(link.error, link.message) or code
        found.append(_Finding(link, table.match(link.lineage, http, code, link.message), code, http))
    return found[::-1]


def _decisive(findings: list[_Finding]) -> _Finding | None:
    """Choose the link that decides: the outermost known, unless it is generic and its cause is not."""
    if not findings:
        return None
    explicit = [found for found in findings if found.link.explicit]
    known = [found for found in explicit if found.row is not None]
    specific = next((found for found in known if found.row is not None and not found.row.generic), None)
    if known:
        return specific or known[0]
    # An error of a class of its own, raised while another was handled without "from": most often a wrapper.
    implicit = next((found for found in findings if found.row is not None), None)
    if implicit is not None and not _is_plain(findings[0].link.lineage):
        return implicit
    return findings[0]


def _is_plain(lineage: Lineage) -> bool:
    return all(module == "builtins" for module, _ in lineage)


def _packages(lineage: Lineage) -> set[str]:
    return {"ccxt" if name == "BaseError" else module.partition(".")[0] for module, name in lineage}
