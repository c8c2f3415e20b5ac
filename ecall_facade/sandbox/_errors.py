"""Errors that the API responds with.

`InvalidContent` is the only error code that has been observed. The others are result codes of eCall's sibling
interfaces; where none fits, the sandbox has its own, which begin with Sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecall_client.tables import ErrorDetailsSpec, ErrorSpec, ParameterErrorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON

INVALID_CONTENT = "InvalidContent"
UNEXPECTED = "SandboxFailure"
CODES = {
    400: INVALID_CONTENT,
    401: "AccNoUser",
    403: "AccNoUnits",
    404: "IDDoesNotExist",
    405: "SandboxMethodNotAllowed",
    413: "SandboxTooLarge",
    415: "SandboxUnsupportedMediaType",
    429: "SandboxTooManyRequests",
}
"""The error code for each status."""


class RefusedError(Exception):
    """The request is refused, and the response is an error.

    Args:
        status: The status code of the response.
        message: The `errorMessage`.
        code: The `errorCode`; by default the one for the status.
        errors: Messages by parameter, for `errorDetails`.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.json = error_json(code or CODES[status], message)
        if errors:
            details: list[JSON] = [
                {ParameterErrorSpec.parameter: name, ParameterErrorSpec.messages: [*texts]}
                for name, texts in errors.items()
            ]
            self.json[ErrorSpec.error_details] = {ErrorDetailsSpec.errors: details}


def invalid(errors: Mapping[str, list[str]]) -> RefusedError:
    """Return the refusal that clients have seen (observed: status, code and shape)."""
    return RefusedError(400, "The request is not valid.", errors=errors)


def error_json(code: str, message: str) -> dict[str, JSON]:
    """Return an error in the documented shape."""
    return {ErrorSpec.error_code: code, ErrorSpec.error_message: message}
