"""Our own services (broker, cache, database), Celery's own endings of a task, and Python's own errors."""

from __future__ import annotations

from typing import Final

from monitoring.filtering.errors.row import ONCE, OWN_SERVICES, ErrorRow, Treatment

SEND, BUG = Treatment.SEND, Treatment.BUG


def _service(package: str, name: str, kind: str, reason: str, *, generic: bool = False) -> ErrorRow:
    return ErrorRow(
        name,
        kind,
        "error",
        Treatment.PERSISTENT,
        reason,
        package=package,
        window=OWN_SERVICES,
        uncertain=True,
        generic=generic,
    )


def _refused(package: str, name: str, reason: str) -> ErrorRow:
    return ErrorRow(name, "configuration", "fatal", Treatment.CRITICAL, reason, package=package, window=ONCE)


#: What drivers call operational though the statement is wrong. PostgreSQL's have another class for that.
_SQLITE: Final = ("SQLITE_ERROR",)
#: An unknown column, a wrong count of values, a column without a value. An unknown table has another class.
_MYSQL: Final = ("1054", "1136", "1364")


def _statement(package: str, codes: tuple[str, ...]) -> ErrorRow:
    reason = "the statement is wrong, or the schema lacks what it names"
    return ErrorRow("OperationalError", "bug", "error", BUG, reason, package=package, codes=codes)


SERVICES: Final[tuple[ErrorRow, ...]] = (
    _refused("redis", "AuthenticationError", "our own server refuses our password"),
    _refused("redis", "AuthorizationError", "our own server refuses our user"),
    _service("redis", "BusyLoadingError", "service_connection", "our server is starting"),
    _service("redis", "ConnectionError", "service_connection", "our server is away"),
    _service("redis", "TimeoutError", "service_connection", "our server does not answer"),
    _service("redis", "ReadOnlyError", "service_connection", "our server is being replaced by its replica"),
    _service("redis", "ClusterDownError", "service_connection", "our cluster is down"),
    ErrorRow("OutOfMemoryError", "service_full", "fatal", Treatment.CRITICAL, "our server takes no more messages",
             package="redis", window=ONCE),
    ErrorRow("OperationalError",
             "service_connection", "error", Treatment.PERSISTENT, "the broker is away", package="kombu",
             window=OWN_SERVICES, uncertain=True, generic=True),
    _refused("amqp", "AccessRefused", "our own broker refuses us"),
    _service("amqp", "RecoverableConnectionError", "service_connection", "the broker is away"),
    _service("amqp", "ConnectionError", "service_connection", "the broker is away"),
    _service("sqlalchemy", "TimeoutError", "service_connection", "no connection is free in the pool"),
    _service("sqlalchemy", "DisconnectionError", "service_connection", "the database is away"),
    _statement("sqlalchemy", _SQLITE + _MYSQL),
    _service("sqlalchemy", "OperationalError", "service_connection", "the database is away"),
    _service("sqlalchemy", "InterfaceError", "service_connection", "the database is away"),
    _service("psycopg", "OperationalError", "service_connection", "the database is away"),
    _service("psycopg2", "OperationalError", "service_connection", "the database is away"),
    _statement("pymysql", _MYSQL),
    _service("pymysql", "OperationalError", "service_connection", "the database is away"),
)  # fmt: skip

TASKS: Final[tuple[ErrorRow, ...]] = (
    ErrorRow("SoftTimeLimitExceeded", "time_limit", "error", SEND,
             "the task was stopped at its soft limit", uncertain=True),
    ErrorRow("TimeLimitExceeded", "time_limit", "error", SEND, "the task was killed at its hard limit", uncertain=True),
    ErrorRow("WorkerLostError", "worker_lost", "error", SEND, "the process died under the task", uncertain=True),
    ErrorRow("Terminated", "terminated", "error", SEND,
             "the task was killed by an operator", package="billiard", uncertain=True),
    ErrorRow("TimeoutError", "result_timeout", "error", SEND,
             "a task waited for another's result", package="celery", uncertain=True),
    ErrorRow("EncodeError", "serialization", "error", BUG,
             "the task's result or message cannot be written", package="kombu"),
    ErrorRow("DecodeError", "serialization", "error", BUG, "a message cannot be read", package="kombu"),
    ErrorRow("NotRegistered", "configuration", "error", BUG, "no worker here knows the task", package="celery"),
    ErrorRow("ImproperlyConfigured", "configuration", "error", BUG, "Celery's settings are wrong", package="celery"),
)  # fmt: skip

#: A mistake made while handling a time-out is a mistake, not a time-out.
PYTHON: Final[tuple[ErrorRow, ...]] = (
    ErrorRow("MemoryError", "resources", "fatal", SEND,
             "the process is out of memory", package="builtins", uncertain=True),
    *(
        ErrorRow(name, "bug", "error", BUG, "our code is wrong", package="builtins")
        for name in (
            "ArithmeticError", "AssertionError", "AttributeError", "BufferError", "ImportError", "LookupError",
            "NameError", "NotImplementedError", "RecursionError", "SyntaxError", "TypeError", "ValueError",
        )
    ),
)  # fmt: skip
