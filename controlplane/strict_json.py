"""A JSON parser that rejects duplicate keys and NaN."""

import json
from typing import Any

MAX_NAME_CHARS = 200


class NotJson(ValueError):
    """The message repeats nothing of the text except a duplicate key."""


def loads(text: str | bytes) -> Any:
    """Raises `NotJson`."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJson(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError:
        raise NotJson("This is not JSON: its bytes are not UTF-8.") from None
    except RecursionError:
        raise NotJson("This is nested too deep.") from None
    except NotJson:
        raise
    except ValueError:  # thousands of digits in a number
        raise NotJson("This holds a number that is too long.") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            # may contain a lone surrogate
            shown_name = name[:MAX_NAME_CHARS].encode(errors="backslashreplace").decode()
            raise NotJson(f"Duplicate key “{shown_name}”.")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise NotJson(f"{name} is not valid JSON.")
