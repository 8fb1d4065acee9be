"""What the operator set: `SENTRY_*`, `CELERY_*` and our own `MONITORING_*` variables, as one frozen value.

The only place in `monitoring` that reads the environment (and `.env` in the working directory).
"""

from __future__ import annotations

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monitoring.setting_rules import (
    BrokerUrl,
    Budgets,
    Environment,
    Rate,
    RedisUrl,
    Release,
    ResultUrl,
    Seconds,
    SentryDsn,
    Switch,
    Token,
    Words,
    argument_names,
)
from monitoring.urls import masked_url as masked_url  # noqa: PLC0414  # settings are shown with it

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

_OURS: Final = "MONITORING_"
_MAX_SHOWN = 100


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
    """Carry every mistake in the settings at once: values in `mistakes`, lines in its text, no secret in either."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        head = "1 setting is wrong" if len(mistakes) == 1 else f"{len(mistakes)} settings are wrong"
        super().__init__("\n".join((f"{head}:", *(f"  {mistake}" for mistake in mistakes))))


ArgumentNames = Annotated[dict[str, str], NoDecode, BeforeValidator(argument_names(CONTEXT_FIELDS))]


class Settings(BaseSettings):
    """Hold every setting, validated and frozen.

    `Settings.from_env()` builds it for an entry point. Building it directly takes the fields' names and still reads
    the environment for the rest; then a mistake is pydantic's `ValidationError` instead of `SettingsError`.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        # `populate_by_name` also reads variables named like the fields; without a prefix that is anybody's DEBUG.
        env_prefix=_OURS,
        hide_input_in_errors=True,
    )

    enabled: Switch = Field(default=True, alias="SENTRY_ENABLED")
    dsn: SentryDsn | None = Field(default=None, alias="SENTRY_DSN")
    environment: Environment = Field(default="production", alias="SENTRY_ENVIRONMENT")
    sample_rate: Rate = Field(default=1.0, alias="SENTRY_SAMPLE_RATE")
    traces_sample_rate: Rate = Field(default=0.1, alias="SENTRY_TRACES_SAMPLE_RATE")
    release: Release | None = Field(default=None, alias="APP_VERSION")

    broker_url: BrokerUrl = Field(default=SecretStr("redis://127.0.0.1:6379/0"), alias="CELERY_BROKER_URL")
    result_backend: ResultUrl = Field(default=SecretStr("redis://127.0.0.1:6379/1"), alias="CELERY_RESULT_BACKEND")

    #: The Redis server in which failures are counted for all processes and hosts, to tell what persists from what does
    #: not. By default that of broker or result backend; without any, each process counts by itself.
    redis_url: RedisUrl | None = Field(default=None, alias="MONITORING_REDIS_URL")
    #: The longest that a failing task waits for that server to connect, and to answer; then its process counts alone
    #: for a while. A server that is far away or speaks TLS needs more. Seconds.
    redis_timeout: Seconds = Field(default=0.05, alias="MONITORING_REDIS_TIMEOUT")
    #: How the SDK sends spans: whole transactions, or each span by itself ("span first").
    trace_lifecycle: Literal["static", "stream"] = Field(default="static", alias="MONITORING_TRACE_LIFECYCLE")
    #: A task that runs longer is told as a warning, once per window; a task's own `slow_after` goes first. Seconds.
    slow_task_seconds: Seconds = Field(default=5.0, alias="MONITORING_SLOW_TASK_SECONDS")
    slow_task_window_seconds: Seconds = Field(default=60.0, alias="MONITORING_SLOW_TASK_WINDOW_SECONDS")
    slow_request_seconds: Seconds = Field(default=5.0, alias="MONITORING_SLOW_REQUEST_SECONDS")
    #: The longest a stopping process waits for Sentry to take what is queued. Seconds.
    shutdown_timeout: Seconds = Field(default=2.0, alias="MONITORING_SHUTDOWN_TIMEOUT")
    #: Names of task arguments that mean one of the context's fields: bot=bot_id,pair=symbol.
    argument_names: ArgumentNames = Field(default_factory=dict, alias="MONITORING_ARGUMENT_NAMES")
    #: Send the local variables of a task's errors as they are, cleaned of secrets; otherwise what holds one of its
    #: arguments is hidden, except those that make the context.
    task_arguments: Switch = Field(default=False, alias="MONITORING_TASK_ARGUMENTS")
    #: `task.run_time` and `task.queue_wait` for every task; and the tasks (globs) that get none.
    metrics: Switch = Field(default=True, alias="MONITORING_METRICS")
    metrics_exclude: Words = Field(default=(), alias="MONITORING_METRICS_EXCLUDE")
    #: Cron monitors at Sentry for what beat publishes, made from its schedule; and the entries (globs) that get none.
    crons: Switch = Field(default=True, alias="MONITORING_CRONS")
    crons_exclude: Words = Field(default=(), alias="MONITORING_CRONS_EXCLUDE")
    #: A periodic task that beat publishes later than this is told as a warning. Seconds.
    beat_late_seconds: Seconds = Field(default=5.0, alias="MONITORING_BEAT_LATE_SECONDS")
    #: Watch queues, workers, beat and bots from the workers' main processes; and how often each looks. Seconds.
    vitals: Switch = Field(default=True, alias="MONITORING_VITALS")
    vitals_seconds: Seconds = Field(default=15.0, alias="MONITORING_VITALS_SECONDS")
    #: A worker, or beat, that has given no sign of life for so long is told as gone. Seconds.
    gone_seconds: Seconds = Field(default=45.0, alias="MONITORING_GONE_SECONDS")
    #: A worker that begins no task for so long, while messages wait, is told as stalled. Seconds.
    stall_seconds: Seconds = Field(default=120.0, alias="MONITORING_STALL_SECONDS")
    #: Bots (globs) and how long each may go without a successful task, in seconds: momentum-1=300,grid-*=3600.
    bot_budgets: Budgets = Field(default_factory=dict, alias="MONITORING_BOT_BUDGETS")
    #: The most a message header may carry from one attempt to the next. Bytes.
    trail_bytes: int = Field(default=4096, ge=512, le=32768, alias="MONITORING_TRAIL_BYTES")
    #: Where errors wait on disk until Sentry has them; None is `worker-monitoring/spool` in the user's state folder.
    spool_directory: Path | None = Field(default=None, alias="MONITORING_SPOOL_DIRECTORY")
    #: The most that all processes of a host may keep there together; 0 keeps nothing. Bytes.
    spool_bytes: int = Field(default=256 * 1024 * 1024, ge=0, alias="MONITORING_SPOOL_BYTES")
    #: Opens `POST /api/test/sentry-error` in production to whoever sends it as a bearer token.
    test_token: Token | None = Field(default=None, alias="MONITORING_TEST_TOKEN")
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
        try:
            unknown = tuple(_unknown_variables(cls))
            settings = cls(**overrides)
        except UnicodeDecodeError as error:
            raise SettingsError(
                (Mistake(".env", "must be UTF-8 text", f"byte {error.object[error.start]:#x}"),)
            ) from None
        except ValidationError as error:
            raise SettingsError((*_mistakes(cls, error), *unknown)) from None
        if unknown:
            raise SettingsError(unknown)
        return settings

    @property
    def active(self) -> bool:
        """Whether anything is sent at all."""
        return self.enabled and self.dsn is not None


