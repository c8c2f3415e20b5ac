"""Read people's lists of recipients, and send each message at most once (extra `bulk`).

messages = read_messages("people.xlsx", text="{name}, see you at {time}")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecall_facade.bulk._message import Message
    from ecall_facade.bulk._problems import InvalidMessages, RowProblem
    from ecall_facade.bulk._read import Messages, read_messages

__all__ = ["InvalidMessages", "Message", "Messages", "RowProblem", "read_messages"]

_HOMES = {
    "InvalidMessages": "_problems",
    "Message": "_message",
    "Messages": "_read",
    "RowProblem": "_problems",
    "read_messages": "_read",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
