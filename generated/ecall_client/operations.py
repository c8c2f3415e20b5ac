"""The requests and responses of operations as data, without any I/O."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from .types import RequestFiles

RequestContent = bytes | Iterable[bytes] | AsyncIterable[bytes]


@frozen(repr=False)
class OperationRequest:
    """The request of one operation: each argument that the generated code hands to httpx.

    `path` is below the base URL, with its parameters filled in and quoted. A multipart body has no
    `Content-Type` here, so that httpx chooses a boundary that is not in the file.
    """

    operation: str
    method: str
    path: str
    headers: Mapping[str, str] = field(factory=dict)
    params: Mapping[str, str | int | float | bool] | None = None
    cookies: Mapping[str, str] | None = None
    json: object = None
    content: RequestContent | None = None
    data: Mapping[str, object] | None = None
    files: RequestFiles | None = None

    @classmethod
    def from_keywords(cls, operation: str, keywords: dict[str, Any]) -> OperationRequest:
        """Return a request made of the arguments for `httpx.Client.request`.

        Args:
            operation: The name of the operation, such as `send_message`.
            keywords: The arguments; one that this class does not know is a TypeError.
        """
        known = dict(keywords)
        headers: dict[str, str] = known.pop("headers", {})
        if known.get("files") is not None:
            headers = {name: value for name, value in headers.items() if name != "Content-Type"}
        method: str = known.pop("method")
        path: str = known.pop("url")
        return cls(operation, method.upper(), path, headers, **known)


@frozen(repr=False)
class OperationResponse:
    """A response that was read, in the form that the generated parsing takes.

    `data` is its JSON, with the names in the spelling of the spec; None where it is not JSON.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    data: object = None

    def json(self) -> Any:
        """Return the JSON of the response, with normalized names."""
        return self.data

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "replace")
