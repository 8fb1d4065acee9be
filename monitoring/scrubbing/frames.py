"""Stack frames: their variables and their source lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from monitoring.scrubbing.marks import FILTERED
from monitoring.scrubbing.readings import SOURCE
from monitoring.scrubbing.text import LONGEST_TEXT, clean
from monitoring.scrubbing.words import verbatim

if TYPE_CHECKING:
    from monitoring.scrubbing.walk import Walk

# Their variables are signed requests, arguments of tasks and of log lines, connection settings and keys.
CLOSED_PACKAGES: Final = verbatim("""
    celery kombu billiard amqp vine ccxt requests urllib3 httpx httpcore h11 h2 aiohttp http ssl socket websocket
    websockets urllib redis valkey sqlalchemy psycopg psycopg2 pymysql MySQLdb asyncpg pymongo boto3 botocore smtplib
    ftplib imaplib hmac hashlib base64 secrets jwt jose cryptography nacl Crypto Cryptodome ecdsa coincurve rsa
    eth_account eth_keys web3 solana solders itsdangerous werkzeug flask_login authlib oauthlib requests_oauthlib
    dotenv pydantic_settings logging loguru structlog monitoring
""")
#: In a comment a name is followed by its value as in any text, not as in code.
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*")
_SITE_PACKAGES: Final = ("site-packages/", "dist-packages/")


def scrub_frame(frame: object, walk: Walk) -> object:
    """Return a frame without secrets; without any variables if it belongs to a library that handles secrets."""
    if not isinstance(frame, Mapping):
        return walk.value(frame)
    result: dict[object, object] = {}
    lines = {name: frame[name] for name in ("pre_context", "context_line", "post_context") if name in frame}
    for name, value in frame.items():
        if name == "vars":
            if not is_closed(frame):
                result[name] = walk.value(value)
        elif name not in lines:
            result[name] = walk.value(value)
    result.update(_scrub_lines(lines))
    return result


def is_closed(frame: Mapping[str, object]) -> bool:
    """Tell whether the frame belongs to a library whose variables never leave."""
    module = frame.get("module")
    if isinstance(module, str) and module.partition(".")[0] in CLOSED_PACKAGES:
        return True
    path = frame.get("abs_path") or frame.get("filename")
    if not isinstance(path, str):
        return False
    path = path.replace("\\", "/")
    for folder in _SITE_PACKAGES:
        _, found, inner = path.rpartition(folder)
        if found:
            return inner.partition("/")[0].removesuffix(".py") in CLOSED_PACKAGES
    return False


def _clean_comment(found: re.Match[str]) -> str:
    return clean(found[0])


def _scrub_lines(lines: Mapping[str, object]) -> dict[str, object]:
    """Clean the source as one text, since a key may run over several lines; all of it goes if it does."""
    flat = [line for part in lines.values() for line in (part if isinstance(part, list) else [part])]
    source = [_COMMENT.sub(_clean_comment, line) for line in flat if isinstance(line, str)]
    joined = "\n".join(source)
    if len(joined) <= LONGEST_TEXT:
        cleaned = clean(joined, SOURCE).split("\n")
    else:
        cleaned = [clean(line, SOURCE) for line in source]
        if "PRIVATE KEY" in joined:
            cleaned = []
    if len(cleaned) != joined.count("\n") + 1 or any("\n" in line for line in source):
        cleaned = [FILTERED] * len(source)
    left = iter(cleaned)
    return {
        name: [next(left) if isinstance(line, str) else None for line in part]
        if isinstance(part, list)
        else next(left)
        if isinstance(part, str)
        else None
        for name, part in lines.items()
    }
