"""The exchange-error table against the libraries that raise these errors."""

import inspect
import pickle
import socket
import sqlite3
import ssl
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import billiard.einfo
import kombu.exceptions
import pytest
import redis.exceptions
import requests
import sqlalchemy
import urllib3.exceptions
from celery.exceptions import MaxRetriesExceededError, Reject, Retry
from celery.utils.serialization import UnpickleableExceptionWrapper

import worker.errors
from monitoring.filtering import EXCHANGE_ERRORS, ErrorRow, EventFilter, Treatment, classify
from monitoring.filtering.chain import lineage, links
from monitoring.filtering.classify import TABLE

ccxt = pytest.importorskip("ccxt", reason="the exchange extra is not installed")

CCXT_CLASSES = [
    kind
    for _, kind in inspect.getmembers(sys.modules["ccxt.base.errors"], inspect.isclass)
    if issubclass(kind, ccxt.BaseError)
]


@pytest.mark.parametrize("kind", CCXT_CLASSES, ids=lambda kind: str(kind.__name__))
def test_every_ccxt_class_has_a_row_of_its_own(kind: type[BaseException]) -> None:
    """Each class of the installed ccxt is decided by a row of its own name, so no ancestor's row shadows it."""
    row = TABLE.match(lineage(kind), None, None, "")
    assert row is not None
    assert row.name == kind.__name__


def test_an_unknown_subclass_is_its_nearest_known_ancestor() -> None:
    """A class that ccxt adds tomorrow is treated like its parent."""
    tomorrow = type("GatewayTimeout", (ccxt.RequestTimeout,), {})
    assert classify(tomorrow("x")).kind == "api_timeout"


@pytest.mark.parametrize("name", sorted(name for name, kind in vars(worker.errors).items() if inspect.isclass(kind)))
def test_a_copy_of_the_hierarchy_counts_as_ccxts(name: str) -> None:
    """The paper exchange's errors, which only share ccxt's names, are classified like ccxt's own."""
    kind = getattr(worker.errors, name)
    assert classify(kind("x")).kind == classify(getattr(ccxt, name)("x")).kind


@pytest.mark.parametrize(
    "error",
    [
        type("OrderNotFound", (Exception,), {})("a web shop's order"),
        type("BadRequest", (Exception,), {})("a framework's"),
        type("RequestTimeout", (Exception,), {})("a framework's"),
        type("AuthenticationError", (Exception,), {"__module__": "ldap3"})("somebody else's"),
    ],
    ids=lambda error: str(type(error).__name__),
)
def test_a_name_alone_is_not_ccxts(error: Exception) -> None:
    """An application's class that happens to be called like one of ccxt's is not mistaken for it."""
    assert classify(error).kind == "unknown"


def _requests_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Error", response=response)


def _aiohttp_error(status: int) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(None, (), status=status)  # type: ignore[arg-type]  # only the status is read


CRITICAL, STATE_FATAL, PERSISTENT_FATAL = ("fatal", "critical"), ("fatal", "state"), ("fatal", "persistent")
SENT, BUG, PERSISTENT = ("error", "send"), ("error", "bug"), ("error", "persistent")
WARNED, PERSISTENT_WARNING, STATE = ("warning", "send"), ("warning", "persistent"), ("info", "state")


