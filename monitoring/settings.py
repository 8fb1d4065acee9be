"""What the operator set: `SENTRY_*`, `CELERY_*` and our own `MONITORING_*` variables, as one frozen value.

The only place in `monitoring` that reads the environment (and `.env` in the working directory).
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from dotenv import dotenv_values
from kombu.transport import TRANSPORT_ALIASES
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sentry_sdk.utils import BadDsn, Dsn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The names a task's work is told by; the operator's own words. `TradingContext` has one field for each.
CONTEXT_FIELDS: Final = ("bot_id", "exchange", "symbol", "strategy")

#: What each environment means when nothing else is said. An environment that is not named here counts as production:
#: somebody who gave a DSN and no more wants to be told about errors, at production's cost.
ENVIRONMENT_DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "development": {"SENTRY_ENABLED": False, "SENTRY_TRACES_SAMPLE_RATE": 1.0},
        "staging": {"SENTRY_ENABLED": True, "SENTRY_TRACES_SAMPLE_RATE": 0.5},
        "production": {"SENTRY_ENABLED": True, "SENTRY_TRACES_SAMPLE_RATE": 0.1},
    }
)

_MAX_ENVIRONMENT, _MAX_RELEASE = 64, 200
_MIN_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Mistake:
    """One setting that cannot be used: which variable, which rule, which value (masked where it is a secret)."""

    variable: str
    rule: str
    value: str

    def __str__(self) -> str:
        """Read as one line of a list that an operator works through."""
        return f"{self.variable} {self.rule}, got {self.value}"


class SettingsError(ValueError):
    """Carry every mistake in the settings at once."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        head = "1 setting is wrong" if len(mistakes) == 1 else f"{len(mistakes)} settings are wrong"
        super().__init__("\n".join((f"{head}:", *(f"  {mistake}" for mistake in mistakes))))


def _rate(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError("must be a number from 0 to 1")
    return number


def _positive_seconds(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise ValueError("must be a number of seconds above 0")
    return number


def _switch(value: object) -> object:
    if isinstance(value, bool) or str(value).strip().lower() in _SWITCH_WORDS:
        return value if isinstance(value, bool) else _SWITCH_WORDS[str(value).strip().lower()]
    raise ValueError("must be true or false")


_SWITCH_WORDS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(
    ("0", "false", "no", "off"), False
)


def _environment(value: str) -> str:
    # Relay drops such a value without a word (measured with its own normaliser): the event then has no environment.
    if len(value) > _MAX_ENVIRONMENT or "/" in value or value in {"", "None"} or re.search(r"[\s\x00-\x1f]", value):
        raise ValueError(
            f"must be 1 to {_MAX_ENVIRONMENT} characters without '/' or white space and not 'None' "
            "(Sentry would silently drop it)"
        )
    return value


def _release(value: str) -> str:
    if (
        len(value) > _MAX_RELEASE
        or re.search(r"[/\\\t\n\r\x00]", value)
        or value.strip() != value
        or value.lower() in {"", ".", "..", "latest"}
    ):
        raise ValueError(
            rf"must be 1 to {_MAX_RELEASE} characters without '/', '\', tab or line break, and not 'latest' "
            "(Sentry would silently drop it)"
        )
    return value


def _dsn(value: SecretStr) -> SecretStr:
    try:
        Dsn(value.get_secret_value())
    except (BadDsn, ValueError) as error:
        raise ValueError(f"must be a Sentry DSN like https://key@host/1 ({error})") from error
    return value


def _celery_url(value: SecretStr) -> SecretStr:
    # Celery takes several URLs, separated by ';', to fail over.
    for url in value.get_secret_value().split(";"):
        scheme = url.partition("://")[0].partition("+")[0]
        if "://" not in url or scheme not in _URL_SCHEMES:
            raise ValueError(f"must be a URL that Celery knows, like redis://host:6379/0 (scheme {scheme!r} is none)")
    return value


_URL_SCHEMES: Final = {str(alias).partition("+")[0] for alias in TRANSPORT_ALIASES} | {
    "rpc",
    "cache",
    "db",
    "file",
    "mongodb",
    "couchdb",
    "elasticsearch",
    "s3",
    "gs",
    "dynamodb",
}


def _argument_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in value.split(","))):
        name, _, field = (part.strip() for part in pair.partition("="))
        if not name.isidentifier() or field not in CONTEXT_FIELDS:
            raise ValueError(
                f"must be pairs like bot=bot_id,pair=symbol, each naming one of {', '.join(CONTEXT_FIELDS)}"
            )
        names[name] = field
    return names


