"""Trading settings are validated at once, and never show a password."""

from collections.abc import Iterator

import pytest

from monitoring.scrubbing import scrub_text
from monitoring.scrubbing.registry import SECRETS
from monitoring.settings import Settings, SettingsError
from worker.settings import EXCHANGES, TradingSettings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Keep the developer's own environment and `.env` out."""
    monkeypatch.chdir(str(tmp_path))
    for name in ("TRADING_REDIS_URL", "TRADING_EXCHANGES", "TRADING_LIVE_EXCHANGES", "TRADING_BEAT_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TRADING_CREDENTIALS", "PAPER_SEED", "PAPER_FAULTS", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_means_five_paper_exchanges_without_faults() -> None:
    """The defaults trade on paper, once a minute, on the result backend's server."""
    settings = TradingSettings.from_env()

    assert settings.exchanges == EXCHANGES
    assert (settings.beat_seconds, settings.paper_seed, settings.paper_faults) == (60.0, 1, "")
    assert settings.server_url(Settings.from_env()) == "redis://127.0.0.1:6379/1"


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variable, rule and value of each; the value of an address is masked."""
    monkeypatch.setenv("TRADING_REDIS_URL", "http://:pass-phrase@host/1")
    monkeypatch.setenv("TRADING_EXCHANGES", "binance,mtgox")
    monkeypatch.setenv("TRADING_BEAT_SECONDS", "0.1")
    monkeypatch.setenv("PAPER_SEED", "one")
    monkeypatch.setenv("PAPER_FAULTS", "binance:timeout=2")

    with pytest.raises(SettingsError) as refusal:
        TradingSettings.from_env()

    told = str(refusal.value)
    assert "5 settings are wrong" in told
    assert "TRADING_EXCHANGES must be a list like binance,kraken of" in told
    assert "TRADING_BEAT_SECONDS must be a number of seconds from 1 to 86400, got '0.1'" in told
    assert "PAPER_SEED must be a valid integer" in told
    assert "PAPER_FAULTS must be a plan of faults (timeout of binance must be a share" in told
    assert "TRADING_REDIS_URL must be a URL of a Redis server" in told
    assert "pass-phrase" not in told


def test_nobody_trades_on_paper_who_asked_for_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wish for live trading is refused at start, with the reason, instead of being ignored."""
    monkeypatch.setenv("TRADING_LIVE_EXCHANGES", "binance")

    with pytest.raises(SettingsError, match="TRADING_LIVE_EXCHANGES must be empty: there is no live exchange yet"):
        TradingSettings.from_env()


def test_server_must_be_named_when_celery_uses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """With RabbitMQ and no Redis result backend the books need an address; the error names the variable."""
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://guest:guest@127.0.0.1//")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "rpc://")

    with pytest.raises(SettingsError, match="TRADING_REDIS_URL must be set when"):
        TradingSettings.from_env().server_url(Settings.from_env())
    monkeypatch.setenv("TRADING_REDIS_URL", "redis://127.0.0.1:6399/3")
    assert TradingSettings.from_env().server_url(Settings.from_env()) == "redis://127.0.0.1:6399/3"


def test_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings object that lands in a log or a stack frame does not tell its password."""
    monkeypatch.setenv("TRADING_REDIS_URL", "redis://:pass-phrase@127.0.0.1/3")

    assert "pass-phrase" not in repr(TradingSettings.from_env())


CREDENTIALS = '{"okx": {"apiKey": "okx-key-0123456789", "secret": "okx-secret-0123456789", "password": "short"}}'


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget afterwards what the test has registered in this process."""
    yield
    SECRETS.clear()


@pytest.mark.usefixtures("forgotten")
def test_credentials_are_registered_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every credential and the server's password are registered; what is too short is left to its name."""
    monkeypatch.setenv("TRADING_CREDENTIALS", CREDENTIALS)
    monkeypatch.setenv("TRADING_REDIS_URL", "redis://bot:paper%2Fpassword@127.0.0.1/0")
    settings = TradingSettings.from_env()
    assert "okx-key" not in repr(settings) + str(settings)
    text = "handshake of okx-key-0123456789 with okx-secret-0123456789 and paper/password"
    settings.register_secrets()
    assert scrub_text(text) == "handshake of [Filtered] with [Filtered] and [Filtered]"


UNREADABLE = (
    "hunter2-hunter2",
    '{"mtgox": {"apiKey": "hunter2-hunter2"}}',
    '{"okx": "hunter2-hunter2"}',
    '{"okx": {"apiKey": 1}}',
)


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_unreadable_credentials_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """The mistake says how they are written, and nothing of what was."""
    monkeypatch.setenv("TRADING_CREDENTIALS", wrong)
    with pytest.raises(SettingsError, match="TRADING_CREDENTIALS must be JSON like") as refused:
        TradingSettings.from_env()
    assert "hunter2" not in str(refused.value)
