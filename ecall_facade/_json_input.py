"""Check JSON that callers pass."""

from __future__ import annotations

import json
from typing import cast

from ecall_facade._json import JSON
from ecall_facade.errors import UsageError


def check_json(value: object, name: str) -> None:
    """Raise if a value cannot be written as JSON.

    Args:
        value: The value of the argument.
        name: The name of the argument; `extra` must be a dict.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        read = cast("JSON", json.loads(written))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{name} cannot be written as JSON ({type(error).__name__})") from None
    if name == "extra" and (not isinstance(read, dict) or read != value):
        raise UsageError(
            "extra must be a dict of field names to JSON values:"
            " dict, list, str, numbers, bool, None"
        )
