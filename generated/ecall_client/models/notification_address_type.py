from __future__ import annotations

from enum import StrEnum


class NotificationAddressType(StrEnum):
    """Open: a value that is not listed keeps itself, so that a new one of the service breaks nobody."""

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
