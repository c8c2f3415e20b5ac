"""`ecall bulk check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from ecall_facade.cli._bulk_file import (
    FILE_DEFAULTS,
    Example,
    File,
    FileOptions,
    Survey,
    open_file,
    problem_lines,
    problems_to_json,
    survey_file,
)
from ecall_facade.cli._bulk_ledger import AsJson, count
from ecall_facade.cli._failures import Exit
from ecall_facade.cli._output import write_json, write_line, write_note

if TYPE_CHECKING:
    from ecall_facade._json import JSON
    from ecall_facade.cli._output import Line

_LONGEST_TEXT = 300

app = App(
    name="check",
    usage="Usage: ecall bulk check [OPTIONS] FILE",
    help_epilogue="""\
Reads the whole file, normalizes the numbers, renders and measures the texts, and names every problem with its line. \
It sends nothing, stores nothing, and needs no credentials.

The exit code is 0 if `ecall bulk send` would take the file, and 2 if it has problems.

Examples:
  ecall bulk check people.csv --text "Hello {name}, see you tomorrow"
  ecall bulk check people.csv --text-file reminder.txt --json
""",
)


@app.default
def check(
    file: File,
    /,
    *,
    file_options: FileOptions = FILE_DEFAULTS,
    json: AsJson = False,
) -> Exit:
    """Check a file and show what would be sent; sends nothing."""
    messages = open_file(file, file_options)
    survey = survey_file(messages, file_options.region)
    if json:
        write_json(_to_json(messages.source, survey))
    else:
        _print(messages.source, survey)
    return Exit.USAGE if survey.problems else Exit.DONE


def _to_json(source: str, survey: Survey) -> dict[str, JSON]:
    return {
        "file": source,
        "rows": survey.rows,
        **survey.to_json(),
        "problems": problems_to_json(survey.problems),
        "remarks": list(survey.remarks),
        "examples": [example.to_json() for example in survey.examples],
    }


def _print(source: str, survey: Survey) -> None:
    for line in problem_lines(survey.problems):
        write_line(line)
    for words in survey.remarks:
        write_note(words)
    if survey.problems:
        write_line(
            (
                (f"{source}: {count(len(survey.problems), 'problem')}", "bold red"),
                f" in {count(survey.rows, 'row')}. It cannot be sent until they are corrected",
            )
        )
        return
    write_line(
        (
            (f"{source}: {count(survey.messages, 'message')}", "bold green"),
            f" to {count(survey.recipients, 'recipient')}, no problems",
        )
    )
    for line in survey.lines():
        write_line(f"  {line}")
    write_line("Examples:")
    for example in survey.examples:
        write_line(_format_example(example))
    write_line("Nothing was sent")


def _format_example(example: Example) -> Line:
    pages = "" if example.pages is None else f", {count(example.pages, 'page')}"
    words = " / ".join(part for part in example.text.splitlines() if part.strip())
    if len(words) > _LONGEST_TEXT:
        words = f"{words[:_LONGEST_TEXT]}…"
    place = f"  line {example.row}, {example.channel} to {example.to}{pages}: "
    return ((place, "dim"), words)
