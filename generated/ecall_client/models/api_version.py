from __future__ import annotations

from enum import StrEnum


class ApiVersion(StrEnum):
    """An open enum: a value that is not listed here is kept as it is, as the service may add some."""

    V1 = "1"
    V1_0 = "1.0"
    V2 = "2"
    V2_0 = "2.0"

    @classmethod
    def _missing_(cls, value: object) -> ApiVersion:
        member = str.__new__(cls, value)
        member._name_ = str(value)
        member._value_ = value  # type: ignore[assignment]  # a number stays a number
        return member

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value!r}>"
