"""What the operator sets is read once, checked as a whole, and never shown with a secret in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from monitoring.settings import Settings, SettingsError, masked_url

sentry_relay = pytest.importorskip("sentry_relay.processing")
RELAY = sentry_relay.StoreNormalizer()

#: Not a NUL and not half a surrogate pair: no environment can hold them.
VARIABLE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
#: What tears a URL apart, among what does not.
URL_TEXT = st.text(st.sampled_from("abz09:/@?#;%[]. \t'\"+&="), max_size=12)
#: What Relay has an opinion of.
NAME_TEXT = st.one_of(
    st.text(st.one_of(st.sampled_from("/\\ \t\n\r\0\x7f.@-lé"), st.characters(exclude_categories=["Cs"])), max_size=8),
    st.sampled_from(["None", "none", "NONE", "latest", "Latest", ".", "..", "...", "production", "bot@1.2.3+4"]),
    st.integers(1, 210).map(lambda length: "x" * length),
    st.integers(20, 110).map(lambda length: "é" * length),
)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables for the length of a block; hypothesis runs many examples in one test."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def mistakes(**variables: str) -> dict[str, str]:
    """Return the mistakes in these variables, by variable."""
    with environment(**variables), pytest.raises(SettingsError) as raised:
        Settings.from_env()
    return {mistake.variable: str(mistake) for mistake in raised.value.mistakes}


@pytest.mark.parametrize(
    ("name", "enabled", "traces"),
    [
        (None, True, 0.1),
        ("production", True, 0.1),
        ("staging", True, 0.5),
        ("development", False, 1.0),
        ("testing", True, 0.1),
    ],
)
def test_each_environment_has_the_documented_defaults(name: str | None, *, enabled: bool, traces: float) -> None:
    """What the environment's name decides is what the document says; an unknown one counts as production."""
    with environment(**({"SENTRY_ENVIRONMENT": name} if name else {})):
        settings = Settings.from_env()
    expected = (name or "production", enabled, 1.0, traces)
    assert (settings.environment, settings.enabled, settings.sample_rate, settings.traces_sample_rate) == expected


@pytest.mark.parametrize("name", ["production", "staging", "development"])
def test_a_variable_goes_before_the_environments_default(name: str) -> None:
    """What is set explicitly holds in every environment."""
    chosen = {"SENTRY_ENABLED": "yes", "SENTRY_SAMPLE_RATE": "0.25", "SENTRY_TRACES_SAMPLE_RATE": "0"}
    with environment(SENTRY_ENVIRONMENT=name, **chosen):
        settings = Settings.from_env()
    assert (settings.enabled, settings.sample_rate, settings.traces_sample_rate) == (True, 0.25, 0.0)


def test_every_other_setting_has_a_default() -> None:
    """An empty environment is a working configuration, switched off for want of a DSN."""
    assert not Settings.from_env().active
    assert Settings.from_env().model_dump(exclude={"broker_url", "result_backend"}) == {
        "enabled": True,
        "dsn": None,
        "environment": "production",
        "sample_rate": 1.0,
        "traces_sample_rate": 0.1,
        "release": None,
        "redis_url": None,
        "redis_timeout": 0.05,
        "trace_lifecycle": "static",
        "slow_task_seconds": 5.0,
        "slow_task_window_seconds": 60.0,
        "slow_request_seconds": 5.0,
        "shutdown_timeout": 2.0,
        "argument_names": {},
        "task_arguments": False,
        "metrics": True,
        "metrics_exclude": (),
        "crons": True,
        "crons_exclude": (),
        "beat_late_seconds": 5.0,
        "vitals": True,
        "vitals_seconds": 15.0,
        "gone_seconds": 45.0,
        "stall_seconds": 120.0,
        "bot_budgets": {},
        "trail_bytes": 4096,
        "spool_directory": None,
        "spool_bytes": 268_435_456,
        "test_token": None,
        "debug": False,
    }


