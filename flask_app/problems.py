"""Every error as a problem document: `application/problem+json` by RFC 9457."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as BaseResponse

MEDIA_TYPE: Final = "application/problem+json"

#: What a problem's `type` starts with; without a type of its own the status says it all (`about:blank`).
_TYPES: Final = "urn:problem-type:trading:"


class ProblemError(Exception):
    """End a request with a problem document.

    `kind` names the type (`invalid-request`); further keyword arguments become members of the document.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.document: dict[str, object] = {
            "type": _TYPES + kind if kind else "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            **members,
        }

    def response(self) -> Response:
        """Return the document as a response."""
        return Response(json.dumps(self.document), self.status, self.headers, content_type=MEDIA_TYPE)


def connect(app: Flask) -> None:
    """Answer every error of the application's with a problem document.

    An exception that nobody expected passes Flask's own handling first, which is where Sentry hears of it.
    """
    app.register_error_handler(ProblemError, on_problem)
    app.register_error_handler(HTTPException, on_http_exception)


def on_problem(error: ProblemError) -> Response:
    """Answer with the document."""
    return error.response()


def on_http_exception(error: HTTPException) -> BaseResponse:
    """Tell an HTTP error of Flask's as a problem; redirects pass."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if error.response is not None or status < HTTPStatus.BAD_REQUEST:
        return error.get_response()
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    members: dict[str, Any] = {}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and (event_id := sentry_sdk.last_event_id()):
        members["event_id"] = event_id
    said = error.description
    # werkzeug's own words are for people who typed a URL into a browser.
    detail = said if said and said != type(error).description else status.description or status.phrase
    return ProblemError(status, detail, headers=headers, **members).response()
