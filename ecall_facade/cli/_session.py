"""A client for a command: of the service, or of a sandbox that runs as long as the command."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecall_facade import ECall, NotFound
from ecall_facade._settings import ApiVersion
from ecall_facade.cli._credentials import find_settings
from ecall_facade.cli._failures import usage_error
from ecall_facade.cli._output import write_note
from ecall_facade.cli._text import not_stdin

if TYPE_CHECKING:
    from collections.abc import Generator

    from ecall_facade.sandbox import Sandbox


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """The options of every command that talks to the service."""

    json: Annotated[bool, Parameter(help="Print JSON on stdout, errors included.")] = False
    sandbox: Annotated[
        bool, Parameter(help="Use a new sandbox for this command; nobody is texted.")
    ] = False
    credentials: Annotated[
        Path | None,
        Parameter(
            help="TOML file with username and password, private to you (chmod 600).",
            validator=not_stdin,
        ),
    ] = None
    api_version: Annotated[ApiVersion | None, Parameter(help="API version; default v2.")] = None


DEFAULTS = Options()


@contextmanager
def open_client(options: Options, region: str = "CH") -> Generator[ECall, None, None]:
    """Yield a client of the service or, with --sandbox, of a new sandbox."""
    if not options.sandbox:
        with ECall(
            **find_settings(options.credentials), api_version=options.api_version, region=region
        ) as ecall:
            yield ecall
        return
    if options.credentials is not None:
        raise usage_error("--sandbox uses its own credentials; remove --credentials")
    with running(load_sandbox()()) as sandbox:
        write_note("SIMULATION: an embedded sandbox, nobody is texted")
        with ECall(**sandbox.credentials, api_version=options.api_version, region=region) as ecall:
            try:
                yield ecall
            except NotFound as error:
                raise explain(error, options) from None


def explain(error: Exception, options: Options) -> Exception:
    """Add a note to the error for an id that a new sandbox cannot know, and return the error."""
    if options.sandbox and isinstance(error, NotFound):
        error.add_note(
            "The new sandbox is empty; for ids of a running `ecall sandbox`, set ECALL_BASE_URL to its address and "
            "remove --sandbox"
        )
    return error


def load_sandbox() -> type[Sandbox]:
    """Return the class of the sandbox, whose import is slow and needs further packages."""
    try:
        from ecall_facade.sandbox import Sandbox
    except ImportError as error:
        raise usage_error(str(error)) from None
    return Sandbox


@contextmanager
def running(sandbox: Sandbox) -> Generator[Sandbox, None, None]:
    """Run a sandbox; if it cannot listen, that is a usage error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sandbox.start()
        except OSError as error:
            raise usage_error(error.strerror or str(error)) from None
    try:
        for warning in caught:
            write_note(f"WARNING: {warning.message}")
        yield sandbox
    finally:
        sandbox.stop()