_SECRET_VARIABLES: Final = {
    "SENTRY_DSN",
    "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND",
    "MONITORING_REDIS_URL",
    "MONITORING_TEST_TOKEN",
}


def spool_folder(settings: Settings) -> Path:
    """Return where errors wait on disk: as set, else by the XDG rules, else (no writable home) the temporary folder."""
    if settings.spool_directory is not None:
        return settings.spool_directory.expanduser().absolute()
    state, home = Path(os.environ.get("XDG_STATE_HOME", "")), Path(os.environ.get("HOME", ""))
    if state.is_absolute():
        base = state
    elif home.is_absolute() and os.access(home, os.W_OK):
        base = home / ".local" / "state"
    else:
        base = Path(tempfile.gettempdir())
    return base / "worker-monitoring" / "spool"


def _mistakes(cls: type[Settings], error: ValidationError) -> Iterator[Mistake]:
    variables = {name: str(field.alias) for name, field in cls.model_fields.items()}
    for detail in error.errors(include_url=False, include_context=False):
        place = str(detail["loc"][0]) if detail["loc"] else ""
        variable = variables.get(place, place)
        rule = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        yield Mistake(variable, rule, repr(_shown(variable, str(detail["input"]))))


def _shown(variable: str, value: str) -> str:
    if variable in _SECRET_VARIABLES or "://" in value:
        return masked_url(value) if variable != "MONITORING_TEST_TOKEN" else "***"
    return value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…"


def _unknown_variables(cls: type[Settings]) -> Iterator[Mistake]:
    """Find misspelt variables of ours: a limit that is silently not in force is worse than a refusal."""
    known = [str(field.alias).removeprefix(_OURS) for field in cls.model_fields.values() if _OURS in str(field.alias)]
    given = {**dotenv_values(str(cls.model_config.get("env_file"))), **os.environ}
    for variable in sorted(name for name in given if name.upper().startswith(_OURS)):
        name = variable.upper().removeprefix(_OURS)
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        rule = f"is not a setting; did you mean {_OURS}{close[0]}?" if close else "is not a setting"
        yield Mistake(variable, rule, repr("***"))
