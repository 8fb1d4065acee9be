"""What an error says beyond its class: the HTTP status, and the exchange's or the database's own error code."""

from __future__ import annotations

import re
from typing import Any, Final

_STATUS_ATTRIBUTES: Final = ("status_code", "status", "http_status")

#: ccxt writes "binance GET https://… 418 I'm a teapot {…}" or "binance 418 I'm a teapot {…}".
_STATUS_IN_TEXT: Final = re.compile(r"^[\w.-]{1,40} (?:(?:GET|POST|PUT|DELETE|PATCH) \S{1,2000} )?([1-5]\d\d)\b")

#: `"code":-2015`, `"retCode":10003`, `"err-code":"order-limit"`, `"label":"INVALID_KEY"`, `"error":["EOrder:Unknown"]`
_CODE_IN_TEXT: Final = re.compile(
    r"""["'](?:s?code|ret_?code|err(?:or)?[-_]?code|error|label|err)["']\s*:\s*\[?\s*["']?(-?[\w][\w.:, -]{0,63})""",
    re.IGNORECASE,
)

#: What answers say although all is well, or instead of a code.
_NO_CODES: Final = frozenset({"0", "200", "error", "true", "false", "null", "none", "ok"})
#: Longer numbers are ids and timestamps.
_MAX_DIGITS: Final = 8

#: Where drivers keep what the database has said: SQLSTATE (psycopg and asyncpg; psycopg2), and SQLite's name.
_DATABASE_CODES: Final = ("sqlstate", "pgcode", "sqlite_errorname")
#: Drivers of MySQL, whose errors begin with a number; an SQLSTATE of MySQL's stands for many of them.
_NUMBERED: Final = ("pymysql", "MySQLdb")


def http_status(error: object) -> int | None:
    """Return the HTTP status that an error carries as an attribute or, in ccxt's way, in its text. Never raises."""
    try:
        response = getattr(error, "response", None)
        carried = [getattr(response, "status_code", None), *(getattr(error, name, None) for name in _STATUS_ATTRIBUTES)]
        if type(error).__module__.startswith("urllib."):
            carried.append(getattr(error, "code", None))
    except Exception:  # noqa: BLE001  # anybody's properties
        return None
    return next((status for status in carried if type(status) is int and 100 <= status <= 599), None)  # noqa: PLR2004


def http_status_in(message: str) -> int | None:
    """Return the HTTP status in a message written in ccxt's way."""
    found = _STATUS_IN_TEXT.match(message)
    return int(found[1]) if found else None


def exchange_code(error: object, message: str) -> str | None:
    """Return the exchange's own code for an error: short, and no id. Never raises."""
    try:
        carried = getattr(error, "code", None)
    except Exception:  # noqa: BLE001  # anybody's properties
        carried = None
    candidates = [str(carried)] if type(carried) in {int, str} else []
    candidates += [found[1].strip(" ,.") for found in _CODE_IN_TEXT.finditer(message)]
    return next((code for code in candidates if _is_code(code)), None)


def database_code(error: object) -> str | None:
    """Return a database's own code for an error, also for one that SQLAlchemy has wrapped. Never raises."""
    try:
        told: Any = getattr(error, "orig", None) or error
        number = told.args[0] if type(told).__module__.partition(".")[0] in _NUMBERED and told.args else None
        carried = [str(number) if type(number) is int else None]
        carried += [getattr(told, name, None) for name in _DATABASE_CODES]
    except Exception:  # noqa: BLE001  # anybody's properties
        return None
    return next((code for code in carried if type(code) is str and code), None)


def _is_code(text: str) -> bool:
    digits = text.lstrip("-")
    if not digits or text.lower() in _NO_CODES:
        return False
    return len(digits) <= _MAX_DIGITS if digits.isdigit() else True
