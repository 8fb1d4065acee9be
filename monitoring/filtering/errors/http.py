"""HTTP clients, sockets and TLS: how an answer fails to arrive, or what its status says.

A status is an exchange's answer to us. What our own web application answers (werkzeug's HTTPException) is not here.
"""

from __future__ import annotations

from typing import Final

from monitoring.filtering.errors.row import ONCE, SOON, TRANSIENT, ErrorRow, Persistence, Severity, Treatment

PERSISTENT, CRITICAL, BUG, SEND = Treatment.PERSISTENT, Treatment.CRITICAL, Treatment.BUG, Treatment.SEND

#: status -> kind, severity, treatment, reason, window
_STATUSES: Final[tuple[tuple[tuple[int, ...] | range, str, Severity, Treatment, str, Persistence | None], ...]] = (
    ((401,), "credentials", "fatal", CRITICAL, "the key is refused: every later call fails", ONCE),
    ((403, 451), "ip_blocked", "fatal", CRITICAL, "this address or country is blocked", ONCE),
    ((407,), "configuration", "fatal", CRITICAL, "our proxy refuses us: no request can leave", ONCE),
    ((418,), "ip_banned", "fatal", CRITICAL, "every bot on this address is banned", ONCE),
    ((429,), "rate_limit", "warning", PERSISTENT, "too many requests; this one was not carried out", TRANSIENT),
    ((408, 504), "api_timeout", "error", PERSISTENT, "no answer in time; what was asked may have been done", TRANSIENT),
    (range(500, 600), "api_unavailable", "error", PERSISTENT, "down, and what was asked may have been done", TRANSIENT),
    (range(400, 500), "bad_request", "error", BUG, "our request is wrong", None),
)  # fmt: skip

#: package, class that carries a status
_STATUS_ERRORS: Final = (("requests", "HTTPError"), ("httpx", "HTTPStatusError"), ("aiohttp", "ClientResponseError"),
                         ("urllib", "HTTPError"))  # fmt: skip


def _transport(package: str, name: str, kind: str, reason: str, *, generic: bool = False) -> ErrorRow:
    return ErrorRow(
        name, kind, "error", PERSISTENT, reason, package=package, window=TRANSIENT, uncertain=True, generic=generic
    )


STATUSES: Final[tuple[ErrorRow, ...]] = tuple(
    ErrorRow(name, kind, severity, treatment, reason, package=package, http=http, window=window,
             per="credential" if kind in {"credentials", "rate_limit"} else "exchange",
             uncertain=kind in {"api_timeout", "api_unavailable"})
    for package, name in _STATUS_ERRORS
    for http, kind, severity, treatment, reason, window in _STATUSES
)  # fmt: skip

TRANSPORT: Final[tuple[ErrorRow, ...]] = (
    # Certificates do not mend themselves, so their window is short.
    ErrorRow("SSLCertVerificationError", "certificate", "fatal", PERSISTENT,
             "an expired or forged certificate", package="ssl",
             window=SOON, uncertain=True),
    ErrorRow("ClientConnectorCertificateError", "certificate", "fatal", PERSISTENT, "an expired or forged certificate",
             package="aiohttp", window=SOON, uncertain=True),
    # requests
    ErrorRow("ConnectionError", "certificate", "fatal", PERSISTENT,
             "an expired or forged certificate", package="requests",
             says="certificate.verify.failed", window=SOON, uncertain=True),
    _transport("requests", "Timeout", "api_timeout", "no answer in time"),
    _transport("requests", "ConnectionError", "api_connection", "no way to the other side"),
    _transport("requests", "JSONDecodeError", "bad_response", "an answer that is no JSON"),
    _transport("requests", "ChunkedEncodingError", "bad_response", "an answer cut short"),
    _transport("requests", "ContentDecodingError", "bad_response", "an answer that cannot be unpacked"),
    _transport("requests", "TooManyRedirects", "bad_response", "sent in circles"),
    _transport("requests", "RetryError", "api_connection", "the client's own retries are used up"),
    # httpx
    _transport("httpx", "TimeoutException", "api_timeout", "no answer in time"),
    _transport("httpx", "NetworkError", "api_connection", "no way to the other side"),
    _transport("httpx", "ProtocolError", "bad_response", "an answer cut short or malformed"),
    _transport("httpx", "ProxyError", "api_connection", "the proxy does not let us through"),
    _transport("httpx", "DecodingError", "bad_response", "an answer that cannot be unpacked"),
    _transport("httpx", "TooManyRedirects", "bad_response", "sent in circles"),
    _transport("httpcore", "TimeoutException", "api_timeout", "no answer in time"),
    _transport("httpcore", "NetworkError", "api_connection", "no way to the other side"),
    _transport("httpcore", "ProtocolError", "bad_response", "an answer cut short or malformed"),
    # aiohttp
    _transport("aiohttp", "ServerTimeoutError", "api_timeout", "no answer in time"),
    _transport("aiohttp", "ClientConnectionError", "api_connection", "no way to the other side"),
    _transport("aiohttp", "ClientPayloadError", "bad_response", "an answer cut short"),
    _transport("aiohttp", "ContentTypeError", "bad_response", "an answer of another type, often a proxy's page"),
    # urllib3 and the standard library
    _transport("urllib3", "MaxRetryError", "api_connection", "the client's own retries are used up", generic=True),
    _transport("urllib3", "NewConnectionError", "api_connection", "no way to the other side"),
    _transport("urllib3", "TimeoutError", "api_timeout", "no answer in time"),
    _transport("urllib3", "ProtocolError", "api_connection", "the connection broke"),
    _transport("urllib3", "ProxyError", "api_connection", "the proxy does not let us through"),
    _transport("urllib3", "SSLError", "api_connection", "TLS failed"),
    _transport("urllib3", "DecodeError", "bad_response", "an answer that cannot be unpacked"),
    _transport("urllib3", "IncompleteRead", "bad_response", "an answer cut short"),
    _transport("urllib", "URLError", "api_connection", "no way to the other side", generic=True),
    _transport("websockets", "ConnectionClosed", "stream_closed", "a stream broke"),
    _transport("websocket", "WebSocketTimeoutException", "api_timeout", "no answer in time"),
    _transport("websocket", "WebSocketConnectionClosedException", "stream_closed", "a stream broke"),
    _transport("http", "IncompleteRead", "bad_response", "an answer cut short"),
    _transport("http", "RemoteDisconnected", "api_connection", "hung up before answering"),
    _transport("http", "BadStatusLine", "bad_response", "no HTTP"),
    _transport("socket", "gaierror", "api_connection", "the name is not known: DNS"),
    _transport("socket", "herror", "api_connection", "the name is not known: DNS"),
    _transport("ssl", "SSLError", "api_connection", "TLS failed"),
    # asyncio's, socket's and concurrent.futures' time-outs are this one; before 3.11 they were not.
    _transport("builtins", "TimeoutError", "api_timeout", "no answer in time"),
    _transport("asyncio", "TimeoutError", "api_timeout", "no answer in time"),
    _transport("concurrent", "TimeoutError", "api_timeout", "no answer in time"),
    _transport("builtins", "ConnectionError", "api_connection", "the connection was refused, reset or broken"),
    ErrorRow("JSONDecodeError", "bad_response", "error", SEND,
             "an answer that is no JSON, or our own parsing: only the operation tells",
             package="json", uncertain=True),
)  # fmt: skip

HTTP: Final[tuple[ErrorRow, ...]] = (*STATUSES, *TRANSPORT)