@pytest.mark.parametrize(
    ("error", "kind", "treated"),
    [
        (ccxt.DDoSProtection("binance 418 I'm a teapot {}"), "ip_banned", CRITICAL),
        (ccxt.RateLimitExceeded('binance {"code":-1003,"msg":"IP banned until 170000"}'), "ip_banned", CRITICAL),
        (ccxt.RateLimitExceeded('okx {"code":"50011","msg":"Too Many Requests"}'), "rate_limit", PERSISTENT_WARNING),
        (ccxt.ExchangeNotAvailable("kraken GET https://x 451 Unavailable x"), "ip_blocked", CRITICAL),
        (ccxt.ExchangeNotAvailable("kraken GET https://x 403 Forbidden <html>"), "ip_blocked", CRITICAL),
        (ccxt.ExchangeNotAvailable("kraken GET https://x 404 Not Found x"), "bad_request", BUG),
        (ccxt.ExchangeNotAvailable("kraken GET https://x 503 Unavailable x"), "api_unavailable", PERSISTENT),
        (ccxt.AuthenticationError('binance {"code":-2015,"msg":"Invalid API-key, IP"}'), "credentials", CRITICAL),
        (ccxt.ExchangeError('binance {"code":-2015,"msg":"Invalid API-key, IP"}'), "credentials", CRITICAL),
        (ccxt.BadRequest('binance {"code":-1021,"msg":"Timestamp for this request"}'), "clock_skew", PERSISTENT_FATAL),
        (ccxt.BadRequest('binance {"code":-1022,"msg":"x"}'), "credentials", CRITICAL),
        (ccxt.PermissionDenied('binance {"code":-3043,"msg":"x"}'), "account_feature", WARNED),
        (ccxt.InvalidOrder('binance {"code":-2010,"msg":"insufficient balance"}'), "funds", STATE_FATAL),
        (ccxt.InvalidOrder('binance {"code":-1013,"msg":"Filter failure: LOT_SIZE"}'), "order_rejected", SENT),
        (ccxt.OperationFailed('binance {"code":-2019,"msg":"Margin is insufficient."}'), "funds", STATE_FATAL),
        (ccxt.BadResponse('binance {"code":-2021,"msg":"partially failed"}'), "order_state_unknown", CRITICAL),
        (ccxt.OrderImmediatelyFillable('binance {"code":-2021,"msg":"would trigger"}'), "order_not_placed", STATE),
        (ccxt.ExchangeError('binance {"code":-1007,"msg":"x"}'), "api_timeout", PERSISTENT),
        (requests.ConnectTimeout(), "api_timeout", PERSISTENT),
        (requests.ConnectionError("refused"), "api_connection", PERSISTENT),
        (requests.exceptions.SSLError("certificate verify failed"), "certificate", PERSISTENT_FATAL),
        (requests.JSONDecodeError("Expecting value", "<html>", 0), "bad_response", PERSISTENT),
        (_requests_error(401), "credentials", CRITICAL),
        (_requests_error(403), "ip_blocked", CRITICAL),
        (_requests_error(407), "configuration", CRITICAL),
        (_requests_error(418), "ip_banned", CRITICAL),
        (_requests_error(429), "rate_limit", PERSISTENT_WARNING),
        (_requests_error(451), "ip_blocked", CRITICAL),
        (_requests_error(422), "bad_request", BUG),
        (_requests_error(502), "api_unavailable", PERSISTENT),
        (_requests_error(504), "api_timeout", PERSISTENT),
        (_aiohttp_error(418), "ip_banned", CRITICAL),
        (aiohttp.ServerTimeoutError(), "api_timeout", PERSISTENT),
        (aiohttp.ServerDisconnectedError(), "api_connection", PERSISTENT),
        (urllib3.exceptions.ProtocolError("x"), "api_connection", PERSISTENT),
        (TimeoutError(), "api_timeout", PERSISTENT),
        (socket.gaierror(-2, "Name or service not known"), "api_connection", PERSISTENT),
        (ConnectionResetError(), "api_connection", PERSISTENT),
        (ssl.SSLEOFError(), "api_connection", PERSISTENT),
        (ssl.SSLCertVerificationError(), "certificate", PERSISTENT_FATAL),
        (redis.exceptions.ConnectionError(), "service_connection", PERSISTENT),
        (redis.exceptions.AuthenticationError(), "configuration", CRITICAL),
        (kombu.exceptions.OperationalError(), "service_connection", PERSISTENT),
        (ValueError("x"), "bug", BUG),
        (KeyError("x"), "bug", BUG),
        (RuntimeError("x"), "unknown", SENT),
        (FileNotFoundError("x"), "unknown", SENT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)  # fmt: skip
def test_an_error_is_told_by_class_code_and_status(error: BaseException, kind: str, treated: tuple[str, str]) -> None:
    """Kind, severity and treatment follow from the class, and from what an exchange or a status says beyond it."""
    found = classify(error)
    assert (found.kind, found.severity, found.treatment) == (kind, *treated)


@pytest.mark.parametrize(
    ("meanwhile", "statement", "told"),
    [
        ("", "select * from fills", ("bug", Treatment.BUG, "SQLITE_ERROR")),
        ("", "select price from orders", ("bug", Treatment.BUG, "SQLITE_ERROR")),
        ("", "select from orders", ("bug", Treatment.BUG, "SQLITE_ERROR")),
        ("begin exclusive", "select * from orders", ("service_connection", Treatment.PERSISTENT, "SQLITE_BUSY")),
    ],
    ids=["no such table", "no such column", "syntax", "locked"],
)
def test_a_wrong_statement_is_no_database_that_is_away(
    tmp_path: Path, meanwhile: str, statement: str, told: tuple[str, Treatment, str]
) -> None:
    """SQLAlchemy calls both an operational error; what the database itself says tells them apart, pickled too."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'books.db'}", connect_args={"timeout": 0})
    with closing(sqlite3.connect(tmp_path / "books.db", isolation_level=None)) as other, engine.connect() as connection:
        other.executescript(f"create table orders (id); {meanwhile}")
        with pytest.raises(sqlalchemy.exc.OperationalError) as raised:
            connection.exec_driver_sql(statement)
    for error in (raised.value, pickle.loads(pickle.dumps(raised.value))):
        found = classify(error)
        assert (found.kind, found.treatment, found.code) == told


def _drivers(module: str, *args: object, **said: object) -> Exception:
    error: Exception = type("OperationalError", (Exception,), {"__module__": module, **said})(*args)
    return error


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (_drivers("pymysql.err", 1054, "Unknown column 'x'", sqlstate="42S22"), "bug", "1054"),
        (_drivers("MySQLdb", 1054, "Unknown column 'x'"), "bug", "1054"),
        (_drivers("pymysql.err", 1226, "User has exceeded 'x'", sqlstate="42000"), "service_connection", "1226"),
        (_drivers("pymysql.err", 2006, "MySQL server has gone away", sqlstate=None), "service_connection", "2006"),
        (_drivers("psycopg", "too many connections", sqlstate="53300"), "service_connection", "53300"),
        (_drivers("psycopg2", "too many connections", pgcode="53300"), "service_connection", "53300"),
    ],
)
def test_a_drivers_own_code_is_read(error: Exception, kind: str, code: str) -> None:
    """SQLSTATE of PostgreSQL and the number of MySQL, whether SQLAlchemy wraps the driver's error or not."""
    wrapped = sqlalchemy.exc.OperationalError("select 1", {}, error)
    for told in [wrapped] if type(error).__module__ == "MySQLdb" else [wrapped, error]:
        found = classify(told)
        assert (found.kind, found.code) == (kind, code)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('binance {"code":-2015,"msg":"x"}', "-2015"),
        ('okx {"code":"0","data":[{"sCode":"51008","sMsg":"x"}]}', "51008"),
        ('bybit {"retCode":10003,"retMsg":"API key is invalid.","time":1700000000000}', "10003"),
        ('kucoin {"code":"400100","msg":"x"}', "400100"),
        ('kraken {"error":["EOrder:Insufficient funds"]}', "EOrder:Insufficient funds"),
        ('gate {"label":"INVALID_KEY","message":"x"}', "INVALID_KEY"),
        ('htx {"status":"error","err-code":"order-limitorder-amount-min-error"}', "order-limitorder-amount-min-error"),
        ('x {"code":1700000000000}', None),
        ("binance GET https://api.binance.com/api/v3/time", None),
    ],
)
def test_the_exchanges_own_code_is_found(message: str, code: str | None) -> None:
    """The code that an exchange wrote is read from ccxt's message; ids and timestamps are no codes."""
    assert classify(ccxt.ExchangeError(message)).code == code


