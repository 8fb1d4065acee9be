"""Slow requests are logged, by route, and by a clock of our own."""

import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from flask_app.slow_requests import SlowRequests
from tests.unit.flask_app.conftest import Browse


def _watched(app: Flask, ticks: Iterator[float]) -> None:
    SlowRequests(5.0, clock=lambda: next(ticks)).connect(app)
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/bots/<bot_id>")
    def bot(bot_id: str) -> str:
        return bot_id

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("path", "took", "line"),
    [
        ("/bots/secret-bot?token=hunter2", 5.0, "slow request: GET /bots/<bot_id> took 5.00 s"),
        ("/bots/secret-bot", 4.999, None),
        ("/fails", 61.5, "slow request: GET /fails took 61.50 s"),
        ("/nowhere", 7.25, "slow request: GET (no route) took 7.25 s"),
    ],
)
def test_slow_request_is_logged_by_its_route(
    browse: Browse, caplog: pytest.LogCaptureFixture, path: str, took: float, line: str | None
) -> None:
    """Warn from the threshold on, also of requests that fail, with the route's pattern and never the query string."""
    with caplog.at_level(logging.WARNING, "flask_app.slow_requests"):
        browse(prepare=lambda app: _watched(app, iter((100.0, 100.0 + took)))).get(path)
    lines = [record.getMessage() for record in caplog.records if record.name == "flask_app.slow_requests"]
    assert lines == ([line] if line else [])
    assert all(
        record.levelno == logging.WARNING for record in caplog.records if record.name == "flask_app.slow_requests"
    )
