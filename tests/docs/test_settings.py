"""`.env.example` and the reference page name every variable that the code reads, with the default that it has."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr

from monitoring.settings import Settings
from tests.docs.pages import ROOT, table_rows
from worker.local.environment import DATA_DIRECTORY
from worker.local.services import SERVICES
from worker.settings import TradingSettings

EXAMPLE: Final = ROOT / ".env.example"
PAGE: Final = ROOT / "docs" / "reference" / "settings.md"
#: What the runner tells the processes, and no operator has to.
INTERNAL: Final = {"REDIS_PORT", "LOCAL_SENTRY_PORT", "LOCAL_DATA", "PORT"}


def _as_text(value: object) -> str:
    """Write a default as an operator would set it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return "" if value is None or value == {} else str(value)


def _defaults(model: type[BaseModel]) -> dict[str, str]:
    return {
        str(field.alias): _as_text(field.get_default(call_default_factory=True))
        for field in model.model_fields.values()
    }


def _procfile_variables() -> dict[str, str]:
    """Return what the Procfiles and the runner take from the environment, with the default they give it."""
    found: dict[str, str] = {"LOCAL_DATA": DATA_DIRECTORY}
    for name in ("Procfile", "Procfile.dev"):
        text = (ROOT / name).read_text(encoding="utf-8")
        found |= dict(re.findall(r"\$\{(\w+):-(\w+)\}", text))
        assert set(re.findall(r"\$(\w+)", text)) <= INTERNAL, f"{name}: a variable without a default"
    ports = {service.port_variable: str(service.preferred_port) for service in SERVICES.values()}
    return found | {variable: port for variable, port in ports.items() if variable is not None}


def expected() -> dict[str, str]:
    """Return every variable with its default, from the code."""
    return _defaults(Settings) | _defaults(TradingSettings) | _procfile_variables()


def _example() -> dict[str, str]:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return dict(re.findall(r"^# ([A-Z_]+)=(.*)$", "\n".join(lines), re.MULTILINE))


def _page() -> dict[str, str]:
    rows = table_rows(PAGE, "variable", "default", "meaning")
    return {row["variable"].strip("`"): row["default"].replace("none", "").strip("`") for row in rows}


@pytest.mark.parametrize(
    ("place", "written", "form"),
    [
        (".env.example", _example(), "a comment that says meaning and unit, then the line `# {0}={1}`"),
        ("docs/reference/settings.md", _page(), "the row | `{0}` | `{1}` | meaning and unit |"),
    ],
    ids=["example", "page"],
)
def test_every_variable_is_documented_with_its_default(place: str, written: Mapping[str, str], form: str) -> None:
    """Nobody reads the code to find a setting, and nobody is told a default that is not the code's."""
    known = expected()
    missing = [form.format(name, default) for name, default in known.items() if name not in written]
    assert not missing, f"{place} lacks:\n" + "\n".join(missing)
    assert not (surplus := written.keys() - known.keys()), f"{place} has variables that nobody reads: {surplus}"
    wrong = {name: (default, written[name]) for name, default in known.items() if written[name] != default}
    assert not wrong, f"{place} has other defaults than the code (code, page): {wrong}"


def test_every_variable_in_the_example_is_explained() -> None:
    """Above each variable, or above the group of lines it stands in, is a comment in words."""
    before = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if re.match(r"# [A-Z_]+=", line):
            assert before, f"nothing explains {line}"
        else:
            before = "" if not line.strip() or line.startswith("# ---") else line


def test_a_copy_of_the_example_changes_nothing() -> None:
    """`cp .env.example .env` starts what starts without it."""
    assert dotenv_values(EXAMPLE) == {}


def test_the_example_can_be_taken_at_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every `#` before a variable taken away, the settings are what they are without the file."""
    for name in expected():
        monkeypatch.delenv(name, raising=False)
    without: tuple[Any, Any] = Settings.from_env(), TradingSettings.from_env()
    for name, value in _example().items():
        monkeypatch.setenv(name, value)
    assert (Settings.from_env(), TradingSettings.from_env()) == without


def test_the_settings_page_shows_what_is_said_of_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message on the page is the one that an operator gets."""
    monkeypatch.setenv("SENTRY_TRACES_SAMPLE_RATE", "15")
    monkeypatch.setenv("MONITORING_SLOW_TASKS", "2")
    with pytest.raises(ValueError, match="2 settings are wrong") as raised:
        Settings.from_env()
    assert str(raised.value) in PAGE.read_text(encoding="utf-8")
