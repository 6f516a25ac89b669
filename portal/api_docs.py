"""The JSON API, readable: a page made from the OpenAPI document, without a script from elsewhere."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route."""

    method: str
    path: str
    description: str
    parameters: list[dict[str, Any]]
    takes: list[tuple[str, str]]
    gives: list[tuple[str, str]]

    @property
    def readable(self) -> bool:
        """Whether a plain link can try it: nothing changes and no part of the path is open."""
        return self.method == "GET" and "{" not in self.path


def operations(schema: dict[str, Any]) -> list[Operation]:
    """Every operation of an OpenAPI 3 document, in path order."""
    return [
        _operation(schema, path, method, route[method])
        for path, route in sorted(schema["paths"].items())
        for method in METHODS
        if method in route
    ]


def _operation(schema: dict[str, Any], path: str, method: str, described: dict[str, Any]) -> Operation:
    answers = [answer for status, answer in described.get("responses", {}).items() if status.startswith("2")]
    return Operation(
        method=method.upper(),
        path=path,
        description=described.get("description", ""),
        parameters=described.get("parameters", []),
        takes=_fields(schema, described.get("requestBody", {})),
        gives=_fields(schema, answers[0]) if answers else [],
    )


def _fields(schema: dict[str, Any], content: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, what it is) of the JSON object of a body; empty where there is none."""
    described = content.get("content", {}).get("application/json", {}).get("schema", {})
    return [
        (name, _kind(schema, value)) for name, value in _resolved(schema, described).get("properties", {}).items()
    ]


def _resolved(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    reference = described.get("$ref") or next(
        (part["$ref"] for part in described.get("allOf", []) if "$ref" in part), ""
    )
    if not reference:
        return described
    found: dict[str, Any] = schema["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return found


def _kind(schema: dict[str, Any], described: dict[str, Any]) -> str:
    text = described.get("description", "")
    resolved = _resolved(schema, described)
    if resolved.get("type") == "array":
        kind = f"list of {_kind(schema, resolved.get('items', {}))}"
    elif "properties" in resolved:
        kind = "{" + ", ".join(resolved["properties"]) + "}"
    elif "enum" in resolved:
        kind = " | ".join(str(value) for value in resolved["enum"])
    else:
        kind = str(resolved.get("format") or resolved.get("type") or "any")
    return f"{kind}: {text}" if text else kind


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Context: `operations`."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return render(request, "api_docs.html", {"operations": operations(schema)})
