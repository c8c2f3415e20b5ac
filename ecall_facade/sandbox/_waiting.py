"""Wait for a message that a test expects, and tell what came instead."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple, get_args

from ecall_facade.errors import InvalidNumber
from ecall_facade.numbers import RawAddress, mask, normalize
from ecall_facade.sandbox._exchanges import Exchange, with_plus
from ecall_facade.sandbox._rules import CHANNELS
from ecall_facade.sandbox._store import Message, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecall_facade.sandbox._store import Store

    # Why a message is not the one; None where it is.
    Criterion = Callable[[Message], str | None]

POLL = 0.005  # seconds
LISTED = 20
TEXT_LENGTH = 60


class Wanted(NamedTuple):
    """What is waited for: in words, and as criteria of which all have to hold."""

    words: str
    criteria: list[Criterion]

    @classmethod
    def of(
        cls, to: str | RawAddress | None, text: str | re.Pattern[str] | None, channel: str | None, state: str | None
    ) -> Wanted:
        """Check what is asked for; `ValueError` where it cannot come true."""
        words: list[str] = []
        criteria: list[Criterion] = []
        if to is not None:
            recipient = _recipient(to)
            words.append(f"to {mask(recipient)}")
            criteria.append(lambda message: None if with_plus(message.recipient) == recipient else "another recipient")
        if text is not None:
            pattern = text if isinstance(text, re.Pattern) else re.compile(re.escape(text))
            words.append(f"with {_short(pattern.pattern if isinstance(text, re.Pattern) else text)}")
            criteria.append(lambda message: None if pattern.search(message.text or "") else "another text")
        if channel is not None:
            name = _choose("channel", channel, CHANNELS)
            words.append(f"by {name}")
            criteria.append(lambda message: None if message.channel == name else f"by {message.channel}")
        if state is not None:
            wanted = _choose("state", str(state), get_args(State))
            words.append(f"in state {wanted}")
            criteria.append(
                lambda message: (
                    None if wanted in [str(change.state) for change in message.history] else f"it is {message.state}"
                )
            )
        if not criteria:
            raise ValueError("Say what to wait for: to, text, channel or state")
        return cls(f"message {', '.join(words)}", criteria)

    def objections(self, message: Message) -> list[str]:
        """Tell all that speaks against a message."""
        return [reason for criterion in self.criteria if (reason := criterion(message))]


def wait_for(store: Store, wanted: Wanted, timeout: float, where: str) -> Message:
    __tracebackhide__ = True  # pytest then shows the line of the test
    """Give the first message that is wanted; raise `AssertionError` with what did arrive after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    version, _ = store.changes_since(0)
    candidates = store.snapshot()
    while True:
        for message in candidates:
            if not wanted.objections(message):
                return message
        if time.monotonic() >= deadline:
            raise AssertionError(f"No {wanted.words} came to {where} in {timeout:g} s.\n{arrived(store, wanted)}")
        time.sleep(POLL)
        version, keys = store.changes_since(version)
        if keys is None:  # there is more than the journal holds
            candidates = store.snapshot()
        else:
            candidates = [found for key in keys if isinstance(found := store.get(key), Message)]


def arrived(store: Store, wanted: Wanted | None = None) -> str:
    """List what is there, newest last; numbers are masked, and texts cut."""
    _, entries = store.newest_of_all(LISTED)
    messages = [entry for entry in entries if isinstance(entry, Message)]
    refused = [each for entry in entries if isinstance(entry, Exchange) for each in entry.refused][-LISTED:]
    total = len(store)
    if not total:
        lines = ["Nothing arrived."]
    elif total > len(messages):
        lines = [f"{total} messages arrived; the last {len(messages)} of them:"]
    else:
        lines = ["One message arrived:" if total == 1 else f"{total} messages arrived:"]
    for message in messages:
        what = _short(message.text) if message.text is not None else f"{message.content.get('type')}"
        against = f" ({', '.join(wanted.objections(message))})" if wanted else ""
        lines.append(f"  {message.channel} to {mask(message.recipient)}, {message.state}: {what}{against}")
    if refused:
        lines.append("One request was refused:" if len(refused) == 1 else f"{len(refused)} requests were refused:")
    for each in refused:
        status = "" if each["status"] is None else f"{each['status']}: "
        lines.append(f"  to {mask(str(each['number']))}: {status}{mask_in(str(each['reason']))}")
    return "\n".join(lines)


def mask_in(reason: str) -> str:
    """Mask the numbers in a reason."""
    return re.sub(r"(?:\+|\b00)[0-9]{5,20}", lambda found: mask(found[0]), reason)


def _recipient(to: str | RawAddress) -> str:
    if isinstance(to, RawAddress):
        return to.value
    if re.fullmatch(r"[0-9]{3,6}", to):  # a short code
        return to
    try:
        return normalize(to)
    except InvalidNumber as error:
        raise ValueError(f"Nothing can arrive there: {error}") from None


def _choose(what: str, given: str, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if choice.lower() == given.lower():
            return choice
    raise ValueError(f"There is no {what} {given!r}; there are {', '.join(choices)}")


def _short(text: str) -> str:
    return repr(text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}…")
