from __future__ import annotations

from enum import StrEnum


class NotificationAddressType(StrEnum):
    """An open enum: a value that is not listed here is kept as it is, as the service may add some."""

    EMAIL = "Email"
    SMS = "Sms"
    URL = "Url"
    URL_POST = "UrlPost"

    @classmethod
    def _missing_(cls, value: object) -> NotificationAddressType:
        member = str.__new__(cls, value)
        member._name_ = str(value)
        member._value_ = value  # type: ignore[assignment]  # a number stays a number
        return member

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value!r}>"
