"""How far a job has come, for people who watch a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from ecall_facade.cli._output import write_note

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rich.progress import Progress as Bars
    from rich.progress import Task

    from ecall_facade.bulk import JobPause, SendProgress, State

    Show: TypeAlias = Callable[[SendProgress], None]

_OPEN: tuple[State, ...] = ("pending", "sending")
_PAUSES = {"busy": "as the service asks", "unreachable": "no connection"}
_LEAST_PAUSE = 0.5
"""Seconds; shorter pauses are not worth a word."""


@contextmanager
def sending_progress(counts: Mapping[State, int]) -> Generator[Show, None, None]:
    """Show how a job is being sent: a bar on stderr if it is a terminal, else only its pauses.

    Args:
        counts: Rows by state at the beginning.
    """
    if not sys.stderr.isatty():
        yield _Pauses().show
        return
    with _make_bars("Sending", _SendingText()) as bars:
        total = sum(counts.values()) - counts["duplicate"]
        done = total - sum(counts[state] for state in _OPEN)
        task = bars.add_task("Sending", total=total, completed=done, counts=counts, pause=None)

        def show(progress: SendProgress) -> None:
            # Counting a large job takes long, so that what this command has done may be ahead.
            own = done + progress.accepted + progress.rejected + progress.unknown
            now = total - sum(progress.counts.get(state, 0) for state in _OPEN)
            bars.update(
                task,
                completed=max(own, now) if progress.counts else own,
                counts=progress.counts,
                pause=progress.pause,
            )

        yield show


@contextmanager
def tracking_progress() -> Generator[Callable[[int, int], None] | None, None, None]:
    """Show how many delivery states are final: a bar on stderr, if it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with _make_bars("Tracking", None) as bars:
        task = bars.add_task("Final", total=None)

        def show(final: int, total: int) -> None:
            bars.update(task, completed=final, total=total)

        yield show


class _Pauses:
    """Says of each pause that there is one, once."""

    def __init__(self) -> None:
        self._is_paused = False

    def show(self, progress: SendProgress) -> None:
        pause = _worth_telling(progress.pause)
        if pause is not None and not self._is_paused:
            write_note(
                f"The job pauses for {pause.seconds:.0f} s, then goes on by itself: {pause.reason}"
            )
        self._is_paused = pause is not None


def _worth_telling(pause: JobPause | None) -> JobPause | None:
    return pause if pause is not None and pause.seconds > _LEAST_PAUSE else None


class _SendingText:
    """The words at the end of the bar: rate, time left, and what went wrong."""

    def __call__(self, task: Task) -> str:
        counts: Mapping[str, int] = task.fields["counts"]
        pause = _worth_telling(task.fields["pause"])
        words: list[str] = []
        if pause is not None:
            words.append(f"pauses {pause.seconds:.0f} s, {_PAUSES[pause.cause]}")
        elif task.speed and not task.finished:
            words.append(f"{task.speed:,.0f}/s")
            if task.time_remaining is not None:
                words.append(f"{_format_seconds(task.time_remaining)} left")
        words += [
            f"{counts[state]:,} {state}" for state in ("rejected", "unknown") if counts.get(state)
        ]
        return "  ".join(words)


def _format_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _make_bars(label: str, words: Callable[[Task], str] | None) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Done(ProgressColumn):
        def render(self, task: Task) -> Text:
            total = "…" if task.total is None else f"{task.total:,.0f}"
            return Text(f"{task.completed:,.0f} of {total}")

    class Words(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f" {words(task)}" if words else "", no_wrap=True, overflow="ellipsis")

    return Bars(
        TextColumn(label, markup=False),
        BarColumn(bar_width=20),
        Done(),
        Words(),
        console=Console(stderr=True),
        speed_estimate_period=10,
    )
