"""What the operator set about trading: `TRADING_*` and `PAPER_*`. The worker's only reader of the environment."""

import json
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monitoring.scrubbing import SHORTEST_SECRET, register_passwords, register_secret
from monitoring.settings import Mistake, Settings, SettingsError
from worker.fault_plan import FaultPlan

EXCHANGES = ("binance", "kraken", "okx", "bybit", "coinbase")
"""The exchanges that the platform knows, all on paper."""

_SECRET_VARIABLES = {"TRADING_REDIS_URL", "TRADING_CREDENTIALS"}
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def _exchanges(value: object) -> object:
    names = tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    if not isinstance(names, tuple) or not set(names) <= set(EXCHANGES):
        raise ValueError(f"must be a list like binance,kraken of {', '.join(EXCHANGES)}")
    return names


def _none_live(value: object) -> object:
    if value not in ((), ""):
        raise ValueError("must be empty: there is no live exchange yet, every one trades on paper")
    return ()


def _faults(value: object) -> object:
    try:
        FaultPlan.parse(str(value))
    except ValueError as error:
        raise ValueError(f"must be a plan of faults ({error})") from error
    return value


def _beat_seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:  # noqa: PLR2004  # said in the message
        raise ValueError("must be a number of seconds from 1 to 86400")
    return seconds


def _redis_url(value: object) -> object:
    if value is not None and not str(value).startswith(_REDIS_SCHEMES):
        raise ValueError(f"must be a URL of a Redis server that starts with {', '.join(_REDIS_SCHEMES)}")
    return value


def _credentials(value: object) -> object:
    try:
        given: Any = json.loads(value) if isinstance(value, str) else value
        known = {
            exchange: {name: SecretStr(part) for name, part in parts.items() if isinstance(part, str)}
            for exchange, parts in given.items()
        }
        understood = set(known) <= set(EXCHANGES) and all(len(known[name]) == len(given[name]) for name in known)
    except (ValueError, AttributeError):
        understood = False
    if not understood:
        example = '{"okx": {"apiKey": "...", "secret": "...", "password": "..."}}'
        raise ValueError(f"must be JSON like {example} of {', '.join(EXCHANGES)}")
    return known


Exchanges = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_exchanges)]


class TradingSettings(BaseSettings):
    """Hold every trading setting, validated and frozen; `TradingSettings.from_env()` builds it."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    #: Where the paper exchanges' books and the ledger are; by default the result backend's server.
    redis_url: Annotated[str | None, BeforeValidator(_redis_url)] = Field(
        default=None, alias="TRADING_REDIS_URL", repr=False
    )
    #: The exchanges that beat looks after.
    exchanges: Exchanges = Field(default=EXCHANGES, alias="TRADING_EXCHANGES")
    #: Refused unless empty: who believes to trade live must not be left to trade on paper.
    live_exchanges: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_none_live)] = Field(
        default=(), alias="TRADING_LIVE_EXCHANGES"
    )
    #: The exchanges' credentials, by ccxt's own names for them. None of them leaves by way of monitoring.
    credentials: Annotated[dict[str, dict[str, SecretStr]], NoDecode, BeforeValidator(_credentials)] = Field(
        default_factory=dict, alias="TRADING_CREDENTIALS", repr=False
    )
    #: How often positions are synchronised and orders reconciled. Seconds.
    beat_seconds: Annotated[float, BeforeValidator(_beat_seconds)] = Field(default=60.0, alias="TRADING_BEAT_SECONDS")
    #: Decides every price and every fault on paper.
    paper_seed: int = Field(default=1, alias="PAPER_SEED")
    #: What goes wrong on paper; see `worker.fault_plan`.
    paper_faults: Annotated[str, BeforeValidator(_faults)] = Field(default="", alias="PAPER_FAULTS")

    @classmethod
    def from_env(cls) -> "TradingSettings":
        """Read the environment and `.env`; raise `SettingsError` with every mistake."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(tuple(_mistake(detail) for detail in error.errors(include_url=False))) from None

    def register_secrets(self) -> None:
        """Let no credential, and no password of a server, leave in anything that is sent.

        What is shorter than eight characters cannot be told from ordinary text; it is known by its name alone.
        """
        register_passwords(self.redis_url or "")
        secrets = (part.get_secret_value() for parts in self.credentials.values() for part in parts.values())
        for secret in secrets:
            if len(secret.strip()) >= SHORTEST_SECRET:
                register_secret(secret)

    def server_url(self, monitored: Settings) -> str:
        """Return the URL of the Redis server, with its password; raise `SettingsError` if there is none."""
        urls = (
            self.redis_url,
            monitored.result_backend.get_secret_value(),
            monitored.broker_url.get_secret_value(),
        )
        for url in filter(None, urls):
            if url.startswith(_REDIS_SCHEMES) and ";" not in url:
                return url
        rule = "must be set when neither CELERY_RESULT_BACKEND nor CELERY_BROKER_URL is one Redis server's URL"
        raise SettingsError((Mistake("TRADING_REDIS_URL", rule, "nothing"),))


@cache
def trading_settings() -> TradingSettings:
    """Return this process's settings, read once."""
    return TradingSettings.from_env()


def _mistake(detail: Any) -> Mistake:
    variable = str(detail["loc"][0])
    rule = str(detail["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    shown = "***" if variable in _SECRET_VARIABLES else repr(detail["input"])
    return Mistake(variable, rule, shown)
