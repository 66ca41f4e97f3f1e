"""The description of the JSON interface, as OpenAPI 3.1. A test tries all it allows, and much that it does not."""

from __future__ import annotations

from typing import Any

from pikvani_device import __version__
from pikvani_device.diagnosis.symptoms import SYMPTOMS
from pikvani_device.web.catalogue import LOCALES

_ERROR = {"$ref": "#/components/schemas/Error"}
_WHY = {
    400: "What was sent cannot be answered; `detail` says what to change.",
    401: "No key, or one that opens nothing; the technician makes keys on the service page.",
    403: "Asked by a name this device does not have, or by a stranger's page.",
    405: "This address does not know that method.",
    413: "More than this device takes at once.",
    503: "Busy or unwell; ask again after `Retry-After` seconds.",
}


def describe(crops: tuple[str, ...], most_photos: int) -> dict[str, Any]:
    """The description for a device.

    Args:
        crops: the model knows.
        most_photos: in one case.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pikvani on the village network",
            "version": __version__,
            "description": "Diagnoses from photographs of leaves. Works without internet. Photographs stay here.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/diagnose": {
                "post": {
                    "operationId": "diagnose",
                    "summary": "Diagnose photographs of one plant.",
                    "security": [{}, {"key": []}],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "multipart/form-data": {
                                "schema": {
                                    "type": "object",
                                    "required": ["photos"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "photos": {
                                            "type": "array",
                                            "minItems": 1,
                                            "maxItems": most_photos,
                                            "items": {"type": "string", "format": "binary"},
                                        },
                                        "crop": {"type": "string", "enum": list(crops)},
                                        "locale": {"type": "string", "enum": list(LOCALES)},
                                        "symptoms": {
                                            "type": "array",
                                            "maxItems": len(SYMPTOMS),
                                            "items": {"type": "string", "enum": list(SYMPTOMS)},
                                        },
                                    },
                                }
                            }
                        },
                    },
                    "responses": _answers("Diagnosis", 400, 401, 403, 405, 413, 503),
                }
            },
            "/api/v1/cases": {
                "get": {
                    "operationId": "cases",
                    "summary": "What this device was asked last, newest first.",
                    "security": [{}, {"key": []}],
                    "parameters": [
                        {
                            "name": "limit",
                            "in": "query",
                            "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 20},
                        }
                    ],
                    "responses": _answers("Cases", 400, 401, 403, 405, 503),
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the device can answer, and what it does without.",
                    "responses": _answers("Health", 403, 405, 503),
                }
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Counts for Prometheus.",
                    "responses": {
                        "200": {
                            "description": "Text format.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    }
                    | _errors(403, 405),
                }
            },
        },
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "Not needed by programs on the device itself.",
                }
            },
            "schemas": _SCHEMAS,
        },
    }


def _answers(schema: str, *errors: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"200": {"description": "Done.", "content": content}} | _errors(*errors)


def _errors(*codes: int) -> dict[str, Any]:
    content = {"application/json": {"schema": _ERROR}}
    return {str(code): {"description": _WHY[code], "content": content} for code in codes}


def _record(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


_TEXT = {"type": "string"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_SOIL = _record(
    {
        "moisture_percent": {"type": "number", "minimum": 0, "maximum": 100},
        "temperature_c": {"type": "number", "minimum": -40, "maximum": 80},
        "ec_us_cm": {"type": "integer", "minimum": 0, "maximum": 20_000},
    }
)
_DECISION = {"type": "string", "enum": ["answer", "more", "refuse"]}
_SCHEMAS: dict[str, Any] = {
    "Error": _record({"error": _TEXT, "detail": _TEXT}),
    "Diagnosis": _record(
        {
            "case_id": {"type": ["string", "null"], "description": "null where the disk did not take the case."},
            "kept": {"type": "boolean"},
            "decision": _DECISION,
            "reason": _TEXT,
            "crop": _TEXT,
            "condition": {"type": "string", "description": "Best `crop/condition`, also when refused."},
            "confidence": _SHARE,
            "probabilities": {"type": "object", "additionalProperties": _SHARE},
            "latency_ms": {"type": "number", "minimum": 0},
            "model_version": _TEXT,
            "runtime": _TEXT,
            "advice": {
                "type": "array",
                "description": "Sentences with their sources; empty unless the decision is `answer`.",
                "items": _record(
                    {
                        "id": _TEXT,
                        "stage": _TEXT,
                        "text": _TEXT,
                        "source": _TEXT,
                        "page": _TEXT,
                        "date": _TEXT,
                        "reviewed": {"type": "boolean"},
                    }
                ),
            },
            "referral": _TEXT,
        }
    ),
    "Cases": _record(
        {
            "cases": {
                "type": "array",
                "items": _record(
                    {
                        "case_id": _TEXT,
                        "at_ms": {"type": "integer", "description": "UTC, as the device believed."},
                        "decision": _DECISION,
                        "reason": _TEXT,
                        "condition": _TEXT,
                        "confidence": _SHARE,
                        "photos": {"type": "integer", "minimum": 0},
                        "model_version": _TEXT,
                        "synced": {"type": "boolean"},
                        "soil": {
                            "description": "What a probe said then; null where there is none.",
                            "oneOf": [_SOIL, {"type": "null"}],
                        },
                    }
                ),
            }
        }
    ),
    "Health": {
        "type": "object",
        "required": ["ok", "device", "app", "model", "runtime", "without", "instruments"],
        "properties": {
            "ok": {"type": "boolean", "const": True},
            "device": _TEXT,
            "app": _TEXT,
            "model": _TEXT,
            "runtime": _TEXT,
            "without": {"type": "object", "additionalProperties": _TEXT},
            "instruments": {
                "type": "object",
                "description": "What the configured things on serial cables said last.",
                "additionalProperties": {"type": ["object", "null"]},
            },
        },
    },
}