def test_every_variable_is_read() -> None:
    """Each variable reaches its field, with the spaces that people type in lists."""
    variables = {
        "SENTRY_ENABLED": "1",
        "SENTRY_DSN": "https://key@sentry.example/1",
        "SENTRY_ENVIRONMENT": "staging",
        "SENTRY_SAMPLE_RATE": "0.5",
        "SENTRY_TRACES_SAMPLE_RATE": "1",
        "APP_VERSION": "1.2.3",
        "CELERY_BROKER_URL": "sentinel://a:26379;sentinel://b:26379",
        "CELERY_RESULT_BACKEND": "db+sqlite:///results",
        "MONITORING_REDIS_URL": "redis://:secret@c/2",
        "MONITORING_REDIS_TIMEOUT": "0.5",
        "MONITORING_TRACE_LIFECYCLE": "stream",
        "MONITORING_SLOW_TASK_SECONDS": "1.5",
        "MONITORING_SLOW_TASK_WINDOW_SECONDS": "30",
        "MONITORING_SLOW_REQUEST_SECONDS": "2",
        "MONITORING_SHUTDOWN_TIMEOUT": "3",
        "MONITORING_ARGUMENT_NAMES": "bot=bot_id, pair = symbol,",
        "MONITORING_TASK_ARGUMENTS": "yes",
        "MONITORING_METRICS": "off",
        "MONITORING_METRICS_EXCLUDE": "worker.tasks.*, noisy ,",
        "MONITORING_CRONS": "0",
        "MONITORING_CRONS_EXCLUDE": "nightly.*,",
        "MONITORING_BEAT_LATE_SECONDS": "9",
        "MONITORING_VITALS": "no",
        "MONITORING_VITALS_SECONDS": "5",
        "MONITORING_GONE_SECONDS": "20",
        "MONITORING_STALL_SECONDS": "60",
        "MONITORING_BOT_BUDGETS": "momentum-1=300, grid-* = 3600,",
        "MONITORING_TRAIL_BYTES": "2048",
        "MONITORING_SPOOL_DIRECTORY": "/var/spool/trading",
        "MONITORING_SPOOL_BYTES": "1048576",
        "MONITORING_TEST_TOKEN": "a token of 16 chars",
        "MONITORING_DEBUG": "on",
    }
    assert set(variables) == {field.alias for field in Settings.model_fields.values()}
    with environment(**variables):
        settings = Settings.from_env()
    assert settings.active
    assert settings.crons_exclude == ("nightly.*",)
    lists = {"metrics_exclude": settings.metrics_exclude, "crons_exclude": settings.crons_exclude}
    assert settings.model_dump(mode="json") | lists == {
        "enabled": True,
        "dsn": "**********",
        "environment": "staging",
        "sample_rate": 0.5,
        "traces_sample_rate": 1.0,
        "release": "1.2.3",
        "broker_url": "**********",
        "result_backend": "**********",
        "redis_url": "**********",
        "redis_timeout": 0.5,
        "trace_lifecycle": "stream",
        "slow_task_seconds": 1.5,
        "slow_task_window_seconds": 30.0,
        "slow_request_seconds": 2.0,
        "shutdown_timeout": 3.0,
        "argument_names": {"bot": "bot_id", "pair": "symbol"},
        "task_arguments": True,
        "metrics": False,
        "metrics_exclude": ("worker.tasks.*", "noisy"),
        "crons": False,
        "crons_exclude": settings.crons_exclude,
        "beat_late_seconds": 9.0,
        "vitals": False,
        "vitals_seconds": 5.0,
        "gone_seconds": 20.0,
        "stall_seconds": 60.0,
        "bot_budgets": {"momentum-1": 300.0, "grid-*": 3600.0},
        "trail_bytes": 2048,
        "spool_directory": "/var/spool/trading",
        "spool_bytes": 1_048_576,
        "test_token": "**********",
        "debug": True,
    }


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    """`SENTRY_DSN=` in a deployment's template means no DSN, not a broken one."""
    with environment(SENTRY_ENVIRONMENT="", SENTRY_DSN="", SENTRY_ENABLED="", MONITORING_TRAIL_BYTES=""):
        assert Settings.from_env() == Settings()


def test_a_variable_named_like_a_field_is_not_ours() -> None:
    """Anybody's DEBUG, ENVIRONMENT or RELEASE leaves the settings alone."""
    fields = {name.upper(): "1" for name in Settings.model_fields}
    with environment(**fields):
        assert Settings.from_env() == Settings()


def test_dotenv_is_read_and_the_environment_goes_first() -> None:
    """The document's own `.env`, with its comments, is understood; a variable of the process overrides it."""
    Path(".env").write_text(
        "# Sentry Configuration\n"
        "SENTRY_ENABLED=true\n"
        "SENTRY_DSN=https://your-dsn@sentry.io/1\n"
        "SENTRY_ENVIRONMENT=staging  # or development, production\n"
        "SENTRY_SAMPLE_RATE=1.0         # 1.0 = 100% of errors\n"
        'APP_VERSION="1.0.0"              # Your app version\n',
        encoding="utf-8",
    )
    with environment(APP_VERSION="2.0.0"):
        settings = Settings.from_env()
    assert settings.active
    assert (settings.environment, settings.traces_sample_rate, settings.release) == ("staging", 0.5, "2.0.0")


