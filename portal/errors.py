"""Errors that know what to tell: one class, one translation into the API's JSON, no try in a view.

The shape is the contract's: {"error": {"code", "message", "field"}}.
"""

from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

IMPOSSIBLE = (DataError, OverflowError, RecursionError, UnicodeEncodeError)
"""What values raise that no column, number or text of ours can hold: a NUL, 400 digits, half a character, a body
nested a hundred thousand deep. They come from outside only, and are the sender's fault."""

IMPOSSIBLE_TOLD = (
    "The request holds a value that cannot be: a NUL character, a number beyond all sizes, or the like."
)


class Problem(Exception):
    """A request that cannot be fulfilled. `field` names the parameter at fault, where there is one."""

    status = 400
    code = "bad_request"
    retry_after = 0
    """Seconds after which it is worth asking again; 0 where waiting does not help."""

    def __init__(self, message: str, *, field: str = "", code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code or self.code
        self.status = status or self.status

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says beside the message."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


def body(code: str, message: str, field: str = "") -> dict[str, dict[str, str]]:
    """The JSON body of every error."""
    error = {"code": code, "message": _sendable(message)}
    if field:
        error["field"] = _sendable(field)
    return {"error": error}


def _sendable(text: str) -> str:
    """A message may quote what was sent, and JSON can carry half a character that UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def api_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: our problems, Django's and DRF's own, all in one shape."""
    del context
    if isinstance(error, Problem):
        return Response(body(error.code, error.message, error.field), error.status, headers=error.headers)
    if isinstance(error, IMPOSSIBLE):
        return Response(body("bad_request", IMPOSSIBLE_TOLD), 400)
    if isinstance(error, SuspiciousOperation):
        return Response(body("bad_request", str(error) or "This request is not one of ours."), 400)
    if isinstance(error, Http404):
        return Response(body("not_found", str(error) or "There is nothing here."), 404)
    if isinstance(error, PermissionDenied):
        return Response(body("forbidden", str(error) or "You may not do this."), 403)
    if isinstance(error, exceptions.ValidationError) and isinstance(error.detail, dict):
        field, detail = next(iter(error.detail.items()))
        return Response(body("invalid", f"{field}: {_text(detail)}", str(field)), error.status_code)
    if isinstance(error, exceptions.APIException):
        return Response(body(str(error.default_code), _text(error.detail)), error.status_code)
    return None


def _text(detail: Any) -> str:
    if isinstance(detail, dict):
        return " ".join(f"{field}: {_text(value)}" for field, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_text(value) for value in detail)
    return str(detail)
