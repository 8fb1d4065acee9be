"""The web application with one route more, which fails as no view should."""

from typing import NoReturn

from flask import Flask

from flask_app import create_app


def create_failing_app() -> Flask:
    """Return the application with `GET /fails/<bot_id>`."""
    app = create_app()

    @app.get("/fails/<bot_id>")
    def fails(bot_id: str) -> NoReturn:
        raise RuntimeError(f"{bot_id} has no such thing")

    return app
