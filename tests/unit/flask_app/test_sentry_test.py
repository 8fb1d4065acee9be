"""The test error is nobody's business in production, except for who has the token."""

import pytest
from pydantic import SecretStr

from flask_app import sentry_test
from monitoring import Settings
from tests.unit.flask_app.conftest import Browse

TOKEN = "a-token-of-32-characters-or-more"
URL = "/api/test/sentry-error"


def _settings(environment: str, token: str | None) -> Settings:
    return Settings(environment=environment, dsn=None, test_token=SecretStr(token) if token else None)


@pytest.mark.parametrize("environment", ["production", "live-eu"])
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("header", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer naïve"])
def test_production_has_no_such_route(browse: Browse, environment: str, token: str | None, header: str | None) -> None:
    """Answer 404, as for any unknown path, to whoever does not send the token as a bearer."""
    client = browse(sentry_test.blueprint(_settings(environment, token)))
    answer = client.post(URL, headers={"Authorization": header} if header else {})
    assert answer.status_code == 404
    assert answer.get_json() == client.get("/nowhere").get_json()


@pytest.mark.parametrize(
    ("environment", "header"),
    [("production", f"Bearer {TOKEN}"), ("production", f"bearer  {TOKEN}"), ("staging", None), ("development", None)],
)
def test_route_is_open_to_who_may(browse: Browse, environment: str, header: str | None) -> None:
    """Let the token's owner and every other environment in; without monitoring, say that nothing was sent."""
    client = browse(sentry_test.blueprint(_settings(environment, TOKEN)))
    answer = client.post(URL, headers={"Authorization": header} if header else {})
    assert answer.status_code == 503
    assert answer.get_json()["type"] == "urn:problem-type:trading:monitoring-off"