def _raised(outer: BaseException, inner: BaseException, *, explicit: bool) -> BaseException:
    try:
        try:
            raise inner  # noqa: TRY301  # what is tested is the chain
        except BaseException as cause:
            if explicit:
                raise outer from cause
            raise outer  # noqa: B904  # as above
    except BaseException as error:  # noqa: BLE001  # any kind is made here
        return error


class BotError(Exception):
    """An application's own wrapper."""


@pytest.mark.parametrize("explicit", [True, False])
def test_an_applications_wrapper_is_seen_through(*, explicit: bool) -> None:
    """An exchange's error in an application's own exception is still an exchange's error, with or without `from`."""
    assert classify(_raised(BotError("x"), ccxt.RequestTimeout("x"), explicit=explicit)).kind == "api_timeout"


def test_a_bug_while_handling_a_timeout_is_a_bug() -> None:
    """A mistake in an except block is not excused by what was being handled."""
    assert classify(_raised(AttributeError("x"), ccxt.RequestTimeout("x"), explicit=False)).treatment is Treatment.BUG


def test_a_generic_error_gives_way_to_its_cause() -> None:
    """Ccxt raises a bare ExchangeError for a failed TLS handshake; the handshake decides."""
    assert (
        classify(_raised(ccxt.ExchangeError("x"), requests.exceptions.SSLError("x"), explicit=True)).kind
        == "api_connection"
    )


