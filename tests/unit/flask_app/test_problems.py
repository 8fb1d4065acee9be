"""Every error is a problem document that tells enough, and not too much."""

import pytest
from flask import Flask, abort
from werkzeug.exceptions import TooManyRequests

from flask_app.problems import MEDIA_TYPE
from tests.unit.flask_app.conftest import Browse


def _routes(app: Flask) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError("the password is hunter2")

    @app.get("/busy")
    def busy() -> str:
        raise TooManyRequests("Five a second are enough.", retry_after=7)

    @app.get("/folder/")
    def folder() -> str:
        return "here"

    @app.get("/refused/<int:status>")
    def refused(status: int) -> str:
        abort(status)


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nowhere", 404, "Not Found"),
        ("/refused/400", 400, "Bad Request"),
        ("/refused/401", 401, "Unauthorized"),
        ("/refused/418", 418, "I'm a Teapot"),
        ("/fails", 500, "Internal Server Error"),
    ],
)
def test_error_is_a_problem_document(browse: Browse, path: str, status: int, title: str) -> None:
    """Answer with RFC 9457's media type and members, whatever went wrong."""
    answer = browse(prepare=_routes).get(path)
    assert answer.status_code == status
    assert answer.content_type == MEDIA_TYPE
    document = answer.get_json()
    assert {"type": "about:blank", "title": title, "status": status}.items() <= document.items()
    assert document["detail"]


def test_unexpected_error_tells_nothing_of_itself(browse: Browse) -> None:
    """Keep an exception's text inside: it can hold anything."""
    assert b"hunter2" not in browse(prepare=_routes).get("/fails").data


def test_wrong_method_names_the_right_ones(browse: Browse) -> None:
    """Keep the headers that HTTP asks for with a status: Allow with 405."""
    answer = browse(prepare=_routes).delete("/busy")
    assert answer.status_code == 405
    assert answer.content_type == MEDIA_TYPE
    assert {"GET", "HEAD", "OPTIONS"} == set(answer.allow)


def test_problem_keeps_what_the_view_said(browse: Browse) -> None:
    """Tell the detail and the Retry-After that the view has given."""
    answer = browse(prepare=_routes).get("/busy")
    assert answer.get_json()["detail"] == "Five a second are enough."
    assert answer.headers["Retry-After"] == "7"


def test_redirect_is_no_problem(browse: Browse) -> None:
    """Let the redirects through that Flask raises as exceptions."""
    answer = browse(prepare=_routes).get("/folder")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/folder/")
