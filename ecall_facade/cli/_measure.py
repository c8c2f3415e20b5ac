"""`ecall measure`."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from ecall_facade.cli._failures import Exit
from ecall_facade.cli._output import Output
from ecall_facade.cli._text import NOTES, Text, TextFile, read_text
from ecall_facade.errors import InvalidText
from ecall_facade.text import LENGTH_LIMITS, SMS_PAGE_LIMIT, check_text, measure

if TYPE_CHECKING:
    from ecall_facade._json import JSON

_MOST_NAMED = 20

app = App(
    name="measure",
    usage="Usage: ecall measure [OPTIONS] [TEXT]",
    help_epilogue=f"""\
{NOTES}
Nothing is sent, and no credentials are needed. The exit code is 0 whether or not the text fits; the output says which.

Examples:
  ecall measure "Grüezi, your parcel comes today"
  ecall measure --text-file reminder.txt --json
  echo "See you at 8" | ecall measure - --channel whatsapp
""",
)


@app.default
def measure_text(
    text: Text = None,
    /,
    *,
    text_file: TextFile = None,
    channel: Annotated[
        Literal["sms", "whatsapp", "rcs"], Parameter(help="Channel to measure for; default sms.")
    ] = "sms",
    json: Annotated[bool, Parameter(help="Print JSON on stdout, errors included.")] = False,
) -> Exit:
    """Show the length of a text before sending it."""
    words = read_text(text, text_file)
    problem = _find_problem(words, channel)
    data: dict[str, JSON] = {
        "channel": channel,
        "characters": len(words),
        "limit": LENGTH_LIMITS.get(channel.capitalize(), SMS_PAGE_LIMIT),
        "limit_unit": "pages" if channel == "sms" else "characters",
        "fits": problem is None,
        "problem": problem,
    }
    if channel == "sms":
        size = measure(words)
        data |= {
            "encoding": size.encoding,
            "units": size.units,
            "pages": size.pages,
            "units_left": size.units_left,
            "outside_gsm": list(size.outside_gsm),
        }
        line = (
            f"{size.encoding}, {size.units} units, {size.pages} of {SMS_PAGE_LIMIT} pages,"
            f" {size.units_left} units left{_name_outside(size.outside_gsm)}"
        )
    else:
        limit = LENGTH_LIMITS[channel.capitalize()]
        line = f"{len(words)} of {limit} characters"
        if len(words) <= limit:
            line += f", {limit - len(words)} left"
    Output(json).show(data, line if problem is None else (line, (f". {problem}", "red")))
    return Exit.DONE


def _find_problem(words: str, channel: str) -> str | None:
    """Return why a text cannot be sent by a channel, or None."""
    try:
        check_text(words, channel.capitalize())
    except InvalidText as error:
        return str(error)
    return None


def _name_outside(characters: tuple[str, ...]) -> str:
    """Return the characters outside GSM-7 in words; those that cannot be seen by their code point."""
    if not characters:
        return ""
    named = [
        character
        if character.isprintable() and not unicodedata.category(character).startswith("M")
        else f"U+{ord(character):04X}"
        for character in characters[:_MOST_NAMED]
    ]
    more = f" and {len(characters) - _MOST_NAMED} more" if len(characters) > _MOST_NAMED else ""
    return f"; outside GSM-7: {' '.join(named)}{more}"
