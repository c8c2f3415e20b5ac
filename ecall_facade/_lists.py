"""The entries of a list's response, whatever the array is called."""

from __future__ import annotations

import json
from typing import cast

from ecall_client.operations import OperationResponse
from ecall_client.tables import MessageListEntrySpec
from ecall_facade._json import JSON, as_dict, as_list, normalize_names


def listed_items(
    response: OperationResponse, name: str
) -> list[tuple[dict[str, JSON], dict[str, JSON]]]:
    """Return the entries of a list's response: each as it came, and with normalized names.

    Args:
        response: Of a list, or of its status.
        name: Of the array, which is inferred; if it is not there, the only array is taken.
    """
    data = as_dict(json.loads(response.content))
    arrays: dict[str, list[object]] = {}
    for key, value in data.items():
        items = as_list(value)
        # Where there are several spellings, the spec's own wins.
        if items and (key == name or key.lower() not in arrays):
            arrays[key.lower()] = items
    found = arrays.get(name.lower())
    if found is None:
        found = next(iter(arrays.values())) if len(arrays) == 1 else []
    # A bare value is an id.
    dicts = [
        cast("dict[str, JSON]", as_dict(item) or {MessageListEntrySpec.message_id: item})
        for item in found
    ]
    return [(item, cast("dict[str, JSON]", normalize_names(item))) for item in dicts]