def test_the_status_of_the_cause_describes_the_error_around_it() -> None:
    """Binance's own handler raises without the status; the HTTP error that it handled has it."""
    error = _raised(ccxt.DDoSProtection('binance {"code":-1003}'), _requests_error(418), explicit=False)
    assert classify(error).kind == "ip_banned"


def _circle() -> BaseException:
    first, second = BotError("1"), BotError("2")
    first.__cause__, second.__cause__ = second, first
    return first


def _deep() -> BaseException:
    error: BaseException = ccxt.RequestTimeout("x")
    for number in range(5000):
        outer = BotError(str(number))
        outer.__cause__ = error
        error = outer
    return error


class HostileError(Exception):
    """Raises whenever it is looked at."""

    def __str__(self) -> str:
        """Raise."""
        raise RuntimeError("no text")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize("error", [_circle(), _deep(), HostileError()], ids=["circle", "deep", "hostile"])
def test_a_strange_chain_is_bounded_and_harmless(error: BaseException) -> None:
    """Circles, thousands of causes and exceptions that raise when touched end in a classification."""
    assert classify(error).kind == "unknown"
    assert len(links(error)) <= 16


def _exhausted() -> BaseException:
    return _raised(MaxRetriesExceededError("Can't retry t[1]"), ccxt.RequestTimeout("x"), explicit=False)


def _einfo() -> Any:
    try:
        raise ccxt.RequestTimeout("x")  # noqa: TRY301  # ExceptionInfo wants a handled error
    except ccxt.RequestTimeout:
        return billiard.einfo.ExceptionInfo()


@pytest.mark.parametrize(
    "wrapped",
    [
        Retry(exc=ccxt.RequestTimeout("x")),
        Reject(ccxt.RequestTimeout("x")),
        _exhausted(),
        _einfo(),
        pickle.loads(pickle.dumps(_einfo().exception)),
        UnpickleableExceptionWrapper.from_exception(ccxt.RequestTimeout("x")),
        ExceptionGroup("tasks", [ccxt.RequestTimeout("x")]),
    ],
    ids=["Retry", "Reject", "MaxRetriesExceeded", "ExceptionInfo", "pickled", "Unpickleable", "ExceptionGroup"],
)
def test_celerys_wrappers_are_unwrapped(wrapped: Any) -> None:
    """What Celery, pickle or a task group wraps around an error does not hide it."""
    assert classify(wrapped).kind == "api_timeout"


def test_an_event_without_its_exception_is_classified_by_what_it_says(event_filter: EventFilter) -> None:
    """An event that another process has made carries names only, and they are enough."""
    values = [{"module": "ccxt.base.errors", "type": "DDoSProtection", "value": "binance 418 I'm a teapot {}"}]
    kept = event_filter({"exception": {"values": values}}, {})
    assert kept is not None
    assert kept["tags"]["error_kind"] == "ip_banned"


def test_an_applications_rows_come_first() -> None:
    """An application that puts rows before ours decides; ours stay untouched."""
    mine = ErrorRow("BaseError", "mine", "info", Treatment.SEND, "ours to judge", package="ccxt")
    found = EventFilter((), (mine, *EXCHANGE_ERRORS)).explain({}, {"exc_info": ccxt.DDoSProtection("418")})
    assert found.classification is not None
    assert found.classification.kind == "mine"


def test_no_row_is_unreachable() -> None:
    """No two rows match the same class under the same condition: the second would never decide."""
    conditions = [(row.package, row.name, tuple(row.http), row.codes, row.says) for row in EXCHANGE_ERRORS]
    assert len(conditions) == len(set(conditions))
