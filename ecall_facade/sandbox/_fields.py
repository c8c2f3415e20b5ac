"""Reading the fields of a request, and collecting everything that is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON


class Errors(dict[str, list[str]]):
    """Messages by parameter, as the response names them."""

    def add(self, parameter: str, message: str) -> None:
        """Add a message about a parameter."""
        self.setdefault(parameter, []).append(message)


class JsonObject:
    """A JSON object in a request; what is wrong with its fields is added to the errors.

    A parameter is named as the service names it (observed: `To`, `From`): the names on the way to it, each with an
    upper-case first letter.

    Args:
        fields: The object.
        errors: The errors of the request.
        path: The parameter that the object is, with a dot, or an empty string.
    """

    def __init__(self, fields: Mapping[str, JSON], errors: Errors, path: str = "") -> None:
        self.fields = fields
        self.errors = errors
        self._path = path

    def parameter(self, name: str) -> str:
        """Return the name of a field as the service writes it."""
        return f"{self._path}{name[:1].upper()}{name[1:]}"

    def get(self, name: str, default: JSON = None) -> JSON:
        """Return the value of a field."""
        return self.fields.get(name, default)

    def add(self, name: str, message: str) -> None:
        """Add an error about a field."""
        self.errors.add(self.parameter(name), message)

    def text(self, name: str) -> str | None:
        """Return a required string, or None and add an error if it is missing, empty or no string."""
        value = self.get(name)
        if value is None:
            self.add(name, "It is required.")
        elif not isinstance(value, str):
            self.add(name, "It must be a string.")
        elif not value:
            self.add(name, "It must not be empty.")
        else:
            return value
        return None

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """Return a required string that is one of the choices, or None and add an error."""
        value = self.text(name)
        if value is None or value in choices:
            return value
        self.add(name, f"It must be one of {', '.join(choices)}, in this letter case.")
        return None

    def child(self, name: str, value: JSON) -> JsonObject | None:
        """Return an object in this one, or None and add an error if it is something else."""
        if isinstance(value, dict):
            return JsonObject(value, self.errors, f"{self.parameter(name)}.")
        self.add(name, "It must be an object.")
        return None
