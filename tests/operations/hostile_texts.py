"""Invalid answers of the service, grouped by how they are handled. They are JSON texts, because a JSON library would
not write some of them."""

import json

DEEP = "[" * 300 + "]" * 300
UNSTORABLE = "unstorable"  # parsed, but cannot be stored
WRONG_SHAPE = "wrong shape"  # rejected when it is parsed
READABLE = "readable"  # parsed; a value differs from the requested one, or is longer than its column
ANOTHER_ID = "another id"  # rejected because it is not the requested object
ANYWHERE: dict[str, dict[str, str]] = {
    UNSTORABLE: {
        "NUL": '{"label": "a\\u0000b", "name": "a\\u0000b"}',
        "NUL in a key": '{"x": {"a\\u0000b": 1}}',
        "lone surrogate": '{"label": "a\\ud800b", "name": "a\\ud800b"}',
        "NaN": '{"x": NaN}',
        "infinite": '{"x": [-Infinity]}',
        "71 bits": '{"x": 2361183241434822606848}',
        "4000 digits": '{"x": ' + "9" * 4000 + "}",
        "deep": '{"x": ' + DEEP + "}",
        "long name": json.dumps({"label": "x" * 301, "name": "x" * 301}),
    },
    WRONG_SHAPE: {
        "no name": '{"label": null, "name": null}',
        "wrong type": '{"label": {"a": 1}, "name": ["a"]}',
    },
    READABLE: {},
    ANOTHER_ID: {},
}
OF_NUMBERS: dict[str, dict[str, str]] = {
    UNSTORABLE: {
        "agent with NUL": '{"assigned_agent": {"agent_id": "a\\u0000b", "agent_name": "a\\u0000b"}}',
        "agent's name with NUL": '{"assigned_agent": {"agent_id": "agent_x", "agent_name": "a\\u0000b"}}',
        "agent's name half": '{"assigned_agent": {"agent_id": "agent_x", "agent_name": "a\\udfffb"}}',
        "number too long": json.dumps({"phone_number": "+1" * 5000}),
    },
    WRONG_SHAPE: {
        "agent as text": '{"assigned_agent": "agent_x"}',
        "agent as list": '{"assigned_agent": []}',
        "agent id a number": '{"assigned_agent": {"agent_id": 5}}',
        "no number": '{"phone_number": null}',
        "id no id": '{"phone_number_id": "../agents"}',
        "inbound unclear": '{"supports_inbound": "yes"}',
    },
    READABLE: {
        "agent id too long": json.dumps({"assigned_agent": {"agent_id": "x" * 100, "agent_name": "x"}}),
        "provider too long": json.dumps({"provider": "x" * 5000}),
    },
    ANOTHER_ID: {"another id": '{"phone_number_id": "phnum_other"}'},
}
OF_AGENTS: dict[str, dict[str, str]] = {
    UNSTORABLE: {"prompt with NUL": '{"conversation_config": {"agent": {"prompt": {"prompt": "a\\u0000b"}}}}'},
    WRONG_SHAPE: {
        "settings null": '{"conversation_config": null, "platform_settings": null}',
        "changed in the year 10^15": '{"metadata": {"created_at_unix_secs": 1e300, "updated_at_unix_secs": 9e99}}',
        "id no id": '{"agent_id": "a?x#y"}',
        "tags no texts": '{"tags": [1, null]}',
    },
    READABLE: {
        "settings other types": '{"conversation_config": {"agent": "x"}, "platform_settings": {"archived": "x"}}',
        "no settings": '{"conversation_config": {}, "platform_settings": {}}',
        "voice too long": json.dumps({"conversation_config": {"tts": {"voice_id": "x" * 5000}}}),
    },
    ANOTHER_ID: {"another id": '{"agent_id": "agent_other"}'},
}
# Objects that are found by their name or number cannot be found while the remote shows a different one.
HIDDEN = {"agent": "wrong type", "number": "no number"}
# The first text of each class with which an object can still be found.
FIRST = {
    "agent": {UNSTORABLE: "prompt with NUL", WRONG_SHAPE: "settings null", READABLE: "settings other types"},
    "number": {UNSTORABLE: "NUL", WRONG_SHAPE: "agent as text", READABLE: "agent id too long"},
}

# Whole response bodies.
BODIES: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "empty object": b"{}",
    "text": b'"ok"',
    "number": b"NaN",
    "5000 digits": b"9" * 5000,
    "deep": DEEP.encode(),
    "no JSON": b"\x00\xff\xfe",
    "an error with 200": b'{"detail": {"status": "error", "message": "no\\u0000"}}',
    "invalid ids": b'{"agent_id": "../x", "phone_number_id": ["x"]}',
    "ids as numbers": b'{"agent_id": 5, "phone_number_id": null}',
}


def texts_of(what: str) -> dict[str, tuple[str, str]]:
    """{name: (class, text)} of everything that is tested on an agent or on a number."""
    own = OF_AGENTS if what == "agent" else OF_NUMBERS
    return {name: (of, text) for of in own for name, text in {**ANYWHERE[of], **own[of]}.items()}
