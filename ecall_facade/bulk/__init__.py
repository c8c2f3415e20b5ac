"""Send thousands of messages, each at most once, whatever happens in between (extra `bulk`).

    messages = read_messages("people.xlsx", text="{name}, see you at {time}")
    ledger = Ledger("sqlite:///reminders.db")
    job = ledger.job("reminders 2026-11-27", messages)
    job.send(ecall)

With an `AsyncECall`, it is `await job.send_async(ecall)`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecall_facade.bulk._check import CheckedMessage, check_messages
    from ecall_facade.bulk._errors import LedgerError
    from ecall_facade.bulk._job import Job
    from ecall_facade.bulk._ledger import Forgotten, Ledger
    from ecall_facade.bulk._message import Message
    from ecall_facade.bulk._problems import InvalidMessages, RowProblem
    from ecall_facade.bulk._read import Messages, read_messages
    from ecall_facade.bulk._reports import (
        JobPause,
        JobStop,
        PauseCause,
        SendProgress,
        SendReport,
        StopCause,
    )
    from ecall_facade.bulk._rows import Row
    from ecall_facade.bulk._schema import State
    from ecall_facade.bulk._seen import LedgerSeen

__all__ = [
    "CheckedMessage",
    "Forgotten",
    "InvalidMessages",
    "Job",
    "JobPause",
    "JobStop",
    "Ledger",
    "LedgerError",
    "LedgerSeen",
    "Message",
    "Messages",
    "PauseCause",
    "Row",
    "RowProblem",
    "SendProgress",
    "SendReport",
    "State",
    "StopCause",
    "check_messages",
    "read_messages",
]

_HOMES = {
    "CheckedMessage": "_check",
    "Forgotten": "_ledger",
    "InvalidMessages": "_problems",
    "Job": "_job",
    "JobPause": "_reports",
    "JobStop": "_reports",
    "Ledger": "_ledger",
    "LedgerError": "_errors",
    "LedgerSeen": "_seen",
    "Message": "_message",
    "Messages": "_read",
    "PauseCause": "_reports",
    "Row": "_rows",
    "RowProblem": "_problems",
    "SendProgress": "_reports",
    "SendReport": "_reports",
    "State": "_schema",
    "StopCause": "_reports",
    "check_messages": "_check",
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