def test_dotenv_that_is_not_text_is_a_mistake_of_its_own() -> None:
    """A file in another encoding is told as such, not as a traceback."""
    Path(".env").write_bytes(b"APP_VERSION=1.0\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"\.env must be UTF-8 text, got byte 0xe9"):
        Settings.from_env()


def test_every_mistake_is_reported_at_once() -> None:
    """One start tells all that is wrong, each with variable, rule and value, so that one edit mends it."""
    told = mistakes(
        SENTRY_ENABLED="maybe",
        SENTRY_DSN="ftp://key@host/1",
        SENTRY_ENVIRONMENT="eu/prod",
        SENTRY_SAMPLE_RATE="15",
        SENTRY_TRACES_SAMPLE_RATE="nan",
        APP_VERSION="latest",
        CELERY_BROKER_URL="redis//localhost",
        CELERY_RESULT_BACKEND="amqp://guest:guest@host//",
        MONITORING_TRACE_LIFECYCLE="both",
        MONITORING_SLOW_TASK_SECONDS="0",
        MONITORING_SHUTDOWN_TIMEOUT="inf",
        MONITORING_ARGUMENT_NAMES="bot:bot_id",
        MONITORING_TRAIL_BYTES="100",
        MONITORING_TEST_TOKEN="short",
        MONITORING_SLOW_TASKS_SECONDS="3",
    )
    kept = "without '/', '\\', control characters or white space at its ends, and not '.', '..' or"
    assert told == {
        name: f"{name} {rest}"
        for name, rest in {
            "SENTRY_ENABLED": "must be true or false, got 'maybe'",
            "SENTRY_DSN": "must be a Sentry DSN like https://key@host/1 (Unsupported scheme), got 'ftp://***@host/1'",
            "SENTRY_ENVIRONMENT": f"must be 1 to 64 bytes {kept} 'None' (Sentry would silently drop it), got 'eu/prod'",
            "SENTRY_SAMPLE_RATE": "must be a number from 0 to 1, got '15'",
            "SENTRY_TRACES_SAMPLE_RATE": "must be a number from 0 to 1, got 'nan'",
            "APP_VERSION": f"must be 1 to 200 bytes {kept} 'latest' (Sentry would silently drop it), got 'latest'",
            "CELERY_BROKER_URL": "must be a URL that Celery knows, like redis://host:6379/0, got '***'",
            "CELERY_RESULT_BACKEND": "must be a URL that Celery knows, like redis://host:6379/0, got 'amqp://***@host//'",
            "MONITORING_TRACE_LIFECYCLE": "must be 'static' or 'stream', got 'both'",
            "MONITORING_SLOW_TASK_SECONDS": "must be a number of seconds above 0, got '0'",
            "MONITORING_SHUTDOWN_TIMEOUT": "must be a number of seconds above 0, got 'inf'",
            "MONITORING_ARGUMENT_NAMES": "must be pairs like bot=bot_id,pair=symbol, each naming one of bot_id, exchange, symbol, strategy, got 'bot:bot_id'",  # noqa: E501  # one line of the report
            "MONITORING_TRAIL_BYTES": "must be greater than or equal to 512, got '100'",
            "MONITORING_TEST_TOKEN": "must have at least 16 characters, got '***'",
            "MONITORING_SLOW_TASKS_SECONDS": "is not a setting; did you mean MONITORING_SLOW_TASK_SECONDS?, got '***'",
        }.items()
    }


@pytest.mark.parametrize("name", ["MONITORING_METRIC", "monitoring_metric", "MONITORING_ZZZ"])
def test_a_misspelt_variable_is_refused(name: str) -> None:
    """A limit that its operator believes to be in force must be; the same in `.env`."""
    expected = "" if "ZZZ" in name else "; did you mean MONITORING_METRICS?"
    assert mistakes(**{name: "secret"}) == {name: f"{name} is not a setting{expected}, got '***'"}
    Path(".env").write_text(f"{name}=secret\n", encoding="utf-8")
    assert mistakes() == {name: f"{name} is not a setting{expected}, got '***'"}


@given(name=VARIABLE_TEXT | NAME_TEXT)
@pytest.mark.parametrize("field", ["environment", "release"])
def test_what_sentry_would_drop_is_refused_and_nothing_else(field: str, name: str) -> None:
    """Relay keeps a name unchanged exactly when we accept it."""
    kept = RELAY.normalize_event({"platform": "python", field: name}).get(field)
    try:
        accepted = getattr(Settings.from_env(**{field: name}), field) if name else None
    except SettingsError:
        accepted = None
    assert accepted == (kept if kept == name else None)


@given(
    before=URL_TEXT, after=URL_TEXT, scheme=st.sampled_from(["http", "redis", "amqp", "nonsense", ""]), rest=URL_TEXT
)
@pytest.mark.parametrize("name", ["SENTRY_DSN", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"])
def test_a_password_is_never_told(name: str, before: str, after: str, scheme: str, rest: str) -> None:
    """However badly a URL is written, the report of it shows nothing of what stands before its last `@`."""
    url = f"{scheme}://{before}S3CRET{after}@{rest}"
    with environment(**{name: url}):
        try:
            text = repr(Settings.from_env())
        except SettingsError as error:
            text = str(error)
    assert "S3CRET" not in text + masked_url(url)


@given(value=VARIABLE_TEXT.map("S3CRET".join) | VARIABLE_TEXT.map(lambda text: f"S3CRET{text}"))
@pytest.mark.parametrize("name", ["SENTRY_DSN", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "MONITORING_TEST_TOKEN"])
def test_a_secret_in_the_wrong_place_is_never_told(name: str, value: str) -> None:
    """Whatever text was pasted into a secret's variable is not repeated unless it is clearly a URL."""
    with environment(**{name: value}):
        try:
            text = repr(Settings.from_env())
        except SettingsError as error:
            text = str(error)
    assert "S3CRET" not in text


def test_a_url_pasted_into_another_variable_is_masked() -> None:
    """A DSN in the place of the environment's name does not show its key."""
    told = mistakes(SENTRY_ENVIRONMENT="https://k3y@sentry.example/1")["SENTRY_ENVIRONMENT"]
    assert told.endswith("got 'https://***@sentry.example/1'")


def test_a_huge_value_does_not_flood_the_report() -> None:
    """A mistake is a line that people read, whatever the value."""
    assert len(mistakes(MONITORING_ARGUMENT_NAMES="x" * 100_000)["MONITORING_ARGUMENT_NAMES"]) < 300


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:pa%2Fss@[::1]:6379/0", "redis://***@[::1]:6379/0"),
        ("rediss://user:pw@host/0?ssl_cert_reqs=none&password=x", "rediss://***@host/0?***"),
        ("sentinel://a:26379;sentinel://:pw@b:26379", "sentinel://a:26379;sentinel://***@b:26379"),
        ("mongodb://u:p@a:1,b:2/celery", "mongodb://***@a:1,b:2/celery"),
        ("db+sqlite:///results.db", "db+sqlite:///results.db"),
        ("redis://user:pa/ss@host/0", "***"),
        ("just-a-password", "***"),
        ("", "***"),
    ],
)
def test_masked_url_shows_where_and_not_with_what(url: str, shown: str) -> None:
    """An operator recognises the server; nobody learns the password."""
    assert masked_url(url) == shown


def test_building_settings_directly_hides_what_was_wrong() -> None:
    """Outside of `from_env` the mistake is pydantic's, and it does not show the value either."""
    with pytest.raises(ValidationError) as raised:
        Settings(dsn=SecretStr("https://S3CRET@host"))
    assert "S3CRET" not in str(raised.value)


def test_settings_are_frozen_and_overridable_by_field() -> None:
    """An entry point may pass its own; afterwards nobody changes them."""
    with environment(SENTRY_SAMPLE_RATE="0.5"):
        settings = Settings.from_env(sample_rate=0.75, environment="development")
    assert (settings.sample_rate, settings.enabled, settings.traces_sample_rate) == (0.75, False, 1.0)
    with pytest.raises(ValidationError, match="frozen"):
        settings.sample_rate = 1.0  # type: ignore[misc]  # the promise


@pytest.mark.parametrize(("enabled", "dsn"), [("true", ""), ("false", "http://key@host/1"), ("false", "")])
def test_monitoring_is_active_only_with_a_dsn_and_a_yes(enabled: str, dsn: str) -> None:
    """Either missing means off."""
    with environment(SENTRY_ENABLED=enabled, SENTRY_DSN=dsn):
        assert not Settings.from_env().active


def test_no_secret_shows_in_the_settings_themselves() -> None:
    """Printing or logging the settings is safe."""
    secret = {"dsn": "https://S3CRET@h/1", "broker_url": "redis://:S3CRET@h", "test_token": "S3CRET" * 4}
    settings = Settings.from_env(**secret)
    assert "S3CRET" not in repr(settings) + str(settings)
