"""Waits for a message that a test expects, and lists what arrived instead."""

from __future__ import annotations

import math
import re
import threading
from time import monotonic
from typing import TYPE_CHECKING, cast

import attrs

from ecall_client.tables import TextContentSpec
from ecall_facade.numbers import RawAddress, mask, mask_numbers_in, normalize
from ecall_facade.sandbox._messages import Message, State
from ecall_facade.sandbox._recorded import RecordedRequest, with_plus
from ecall_facade.sandbox._rules import CHANNELS, SHORT_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ecall_facade.sandbox._store import Store

PAUSE = 0.005  # seconds between two looks
SHOWN = 20
_CUT = 60  # characters of a text that are shown


@attrs.frozen
class Expectation:
    """The message that a test waits for; None means any."""

    recipient: str | None
    text: str | re.Pattern[str] | None
    channel: str | None
    state: str | None

    @classmethod
    def from_arguments(
        cls,
        to: str | RawAddress | None,
        text: str | re.Pattern[str] | None,
        channel: str | None,
        state: str | None,
    ) -> Expectation:
        """Return the expectation of a test.

        Raises:
            ValueError: No message can match it, or any would.
        """
        if to is None and text is None and channel is None and state is None:
            raise ValueError("Pass at least one of to, text, channel and state")
        pattern: object = text.pattern if isinstance(text, re.Pattern) else text
        if text is not None and (not isinstance(pattern, str) or not text):
            raise ValueError("text must be a str that is not empty, or a compiled pattern for str")
        if isinstance(to, str) and SHORT_CODE.fullmatch(to):
            to = RawAddress(to)
        return cls(
            None if to is None else with_plus(normalize(to)),
            text,
            None if channel is None else _choice("channel", channel, CHANNELS),
            None if state is None else _choice("state", state, [*State]),
        )

    def misses(self, message: Message) -> Iterator[str]:
        """Yield what does not match in a message."""
        if self.recipient is not None and with_plus(message.recipient) != self.recipient:
            yield "another recipient"
        if self.channel is not None and message.channel != self.channel:
            yield "another channel"
        if self.text is not None and not self._is_in(_text_of(message)):
            yield "another text"
        if self.state is not None and all(change.state != self.state for change in message.history):
            yield f"state is {message.state}"

    def _is_in(self, text: str | None) -> bool:
        if text is None or self.text is None:
            return False
        return (
            self.text in text if isinstance(self.text, str) else self.text.search(text) is not None
        )

    def __str__(self) -> str:
        words = ["message"]
        if self.channel is not None:
            words.append(f"by {self.channel}")
        if self.recipient is not None:
            words.append(f"to {mask(self.recipient)}")
        if isinstance(self.text, str):
            words.append(f"with {_quote(self.text)} in its text")
        elif self.text is not None:
            words.append(f"with a text like {_quote(self.text.pattern)}")
        return " ".join([*words, "arrived" if self.state is None else f"came to {self.state}"])


def wait_for(store: Store, expected: Expectation, timeout: float, name: str) -> Message:
    """Return the first message that matches.

    Raises:
        AssertionError: There is none in time.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    if not 0 <= timeout < 1e6:
        raise ValueError("timeout must be a number of seconds, 0 or more")
    pause, deadline = threading.Event(), monotonic() + timeout
    version = -1
    # The number of looks is limited as well: if a test freezes the machine's clock, the deadline never comes.
    for _ in range(math.ceil(timeout / PAUSE) + 1):
        version, keys = store.changes_since(version)
        for message in store.snapshot() if keys is None else _messages(store, keys):
            if next(expected.misses(message), None) is None:
                return message
        left = deadline - monotonic()
        if left <= 0:
            break
        pause.wait(min(PAUSE, left))
    lines = [f"No {expected} within {timeout:g} s.", describe(store, name, expected)]
    if expected.state is not None:
        lines.append(f"The sandbox's time is {store.clock!r}; its `advance` moves it forward.")
    raise AssertionError("\n".join(lines))


def describe(store: Store, name: str, expected: Expectation | None = None) -> str:
    """Return a list of the newest messages and refusals, for people, with numbers masked and long texts cut."""
    _, entries = store.newest_of_all(SHOWN)
    messages = [_line(entry, expected) for entry in entries if isinstance(entry, Message)]
    refused = [
        each for entry in entries if isinstance(entry, RecordedRequest) for each in entry.refused
    ]
    if not messages and not refused:
        return (
            f"Nothing arrived, and nothing was refused. Is your program's base_url that of {name}?"
        )
    arrived = max(len(store), len(messages))
    refusals = [_refused_line(each) for each in refused[-SHOWN:]]
    return "\n".join(
        [*_listed("arrived", messages, arrived), *_listed("was refused", refusals, len(refused))]
    )


def _listed(what: str, lines: Sequence[str], count: int) -> list[str]:
    if not lines:
        return [f"Nothing {what}."]
    which = "" if len(lines) == count else f", the newest {len(lines)} of {count}"
    return [f"What {what}{which}:", *(f"  {line}" for line in lines)]


def _line(message: Message, expected: Expectation | None) -> str:
    text = _text_of(message)
    what = f"{message.channel} to {mask(message.recipient)}, {message.state}"
    line = f"{what}: {'no text' if text is None else _quote(text)}"
    misses = list(expected.misses(message)) if expected else []
    return f"{line} ({', '.join(misses)})" if misses else line


def _refused_line(refused: Mapping[str, object]) -> str:
    content = cast("dict[str, object]", refused["content"])
    status, text, others = refused["status"], content.get(TextContentSpec.text), refused["others"]
    reason = mask_numbers_in(str(refused["reason"]))
    to = mask(str(refused["number"])) if refused["number"] else "nobody"
    if others:
        to += f" and {others} more"
    what = f"{_plain(str(refused['channel'])) or 'a message'} to {to}"
    why = _plain(reason if status is None else f"{status} {reason}")
    return f"{what}: {_quote(text) if isinstance(text, str) else 'no text'} ({why})"


def _messages(store: Store, keys: Sequence[str]) -> Iterator[Message]:
    for key in keys:
        if key.startswith("message:") and isinstance(entry := store.get(key), Message):
            yield entry


def _choice(name: str, value: str, choices: Sequence[str]) -> str:
    found = next((choice for choice in choices if choice.lower() == str(value).lower()), None)
    if found is None:
        raise ValueError(f"{name} must be one of {', '.join(choices)}")
    return found


def _text_of(message: Message) -> str | None:
    try:
        return message.text
    except RecursionError:  # it is nested nearly as deep as can be read
        return None


def _quote(text: str) -> str:
    """Return a text in one line, cut, and with the numbers in it masked."""
    masked = mask_numbers_in(text)
    return repr(masked if len(masked) <= _CUT else f"{masked[: _CUT - 1]}…")


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)
