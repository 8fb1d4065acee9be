"""What the value of a setting must be: one rule each, in words for the operator who broke it.

Each type is a pydantic one; its rule raises ValueError, and never quotes the value: that may be a secret.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Final

from celery.app.backends import BACKEND_ALIASES
from kombu.transport import TRANSPORT_ALIASES
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode
from sentry_sdk.utils import BadDsn, Dsn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_MIN_TOKEN: Final = 16


def _number(rule: str, holds: Callable[[float], bool]) -> Callable[[object], float]:
    def checked(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not holds(number):
            raise ValueError(rule)
        return number

    return checked


def _switch(value: object) -> object:
    word = str(value).strip().lower()
    if word not in _SWITCH_WORDS:
        raise ValueError("must be true or false")
    return _SWITCH_WORDS[word]


_SWITCH_WORDS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def _kept_by_sentry(limit: int, reserved: str) -> Callable[[str], str]:
    """Refuse a name that Relay drops without a word (measured with its own normaliser): the event then has none.

    Relay counts bytes, refuses a few names, slashes and control characters, and cuts white space off the ends.
    """

    def checked(value: str) -> str:
        if (
            not 1 <= len(value.encode(errors="replace")) <= limit
            or value.lower() in {".", "..", reserved.lower()}
            or re.search(r"[/\\\x00-\x1f\x7f]", value)
            or value.strip() != value
        ):
            raise ValueError(
                rf"must be 1 to {limit} bytes without '/', '\', control characters or white space at its ends, "
                f"and not '.', '..' or {reserved!r} (Sentry would silently drop it)"
            )
        return value

    return checked


def _dsn(value: SecretStr) -> SecretStr:
    try:
        Dsn(value.get_secret_value())
    except (BadDsn, ValueError) as error:
        # What the SDK says quotes the value from the first quotation mark on.
        reason = re.split(r"[('\"]", str(error))[0].strip() or "not a URL"
        raise ValueError(f"must be a Sentry DSN like https://key@host/1 ({reason})") from error
    return value


def _celery_url(aliases: Iterable[str]) -> Callable[[SecretStr], SecretStr]:
    schemes = {alias.partition("+")[0] for alias in aliases}

    def checked(value: SecretStr) -> SecretStr:
        # Celery takes several URLs, separated by ';', to fail over.
        for url in value.get_secret_value().split(";"):
            scheme, found, _ = url.partition("://")
            if not found or scheme.partition("+")[0] not in schemes:
                raise ValueError("must be a URL that Celery knows, like redis://host:6379/0")
        return value

    return checked


def _redis_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(_REDIS_SCHEMES):
        raise ValueError(f"must be the URL of one Redis server, starting with {', '.join(_REDIS_SCHEMES)}")
    return value


def argument_names(fields: Collection[str]) -> Callable[[object], object]:
    """Return the rule for pairs of a task argument's name and the one of `fields` that it means."""

    def checked(value: object) -> object:
        if not isinstance(value, str):
            return value
        names: dict[str, str] = {}
        for pair in _parts(value):
            name, _, field = (part.strip() for part in pair.partition("="))
            if not name.isidentifier() or field not in fields:
                raise ValueError(f"must be pairs like bot=bot_id,pair=symbol, each naming one of {', '.join(fields)}")
            names[name] = field
        return names

    return checked


def _budgets(value: object) -> object:
    if not isinstance(value, str):
        return value
    budgets: dict[str, float] = {}
    for pair in _parts(value):
        bot, _, seconds = (part.strip() for part in pair.rpartition("="))
        try:
            budgets[bot] = float(seconds)
        except ValueError:
            budgets[bot] = math.nan
        if not bot or not 0 < budgets[bot] < math.inf:
            raise ValueError("must be pairs like momentum-1=300,grid-*=3600, each with seconds above 0")
    return budgets


def _words(value: object) -> object:
    return tuple(_parts(value)) if isinstance(value, str) else value


def _parts(value: str) -> Iterator[str]:
    """Yield what stands between commas."""
    return filter(None, (part.strip() for part in value.split(",")))


def _token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _MIN_TOKEN:
        raise ValueError(f"must have at least {_MIN_TOKEN} characters")
    return value


Rate = Annotated[float, BeforeValidator(_number("must be a number from 0 to 1", lambda number: 0 <= number <= 1))]
Seconds = Annotated[
    float, BeforeValidator(_number("must be a number of seconds above 0", lambda number: 0 < number < math.inf))
]
Switch = Annotated[bool, BeforeValidator(_switch)]
BrokerUrl = Annotated[SecretStr, AfterValidator(_celery_url(TRANSPORT_ALIASES))]
ResultUrl = Annotated[SecretStr, AfterValidator(_celery_url(BACKEND_ALIASES))]
Environment = Annotated[str, AfterValidator(_kept_by_sentry(64, "None"))]
Release = Annotated[str, AfterValidator(_kept_by_sentry(200, "latest"))]
SentryDsn = Annotated[SecretStr, AfterValidator(_dsn)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
Token = Annotated[SecretStr, AfterValidator(_token)]
#: Names or globs, separated by commas.
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
#: Bots (globs) and seconds.
Budgets = Annotated[dict[str, float], NoDecode, BeforeValidator(_budgets)]
