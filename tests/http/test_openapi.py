"""The description that the server gives of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import meta
from tests.support.wire import Wire

from keyturn.errors import RoleMissing
from keyturn.http.problems import STATUS, MethodNotAllowed


@pytest.fixture
def document(wire: Wire) -> dict[str, Any]:
    found: dict[str, Any] = wire.call("GET", "//openapi.json").json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            yield method, path, operation


def codes(document: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Every status with every code that some call may answer it with."""
    for _, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            if "application/problem+json" in answer.get("content", {}):
                _, narrowed = answer["content"]["application/problem+json"]["schema"]["allOf"]
                yield from ((int(status), code) for code in narrowed["properties"]["code"]["enum"])


def test_the_document_has_the_form_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(document["info"])
    assert set(document) == {"openapi", "info", "servers", "paths", "components"}
    for method, path, operation in operations(document):
        assert method in {"get", "post", "patch", "delete"}
        assert path.startswith("/")
        parameters = operation.get("parameters", ())
        named = {one["name"] for one in parameters if one["in"] == "path" and one["required"]}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert operation["responses"]
        for status, answer in operation["responses"].items():
            assert re.fullmatch("[2-5][0-9][0-9]", status)
            assert answer["description"]


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in ids)


def test_every_schema_is_one_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for member in value.values():
                yield from references(member)
        elif isinstance(value, list):
            for member in value:
                yield from references(member)

    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        meta.validate(schema)
    assert set(references(document)) == {f"#/components/schemas/{name}" for name in schemas}


def test_every_credential_that_a_call_names_is_described(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    named = {name for _, _, operation in operations(document) for one in operation.get("security", ()) for name in one}
    assert named == set(schemes)
    assert schemes["refreshCookie"] == {"type": "apiKey", "in": "cookie", "name": "keyturn_refresh"}


def test_every_error_that_can_reach_a_client_is_listed_with_its_status(document: dict[str, Any]) -> None:
    # A method that no call takes belongs to no call; roles are asked for by applications alone.
    of_no_call = {MethodNotAllowed, RoleMissing}
    wanted = {(status, error.code) for error, status in STATUS.items() if error not in of_no_call}
    assert set(codes(document)) == wanted


def test_every_call_of_the_contract_is_there(document: dict[str, Any]) -> None:
    base = "/api/v1/auth"
    assert {(method.upper(), path.removeprefix(base)) for method, path, _ in operations(document)} == {
        ("POST", "/register"),
        ("POST", "/login"),
        ("POST", "/email/verification"),
        ("POST", "/email/verification/{token}"),
        ("POST", "/password/forgot"),
        ("POST", "/password/reset"),
        ("POST", "/refresh-token"),
        ("POST", "/logout"),
        ("POST", "/logout-all"),
        ("GET", "/me"),
        ("PATCH", "/me"),
        ("DELETE", "/me"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions/{id}"),
        ("POST", "/password"),
        ("POST", "/email"),
        ("GET", "/verify"),
        ("GET", "/providers"),
        ("GET", "/providers/{name}/start"),
        ("GET", "/providers/{name}/callback"),
        ("POST", "/providers/{name}/connect"),
        ("GET", "/identities"),
        ("DELETE", "/identities/{id}"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    }