def _words(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < _MIN_TOKEN:
        raise ValueError(f"must have at least {_MIN_TOKEN} characters")
    return value


Rate = Annotated[float, BeforeValidator(_rate)]
Seconds = Annotated[float, BeforeValidator(_positive_seconds)]
Switch = Annotated[bool, BeforeValidator(_switch)]
CeleryUrl = Annotated[SecretStr, AfterValidator(_celery_url)]


class Settings(BaseSettings):
    """Hold every setting, validated and frozen.

    `Settings.from_env()` builds it for an entry point. Building it directly takes the fields' names and still reads
    the environment for the rest; then a mistake is pydantic's `ValidationError` instead of `SettingsError`.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, populate_by_name=True
    )

    enabled: Switch = Field(default=True, alias="SENTRY_ENABLED")
    dsn: Annotated[SecretStr, AfterValidator(_dsn)] | None = Field(default=None, alias="SENTRY_DSN")
    environment: Annotated[str, AfterValidator(_environment)] = Field(default="production", alias="SENTRY_ENVIRONMENT")
    sample_rate: Rate = Field(default=1.0, alias="SENTRY_SAMPLE_RATE")
    traces_sample_rate: Rate = Field(default=0.1, alias="SENTRY_TRACES_SAMPLE_RATE")
    release: Annotated[str, AfterValidator(_release)] | None = Field(default=None, alias="APP_VERSION")

    broker_url: CeleryUrl = Field(default=SecretStr("redis://127.0.0.1:6379/0"), alias="CELERY_BROKER_URL")
    result_backend: CeleryUrl = Field(default=SecretStr("redis://127.0.0.1:6379/1"), alias="CELERY_RESULT_BACKEND")

    #: How the SDK sends spans: whole transactions, or each span by itself ("span first").
    trace_lifecycle: Literal["static", "stream"] = Field(default="static", alias="MONITORING_TRACE_LIFECYCLE")
    #: A task that runs longer is told as a warning, once per window; a task's own `slow_after` goes first. Seconds.
    slow_task_seconds: Seconds = Field(default=5.0, alias="MONITORING_SLOW_TASK_SECONDS")
    slow_task_window_seconds: Seconds = Field(default=60.0, alias="MONITORING_SLOW_TASK_WINDOW_SECONDS")
    slow_request_seconds: Seconds = Field(default=5.0, alias="MONITORING_SLOW_REQUEST_SECONDS")
    #: The longest a stopping process waits for Sentry to take what is queued. Seconds.
    shutdown_timeout: Seconds = Field(default=2.0, alias="MONITORING_SHUTDOWN_TIMEOUT")
    #: Names of task arguments that mean one of the context's fields: bot=bot_id,pair=symbol.
    argument_names: Annotated[dict[str, str], NoDecode, BeforeValidator(_argument_names)] = Field(
        default_factory=dict, alias="MONITORING_ARGUMENT_NAMES"
    )
    #: `task.run_time` and `task.queue_wait` for every task; and the tasks (globs) that get none.
    metrics: Switch = Field(default=True, alias="MONITORING_METRICS")
    metrics_exclude: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(), alias="MONITORING_METRICS_EXCLUDE"
    )
    #: The most a message header may carry from one attempt to the next. Bytes.
    trail_bytes: int = Field(default=4096, ge=512, le=32768, alias="MONITORING_TRAIL_BYTES")
    #: Opens `POST /api/test/sentry-error` in production to whoever sends it as a bearer token.
    test_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(default=None, alias="MONITORING_TEST_TOKEN")
    #: Lets the SDK say on stderr what it does and what went wrong inside it.
    debug: Switch = Field(default=False, alias="MONITORING_DEBUG")

    @model_validator(mode="before")
    @classmethod
    def _environment_defaults(cls, values: Any) -> Any:
        """Fill what the environment's name decides, and take an empty variable for one that is not set."""
        given = {name: value for name, value in dict(values).items() if value != ""}
        environment = str(given.get("SENTRY_ENVIRONMENT", given.get("environment", "production")))
        defaults = ENVIRONMENT_DEFAULTS.get(environment, ENVIRONMENT_DEFAULTS["production"])
        by_alias = {field.alias: name for name, field in cls.model_fields.items()}
        return given | {
            alias: value for alias, value in defaults.items() if alias not in given and by_alias[alias] not in given
        }

    @classmethod
    def from_env(cls, **overrides: Any) -> Settings:
        """Read the environment and `.env`; what is passed here (by field name) goes first.

        Raises `SettingsError` with every mistake, also for a `MONITORING_*` variable that nobody reads.
        """
        unknown = tuple(_unknown_variables(cls))
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            raise SettingsError((*_mistakes(cls, error), *unknown)) from None
        if unknown:
            raise SettingsError(unknown)
        return settings

    @property
    def active(self) -> bool:
        """Whether anything is sent at all."""
        return self.enabled and self.dsn is not None


_SECRET_VARIABLES: Final = {"SENTRY_DSN", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "MONITORING_TEST_TOKEN"}


def masked_url(url: str) -> str:
    """Show where a URL points without the credentials and the query that it holds."""
    shown = re.sub(r"(?<=://)[^/\s]*@", "***@", url)
    return re.sub(r"\?.*$", "?***", shown)


def _mistakes(cls: type[Settings], error: ValidationError) -> Iterator[Mistake]:
    variables = {name: str(field.alias) for name, field in cls.model_fields.items()}
    for detail in error.errors(include_url=False, include_context=False):
        place = str(detail["loc"][0]) if detail["loc"] else ""
        variable = variables.get(place, place)
        rule = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        value = str(detail["input"])
        if variable in _SECRET_VARIABLES:
            value = masked_url(value) if "://" in value and "TOKEN" not in variable else "***"
            rule = masked_url(rule)
        yield Mistake(variable, rule, repr(value))


def _unknown_variables(cls: type[Settings]) -> Iterator[Mistake]:
    """Find misspelt variables of ours: a limit that is silently not in force is worse than a refusal."""
    known = [str(field.alias) for field in cls.model_fields.values()]
    given = {**dotenv_values(str(cls.model_config.get("env_file"))), **os.environ}
    for variable in sorted(name for name in given if name.startswith("MONITORING_") and name not in known):
        close = difflib.get_close_matches(variable, known, n=1)
        rule = f"is not a setting; did you mean {close[0]}?" if close else "is not a setting"
        yield Mistake(variable, rule, "***")
