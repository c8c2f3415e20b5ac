"""`ecall media upload` and `ecall media download`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._output import Output
from ecall_facade.cli._progress import progress
from ecall_facade.cli._session import DEFAULTS, Options, open_client
from ecall_facade.cli._text import not_stdin

if TYPE_CHECKING:
    from ecall_facade import Media
    from ecall_facade._json import JSON

app = App(
    name="media",
    help_epilogue="""\
Examples:
  ecall media upload plan.pdf
  ecall media download "$MEDIA_ID" --to copy.pdf
""",
)


@app.command(
    help_epilogue="""\
An upload texts nobody. To upload and send a file in one step, use `ecall send --file`.

Examples:
  ecall media upload plan.pdf
  ecall media upload photo.jpg --json
"""
)
def upload(
    file: Annotated[Path, Parameter(help="File to upload.", validator=not_stdin)],
    /,
    *,
    options: Options = DEFAULTS,
) -> Exit:
    """Upload a file and print its id, which messages refer to."""
    with open_client(options) as ecall, progress(file.name) as on_progress:
        media = ecall.media.upload(file, on_progress=on_progress)
    Output(options.json).show(
        _to_json(media, options), f"Uploaded {file.name}, {_size(media)}: media {media.media_id}"
    )
    return Exit.DONE


@app.command(
    help_epilogue="""\
The file is written completely or not at all.

Examples:
  ecall media download "$MEDIA_ID" --to copy.pdf
  ecall media download "$MEDIA_ID" --to copy.pdf --force --json
"""
)
def download(
    media_id: Annotated[
        str, Parameter(name="MEDIA-ID", help="Id printed by `ecall media upload`.")
    ],
    /,
    *,
    to: Annotated[Path, Parameter(help="File to write.", validator=not_stdin)],
    force: Annotated[bool, Parameter(help="Replace an existing file.")] = False,
    options: Options = DEFAULTS,
) -> Exit:
    """Download a file."""
    if to.is_dir():
        raise usage_error(f"--to {to.name or to} is a directory; name a file")
    if to.is_file() and not force:  # a pipe or a device is written to, not replaced
        raise usage_error(f"{to.name} already exists; use --force to replace it")
    with open_client(options) as ecall, progress(to.name) as on_progress:
        media = ecall.media.download(media_id, to, on_progress=on_progress)
    Output(options.json).show(
        {**_to_json(media, options), "file": str(to)}, f"Downloaded {_size(media)} to {to.name}"
    )
    return Exit.DONE


def _to_json(media: Media, options: Options) -> dict[str, JSON]:
    return {
        "media_id": media.media_id,
        "content_type": media.content_type,
        "size": media.size,
        "request_id": media.request_id,
        "simulated": options.sandbox,
    }


def _size(media: Media) -> str:
    return "size unknown" if media.size is None else f"{media.size:,} bytes"
