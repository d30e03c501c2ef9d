"""The description of the API, made from the table of calls; complete, so that a client may rely on nothing else happening."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

from pydantic import BaseModel

from keyturn import errors
from keyturn.http.cookies import CookieNames
from keyturn.http.forwarded import HttpsRequired
from keyturn.http.problems import (
    MEDIA_TYPE,
    STATUS,
    HeadersTooLarge,
    MalformedJson,
    MalformedRequest,
    TooLarge,
    UnknownHost,
    UnsupportedMediaType,
)
from keyturn.server.calls import Call
from keyturn.server.routes import errors_of
from keyturn.server.schemas import ProblemAnswer, SignedInAnswer

JSON = dict[str, Any]

_ANYWHERE: Sequence[type[errors.KeyturnError]] = (
    MalformedRequest,
    HeadersTooLarge,
    UnknownHost,
    HttpsRequired,
    errors.KeyturnError,
)
_WITH_BODY: Sequence[type[errors.KeyturnError]] = (MalformedJson, TooLarge, UnsupportedMediaType)
_PRESENT_TOKEN = {"refresh_token": "$response.body#/refresh_token"}
_LINKS: JSON = {
    "refresh": {"operationId": "post_refresh_token", "requestBody": _PRESENT_TOKEN},
    "signOut": {"operationId": "post_logout", "requestBody": _PRESENT_TOKEN},
    "endSession": {"operationId": "delete_sessions_id", "parameters": {"id": "$response.body#/session/id"}},
}
"""What can be done with a sign-in (delivery `body` for the first two)."""

_PROBES = frozenset({"/healthz", "/readyz"})


def describe(calls: Sequence[Call], *, issuer: str, version: str, cookies: CookieNames) -> JSON:
    """The OpenAPI 3.1 document of the calls.

    Args:
        calls: all of them.
        issuer: where they are.
        version: of Keyturn.
        cookies: what the cookies are called here.
    """
    schemas: dict[str, JSON] = {}
    paths: dict[str, JSON] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    _schema(ProblemAnswer, schemas)
    # All there are: some belong to no call, such as that of a method that no call takes.
    schemas["ProblemAnswer"]["properties"]["code"]["enum"] = sorted({error.code for error in STATUS})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keyturn",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "accessCookie": {"type": "apiKey", "in": "cookie", "name": cookies.access},
                "refreshCookie": {"type": "apiKey", "in": "cookie", "name": cookies.refresh},
            },
        },
    }


def _operation(call: Call, schemas: dict[str, JSON]) -> JSON:
    operation: JSON = {
        "operationId": _operation_id(call),
        "summary": call.summary,
        "responses": {str(call.status): _success(call, schemas), **_problems(call)},
    }
    parameters = re.findall(r"{(\w+)}", call.path)
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
        ]
    if call.body is not None:
        schema = _schema(call.body, schemas)
        needed = bool(schemas[call.body.__name__].get("required"))
        operation["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    if call.security:
        operation["security"] = [{name: []} if name else {} for name in call.security]
    return operation


def _operation_id(call: Call) -> str:
    words = re.findall(r"[a-z]+", call.path.rpartition("/auth")[2] or call.path)
    return "_".join([call.method.lower(), *words])


def _success(call: Call, schemas: dict[str, JSON]) -> JSON:
    success: JSON = {"description": "Done" if call.answer is None else call.summary}
    if call.answer is not None:
        success["content"] = {"application/json": {"schema": _schema(call.answer, schemas)}}
    if call.answer is SignedInAnswer:
        success["links"] = _LINKS
    return success


def _problems(call: Call) -> dict[str, JSON]:
    found: list[type[errors.KeyturnError]] = [*errors_of(call), *(_WITH_BODY if call.body else ())]
    found += [error for error in _ANYWHERE if call.path not in _PROBES or error not in {UnknownHost, HttpsRequired}]
    by_status: dict[int, set[str]] = {}
    for error in found:
        by_status.setdefault(STATUS[error], set()).add(error.code)
    return {str(status): _problem(sorted(codes)) for status, codes in sorted(by_status.items())}


def _problem(codes: Iterable[str]) -> JSON:
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/ProblemAnswer"},
            {"type": "object", "properties": {"code": {"enum": list(codes)}}},
        ]
    }
    return {"description": " or ".join(f"`{code}`" for code in codes), "content": {MEDIA_TYPE: {"schema": schema}}}


def _schema(model: type[BaseModel], schemas: dict[str, JSON]) -> JSON:
    if model.__name__ not in schemas:
        schema = deepcopy(_json_schema(model))
        for name, definition in schema.pop("$defs", {}).items():
            schemas.setdefault(name, definition)
        schemas[model.__name__] = schema
    return {"$ref": f"#/components/schemas/{model.__name__}"}


@cache
def _json_schema(model: type[BaseModel]) -> JSON:
    return model.model_json_schema(ref_template="#/components/schemas/{model}", mode="validation")
