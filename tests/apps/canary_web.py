"""The web application with routes that let a secret slip in every part of a request."""

import logging
from typing import NoReturn

import sentry_sdk
from flask import Flask, Response, jsonify, request

import monitoring
from flask_app import create_app
from tests.apps.canary import LIVE, bare, secret

logger = logging.getLogger("bots.web")


def create_leaking_app() -> Flask:
    """Return the application with `/leak/<path>` and `/login`."""
    app = create_app()

    @app.route("/leak/<path:rest>", methods=["GET", "POST"])
    def leak(rest: str) -> NoReturn:
        body = request.get_json(silent=True) or request.form.to_dict()
        logger.error("refused %s: passphrase=%s", rest, bare(90))
        sentry_sdk.get_isolation_scope().set_user({"id": "7", "email": f"{bare(91)}@example.com"})
        monitoring.set_user_context("7", email=f"{bare(92)}@example.com")
        raise RuntimeError(f"{request.full_path} headers={dict(request.headers)} {body} {secret(93)}")

    @app.get("/login")
    def login() -> Response:
        logger.error("logged in with session_token=%s", request.cookies.get("session"))
        answer = jsonify({})
        answer.set_cookie("session", LIVE)
        return answer

    return app
