"""Read a trading request: JSON without loss of digits, then validated, with everything that is wrong told at once."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from flask_app.problems import ProblemError
from monitoring.scrubbing import scrub_value
from worker.settings import EXCHANGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

#: More than any valid request has; a larger body is refused with 413.
MOST_BYTES: Final = 16 * 1024
_SHOWN: Final = 100
_RULES: Final = {"extra_forbidden": "is not a field of this request", "string_type": "must be a text"}


def matching(pattern: str, rule: str, spelling: Callable[[str], str] = str) -> AfterValidator:
    """Return a validator of texts: given one spelling, each must match the pattern, or `rule` is what it violates."""

    def check(text: str) -> str:
        spelt = spelling(text)
        if not re.fullmatch(pattern, spelt):
            raise ValueError(rule)
        return spelt

    return AfterValidator(check)


_BOT_ID: Final = matching(r"[A-Za-z0-9_.@:-]{1,64}", "must be 1 to 64 letters, digits or . @ : - _")
_EXCHANGE: Final = matching("|".join(EXCHANGES), f"must be one of {', '.join(EXCHANGES)}", str.lower)
_SYMBOL: Final = matching(r"[A-Z0-9]{1,15}/[A-Z0-9]{1,15}(:[A-Z0-9]{1,15})?", "must be like BTC/USDT", str.upper)


#: As the tasks bound it (`worker.arguments`), and with no more digits than any exchange has.
Quantity = Annotated[Decimal, Field(gt=0, le=10**12, max_digits=36, decimal_places=18)]


class TradingRequest(BaseModel):
    """Say for which bot, exchange and symbol something is to be done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_id: Annotated[str, _BOT_ID]
    exchange: Annotated[str, _EXCHANGE]
    symbol: Annotated[str, _SYMBOL]

    def arguments(self) -> dict[str, Any]:
        """Return what was given as arguments of a task; amounts as text, since a number in JSON may lose digits."""
        given = self.model_dump(exclude_none=True, exclude_unset=True)
        return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in given.items()}


Request = TypeVar("Request", bound=TradingRequest)


def read(model: type[Request]) -> Request:
    """Return the running request's body as a model, or raise the problem that lists every violation."""
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON, with the header Content-Type: application/json.")
    try:
        return model.model_validate(_parsed(request.get_data(cache=False)))
    except RequestEntityTooLarge:
        raise RequestEntityTooLarge(f"The body must be at most {MOST_BYTES} bytes.") from None
    except ValidationError as error:
        refuse([_violation(detail) for detail in error.errors(include_url=False)])


def refuse(violations: list[dict[str, Any]]) -> NoReturn:
    """Raise the problem that lists these violations; each has a `pointer` (or `header`), a `rule` and a `value`."""
    count = "1 value" if len(violations) == 1 else f"{len(violations)} values"
    raise ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{count} in the request cannot be used; nothing was enqueued.",
        kind="invalid-request",
        errors=violations,
    )


def _parsed(body: bytes) -> Any:
    """Parse with every digit of every amount; the same name twice or a number that is none is an error."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        detail = f"The body is not valid JSON: {error}."
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail, kind="invalid-json") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:_SHOWN]!r} is there twice")
        found[name] = value
    return found


def _violation(detail: ErrorDetails) -> dict[str, Any]:
    place = [str(part) for part in detail["loc"]]
    pointer = "#" + "".join(f"/{part.replace('~', '~0').replace('/', '~1')[:_SHOWN]}" for part in place)
    if detail["type"] == "missing":
        return {"pointer": pointer, "rule": "is required"}
    rule = _RULES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace("Input should", "must")
    # Sent back to who sent it, yet problem documents end up in logs: a secret in a wrong place stays out of them.
    name = place[-1] if place else "body"
    shown = scrub_value({name: detail["input"]})[name]
    return {"pointer": pointer, "rule": rule, "value": shown if _is_short(shown) else str(shown)[:_SHOWN]}


def _is_short(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _SHOWN)
