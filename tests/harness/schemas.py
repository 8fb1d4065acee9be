"""Sentry's published descriptions of the items that none of its tools can judge.

Sources: develop.sentry.dev/sdk/telemetry/metrics, .../telemetry/spans/span-protocol, .../sdk/telemetry/client-reports.
"""

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # a test-only dependency without types

_HEX32 = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_HEX16 = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_SECONDS = {"type": "number", "minimum": 1_000_000_000, "maximum": 10_000_000_000}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_VALUES = {"string": "string", "boolean": "boolean", "integer": "integer", "double": "number", "array": "array"}
_ATTRIBUTES = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 200},
    "additionalProperties": {
        "oneOf": [
            {
                "required": ["value", "type"],
                "properties": {"type": {"const": name}, "value": {"type": kind}},
                "additionalProperties": False,
            }
            for name, kind in _VALUES.items()
        ]
    },
}
METRIC = {
    "required": ["timestamp", "trace_id", "name", "type", "value"],
    "properties": {
        "timestamp": _SECONDS,
        "trace_id": _HEX32,
        "span_id": _HEX16,
        "name": {**_NAME, "pattern": "^[A-Za-z0-9_.-]+$"},
        "type": {"enum": ["counter", "gauge", "distribution"]},
        "value": {"type": "number"},
        "unit": {"type": "string", "minLength": 1},
        "attributes": _ATTRIBUTES,
    },
    "additionalProperties": False,
    # A counter has no unit.
    "if": {"properties": {"type": {"const": "counter"}}},
    "then": {"not": {"required": ["unit"]}},
}
SPAN = {
    "required": ["trace_id", "span_id", "name", "status", "is_segment", "start_timestamp", "end_timestamp"],
    "properties": {
        "trace_id": _HEX32,
        "span_id": _HEX16,
        "parent_span_id": _HEX16,
        "name": {"type": "string", "minLength": 1},
        "status": {"enum": ["ok", "error"]},
        "is_segment": {"type": "boolean"},
        "start_timestamp": _SECONDS,
        "end_timestamp": _SECONDS,
        "attributes": _ATTRIBUTES,
        "links": {"type": "array"},
    },
    "additionalProperties": False,
}
CLIENT_REPORT = {
    "required": ["discarded_events"],
    "properties": {
        "timestamp": {"type": ["number", "string"]},
        "discarded_events": {
            "type": "array",
            "items": {
                "required": ["reason", "category", "quantity"],
                "properties": {
                    "reason": {"type": "string", "minLength": 1},
                    "category": {"type": "string", "minLength": 1},
                    "quantity": {"type": "integer", "minimum": 1},
                },
            },
        },
    },
}
VALIDATORS = {
    kind: Draft202012Validator({"type": "object", **schema})
    for kind, schema in (("metric", METRIC), ("span", SPAN), ("client_report", CLIENT_REPORT))
}
