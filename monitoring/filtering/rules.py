"""Drop rules: what is noise whatever the error means. Each is a value that can be printed, reordered and tried alone.

A rule says True for an event that is noise. A rule that raises drops nothing: the event is kept and says so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from monitoring.filtering.chain import lineage, links
from monitoring.filtering.classify import TABLE, error_of
from monitoring.filtering.operations import operation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentry_sdk.types import Event, Hint


@dataclass(frozen=True, slots=True)
class DropRule:
    """Give a rule a name to be counted by and a reason to be explained with."""

    name: str
    reason: str
    test: Callable[[Event, Hint], bool]

    def __call__(self, event: Event, hint: Hint) -> bool:
        """Tell whether the event is noise."""
        return self.test(event, hint)


def drop_environments(*names: str) -> DropRule:
    """Drop what comes from these environments, unless it goes to a Sentry on this machine."""
    dropped = frozenset(name.lower() for name in names)
    return DropRule(
        "test_environment",
        f"the environment is one of {', '.join(names)}",
        lambda event, _: str(event.get("environment") or "").lower() in dropped and not _goes_to_this_machine(),
    )


def drop_loggers(*names: str) -> DropRule:
    """Drop log records of these loggers and of those below them."""
    prefixes = tuple(name + "." for name in names)
    return DropRule(
        "logger",
        f"logged by {', '.join(names)}",
        lambda event, _: (logger := str(event.get("logger") or "")) in names or logger.startswith(prefixes),
    )


def drop_exceptions(*names: str, reason: str = "the application expects it") -> DropRule:
    """Drop errors of these classes and of their subclasses, given as `package.ClassName`; causes are not looked at."""
    return DropRule("exception", f"{reason}: {', '.join(names)}", lambda _, hint: _is_one_of(hint, names))


#: `package.ClassName` of errors that say "the input is wrong", each library's own class.
VALIDATION_ERRORS: Final = (
    "pydantic_core.ValidationError",
    "pydantic.ValidationError",
    "marshmallow.ValidationError",
    "wtforms.ValidationError",
    "wtforms.StopValidation",
    "jsonschema.ValidationError",
    "werkzeug.BadRequest",
    "werkzeug.UnprocessableEntity",
)


def _inbound_http_4xx(event: Event, hint: Hint) -> bool:
    error = error_of(hint)
    if error is None or not operation_of(event).web or not _is_one_of(hint, ("werkzeug.HTTPException",)):
        return False
    code = getattr(error, "code", None)
    return isinstance(code, int) and 400 <= code < 500 and not _from_an_exchange(error)  # noqa: PLR2004


def _validation(event: Event, hint: Hint) -> bool:
    error = error_of(hint)
    return (
        error is not None
        and operation_of(event).web
        and _is_one_of(hint, VALIDATION_ERRORS)
        and not _from_an_exchange(error)
    )


def _from_an_exchange(error: BaseException) -> bool:
    """Tell whether the table knows an error behind this one: a 403 of ours may only pass an exchange's 403 on."""
    behind = [link for link in links(error) if link.error is not error]
    plain = {"ValueError", "LookupError", "TypeError"}
    rows = (TABLE.match(link.lineage, None, None, link.message) for link in behind)
    return any(row is not None and row.name not in plain for row in rows)


def _expected(_: Event, hint: Hint) -> bool:
    error, throws = error_of(hint), hint.get("throws") or ()
    return error is not None and isinstance(error, tuple(throws))


def _under_pytest(_: Event, __: Hint) -> bool:
    return "pytest" in sys.modules and not _goes_to_this_machine()


def _eager(event: Event, _: Hint) -> bool:
    celery = (event.get("contexts") or {}).get("celery") or {}
    return celery.get("is_eager") is True and not _goes_to_this_machine()


def _testnet(event: Event, _: Hint) -> bool:
    return operation_of(event).testnet


def _is_one_of(hint: Hint, names: tuple[str, ...]) -> bool:
    error = error_of(hint)
    if error is None:
        return False
    return any(f"{module.partition('.')[0]}.{name}" in names for module, name in lineage(type(error)))


def _goes_to_this_machine() -> bool:
    """Tell whether events go to a local Sentry: that one pages nobody, so tests may send there."""
    # Looked up and not imported: processes that never start the SDK load the filter too.
    sdk = sys.modules.get("sentry_sdk")
    dsn = sdk.get_client().parsed_dsn if sdk is not None else None
    if dsn is None:
        return False
    try:
        return ip_address(dsn.host.strip("[]")).is_loopback
    except ValueError:
        return bool(dsn.host == "localhost")


POLICY: Final[tuple[DropRule, ...]] = (
    drop_environments("test", "tests", "testing", "ci", "pytest"),
    DropRule("under_pytest", "pytest runs in this process", _under_pytest),
    DropRule("eager_mode", "the task was called in eager mode", _eager),
    DropRule("testnet", "the exchange is a testnet: no money moves", _testnet),
    DropRule("expected_by_task", "the task declares the error in `throws`", _expected),
    DropRule("inbound_http_4xx", "a client's mistake, answered by our own web application", _inbound_http_4xx),
    DropRule("validation", "a user's input was refused by a validation library", _validation),
)


def without(policy: tuple[DropRule, ...], *names: str) -> tuple[DropRule, ...]:
    """Return the policy without the rules of these names; an unknown name raises ValueError."""
    unknown = set(names) - {rule.name for rule in policy}
    if unknown:
        raise ValueError(
            f"the policy has no rule {', '.join(sorted(unknown))}; it has {', '.join(rule.name for rule in policy)}"
        )
    return tuple(rule for rule in policy if rule.name not in names)
