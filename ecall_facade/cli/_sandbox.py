"""`ecall sandbox`."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from ecall_facade._settings import SENDER_VARIABLES
from ecall_facade.cli import _signals
from ecall_facade.cli._credentials import read_settings
from ecall_facade.cli._failures import Exit, usage_error
from ecall_facade.cli._output import write_json, write_line, write_note
from ecall_facade.cli._session import load_sandbox, running
from ecall_facade.cli._text import not_stdin

if TYPE_CHECKING:
    from ecall_facade.sandbox import Sandbox

app = App(
    name="sandbox",
    help_epilogue="""\
The sandbox listens on this machine only, unless --host says otherwise. Press Ctrl-C to stop it.

It accepts any credentials. To accept only one pair, set ECALL_SANDBOX_USERNAME and ECALL_SANDBOX_PASSWORD, or pass a \
file with --credentials.

It is a simulation; part of its behaviour is inferred, not documented by the service.

Examples:
  ecall sandbox
  ecall sandbox --open
  ecall sandbox --port 0 --json
  ecall sandbox --inbound-url http://localhost:8000/ecall
  ecall sandbox --callback-url http://localhost:8000/ecall --callback-retry 60
  ecall sandbox --allowed-host sandbox.example.ch
""",
)


@app.default
def run_sandbox(
    *,
    port: Annotated[
        int, Parameter(help="Port to listen on; default 8398; 0 picks a free one.")
    ] = 8398,
    host: Annotated[
        str, Parameter(help="Name or address to listen on; default 127.0.0.1.")
    ] = "127.0.0.1",
    open_page: Annotated[
        bool, Parameter(name="--open", help="Open the inbox in a browser.")
    ] = False,
    callback_url: Annotated[
        str | None, Parameter(help="URL that is called at every status change.")
    ] = None,
    inbound_url: Annotated[
        str | None, Parameter(help="URL that is called for every reply from the inbox.")
    ] = None,
    callback_retry: Annotated[
        tuple[float, ...],
        Parameter(
            help="Seconds before a call that was not answered with 200 is repeated; "
            "once for each further attempt. By default it is not repeated."
        ),
    ] = (),
    allowed_host: Annotated[
        tuple[str, ...],
        Parameter(help="Name of a reverse proxy in front of the sandbox; can be repeated."),
    ] = (),
    credentials: Annotated[
        Path | None,
        Parameter(help="TOML file with the username and password to accept.", validator=not_stdin),
    ] = None,
    json: Annotated[
        bool, Parameter(help="Print one JSON object with the address, once it is ready.")
    ] = False,
) -> Exit:
    """Run a simulated eCall on this machine, to build and test against."""
    exact = _exact_credentials(credentials)
    load_sandbox()  # or say what it needs
    from ecall_facade.sandbox import Sandbox

    username, password = exact or ("sandbox", "sandbox")
    try:
        hosts = {urlsplit(url).hostname for url in (callback_url, inbound_url) if url is not None}
        sandbox = Sandbox(
            username=username,
            password=password,
            host=host,
            port=port,
            callback_url=callback_url,
            inbound_url=inbound_url,
            callback_hosts={name for name in hosts if name},  # naming a URL permits the call
            callback_retries=callback_retry,
            allowed_hosts=allowed_host,
            _accepts_any_credentials=exact is None,
        )
    except ValueError as error:
        raise usage_error(str(error)) from None
    with _signals.stop_signals() as stopping, running(sandbox):
        if json:
            write_json({"url": sandbox.url, "any_credentials": exact is None, "simulated": True})
        else:
            _introduce(sandbox, exact is None)
        if open_page and not webbrowser.open(f"{sandbox.url}/"):
            write_note(f"No browser could be opened; the inbox is at {sandbox.url}/")
        _signals.wait_for_stop(stopping)
    return Exit.DONE


def _exact_credentials(file: Path | None) -> tuple[str, str] | None:
    if file is not None:
        settings = read_settings(file)
        return settings.get("username", ""), settings.get("password", "")
    username, password = (
        os.environ.get(f"ECALL_SANDBOX_{name}") for name in ("USERNAME", "PASSWORD")
    )
    if not username and not password:
        return None
    if not username or not password:
        raise usage_error("Set both ECALL_SANDBOX_USERNAME and ECALL_SANDBOX_PASSWORD, or neither")
    return username, password


def _introduce(sandbox: Sandbox, accepts_any: bool) -> None:
    credentials = sandbox.credentials
    write_line(
        (
            "A ",
            ("SIMULATION", "bold yellow"),
            " of eCall, based in part on inferred facts. Nobody is texted.",
        )
    )
    write_line("")
    write_line(f"Inbox     {sandbox.url}/")
    write_line(
        "Accepts   any credentials" if accepts_any else "Accepts   the given credentials only"
    )
    write_line("")
    write_line("In the shell of your program:")
    write_line("")
    write_line(f"export ECALL_BASE_URL={sandbox.url}")
    if accepts_any:
        write_line(
            f"export ECALL_USERNAME={credentials['username']} ECALL_PASSWORD={credentials['password']}"
        )
    else:
        write_line("export ECALL_USERNAME=… ECALL_PASSWORD=…    # the given ones")
    senders = (
        f"{SENDER_VARIABLES[name]}={sender}" for name, sender in credentials["sender"].items()
    )
    write_line(f"export {' '.join(senders)}")
    write_line("")
    write_line("Press Ctrl-C to stop it; its messages and files are then lost.")
