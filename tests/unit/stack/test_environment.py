"""What the processes of the stack get to know, and what the operator has to change first."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.local.environment import ConfigurationError, prepare, read_dotenv

ALL = {name: f"run {name}" for name in ("redis", "sentry", "worker", "web", "beat", "traffic")}
PATH = {"PATH": "/usr/bin"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder: there is no `.env`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    """Take a port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_every_process_finds_the_others() -> None:
    """Choose three ports and tell broker, results, DSN and data to everybody."""
    plan = prepare(ALL, ALL, PATH)
    given = plan.environment
    ports = {given[name] for name in ("PORT", "REDIS_PORT", "LOCAL_SENTRY_PORT")}
    assert len(ports) == 3
    assert given["CELERY_BROKER_URL"] == f"redis://127.0.0.1:{given['REDIS_PORT']}/0"
    assert given["CELERY_RESULT_BACKEND"] == f"redis://127.0.0.1:{given['REDIS_PORT']}/1"
    assert given["SENTRY_DSN"] == f"http://local@127.0.0.1:{given['LOCAL_SENTRY_PORT']}/1"
    assert (given["SENTRY_ENABLED"], given["SENTRY_ENVIRONMENT"]) == ("true", "development")
    assert Path(given["LOCAL_DATA"]).is_dir()
    assert given["MONITORING_SPOOL_DIRECTORY"] == f"{given['LOCAL_DATA']}/spool"  # not that of a real Sentry
    assert given["PATH"].endswith(f"{os.pathsep}/usr/bin")
    assert dict(plan.commands) == ALL
    assert [line.partition("  ")[2] for line in plan.summary] == ["trading API", "local Sentry, task performance"]


def test_the_environment_wins_over_dotenv_and_both_over_the_runner() -> None:
    """Leave alone what the operator has set, and take the environment's word first."""
    Path(".env").write_text("SENTRY_ENVIRONMENT=staging\nAPP_VERSION=1\nPAPER_FAULTS=binance:timeout=1\n")
    given = prepare(ALL, ALL, {**PATH, "APP_VERSION": "2"}).environment
    assert given["SENTRY_ENVIRONMENT"] == "staging"
    assert given["APP_VERSION"] == "2"
    assert given["PAPER_FAULTS"] == "binance:timeout=1"


def test_an_empty_variable_is_no_answer() -> None:
    """Take `SENTRY_DSN=` for not set, as in a copied .env.example."""
    plan = prepare(ALL, ALL, {**PATH, "SENTRY_DSN": "", "CELERY_BROKER_URL": ""})
    assert plan.environment["SENTRY_DSN"].startswith("http://local@")
    assert "redis" in plan.commands


def test_no_dotenv_is_no_error() -> None:
    """Read nothing from a file that is not there."""
    assert read_dotenv() == {}


def test_a_service_of_ones_own_is_used_and_named() -> None:
    """Start neither server nor traffic for a broker elsewhere, nor a Sentry for a DSN; show no password."""
    own = {
        "CELERY_BROKER_URL": "redis://user:secret@broker.example:6380/3",
        "SENTRY_DSN": "https://key@sentry.example/7",
    }
    plan = prepare(ALL, ALL, {**PATH, **own})
    assert list(plan.commands) == ["worker", "web", "beat"]
    assert plan.environment["CELERY_BROKER_URL"] == own["CELERY_BROKER_URL"]
    said = "\n".join(plan.summary)
    assert "CELERY_BROKER_URL in the environment says redis://broker.example:6380/3" in said
    assert "SENTRY_DSN in the environment says https://sentry.example/7" in said
    assert "traffic is not started here" in said
    assert "secret" not in said
    assert "key" not in said


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80 81", "٣٣"])
def test_a_port_that_is_none_is_refused(value: str) -> None:
    """Name the variable, the rule and the value."""
    with pytest.raises(ConfigurationError, match="PORT must be a port number from 1 to 65535"):
        prepare(ALL, ALL, {**PATH, "PORT": value})


def test_a_port_twice_is_refused() -> None:
    """Say which variable has to change."""
    with pytest.raises(ConfigurationError, match="must differ from the other ports, got 7001 twice"):
        prepare(ALL, ALL, {**PATH, "REDIS_PORT": "7001", "PORT": "7001"})


def test_a_port_that_is_taken_is_refused_only_if_it_is_needed(taken: int) -> None:
    """Check the ports of what is started; those of the others are only named."""
    given = {**PATH, "PORT": str(taken)}
    with pytest.raises(ConfigurationError, match=f"PORT={taken}: the port is taken by another program"):
        prepare(ALL, ALL, given)
    plan = prepare(ALL, {"redis": ALL["redis"]}, given)
    assert plan.environment["PORT"] == str(taken)


def test_part_of_the_stack_finds_a_part_that_runs_already() -> None:
    """Use the usual ports for what another runner has started."""
    given = prepare(ALL, {"worker": ALL["worker"]}, PATH).environment
    assert given["CELERY_BROKER_URL"] == "redis://127.0.0.1:6399/0"
    assert given["SENTRY_DSN"] == "http://local@127.0.0.1:9000/1"


def test_a_production_procfile_gets_no_local_services() -> None:
    """Provide no broker and no DSN where the Procfile has none of ours."""
    production = {name: ALL[name] for name in ("web", "worker", "beat")}
    given = prepare(production, production, PATH).environment
    assert "CELERY_BROKER_URL" not in given
    assert "SENTRY_DSN" not in given
