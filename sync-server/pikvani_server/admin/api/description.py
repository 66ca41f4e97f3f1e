"""Writes the OpenAPI description out of the operations."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from pikvani_server.admin.api.answers import Problem
from pikvani_server.admin.api.operations import OPERATIONS, Operation, Parameter

_REFUSALS = {
    400: "A parameter is not what it should be.",
    401: "No token, or one that ended.",
    403: "The token's role may not do this.",
    404: "There is no such thing.",
    405: "Not with this method.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    503: "The database does not answer now; ask again.",
}


@cache
def description() -> dict[str, Any]:
    """OpenAPI 3.1 of the whole API."""
    structs = [Problem, *(o.answer for o in OPERATIONS), *(o.body for o in OPERATIONS if o.body)]
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pikvani, the centre",
            "version": version("pikvani"),
            "description": "What devices saw, how they are, and how the model does. Ask with a token of an admin's.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.told,
        "description": f"For tokens whose role may `{operation.ability}`.",
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": {
            "200": {"description": "The answer.", "content": _json(operation.answer.__name__)},
            **{
                str(code): {"description": _REFUSALS[code], "content": _json(Problem.__name__)}
                for code in sorted({400, 401, 403, 405, 503, *operation.refusals})
            },
        },
    }
    if operation.body:
        told["requestBody"] = {"required": True, "content": _json(operation.body.__name__)}
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = msgspec.json.schema(parameter.kind)
    if parameter.default is not None:
        schema = {**schema, "default": parameter.default}
    return {
        "name": parameter.name,
        "in": parameter.within,
        "required": parameter.within == "path",
        "description": parameter.told,
        "schema": schema,
    }


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
