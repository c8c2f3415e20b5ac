"""Strategies for hypothesis: JSON as a service might send it, from close to the expected to far from it."""

from __future__ import annotations

from hypothesis import strategies as st

from ecall_client.tables import JSON_NAMES

# Names that we read, in the spellings that a service might use, among any others.
_known_names = st.sampled_from(sorted(JSON_NAMES.values())).flatmap(
    lambda name: st.sampled_from([name, name.lower(), name.upper(), name[0].upper() + name[1:]])
)
names = st.one_of(_known_names, st.text(max_size=12))

_telling_values: st.SearchStrategy[object] = st.sampled_from(
    [
        "Delivered", "delivered", "Zugestellt", "10", 10, 8, 2, 7, -1, 10.0, "InvalidContent", "m-1", "", " ",
        "2026-01-15T09:30:00Z", "2026-01-15T09:30:00", "15.01.2026 09:30:00", "0001-01-01T00:00:00", 1768469400,
        "\ud800", float("nan"), float("inf"), True,
    ]
)  # fmt: skip
_leaves: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), _telling_values
)
json_values: st.SearchStrategy[object] = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=25,
)
json_objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(names, json_values, max_size=6)

# What does not come near the shape of JSON at all.
garbage = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", b"[]", b"null", b"<html>", b'"m-1"', b"{", b"\xff{}"]),
)
