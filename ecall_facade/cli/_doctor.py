"""`ecall doctor`."""

from __future__ import annotations

import shutil
import socket
import ssl
import sys
import textwrap
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import httpx
from cyclopts import App, Parameter

from ecall_client.tables import OPERATIONS
from ecall_facade import APIError, AuthenticationError, ECall, ECallError, PermissionDenied
from ecall_facade._settings import Account
from ecall_facade._transports.connections import named_setting, open_pool
from ecall_facade._transports.environment import find_proxy, make_tls_context
from ecall_facade.cli._credentials import Settings, find_settings
from ecall_facade.cli._failures import Exit, Failure, usage_error
from ecall_facade.cli._output import write_json, write_line
from ecall_facade.cli._session import load_sandbox, running

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ecall_facade._json import JSON
    from ecall_facade._settings import ApiVersion, VersionIn
    from ecall_facade.cli._output import Line

Known: TypeAlias = Literal["your setup", "documented", "inferred"]
Found: TypeAlias = Literal["ok", "problem", "confirmed", "contradicted", "not checked"]

_CONNECT_TIMEOUT = 5.0  # seconds
_READ_TIMEOUT = 15.0
_FEW_DAYS = 14  # of a certificate, which should have been renewed by then
_NARROWEST_DETAILS = 40
"""Columns that a table has to leave for the details."""
_STYLES = {"ok": "green", "confirmed": "green", "problem": "bold red", "contradicted": "bold red"}

app = App(
    name="doctor",
    help_epilogue="""\
It sends nothing and changes nothing: it looks up the name, makes a connection, and reads messages, lists and files \
that do not exist. "Known from" says whether the vendor documents something, or whether this package could only infer \
it; "found" says what the service showed: confirmed, contradicted, or not checked, where only a send could tell.

Exit code 0 says that no problem was found, 1 that there are some.

Examples:
  ecall doctor
  ecall doctor --json
  ecall doctor --sandbox
""",
)


@dataclass(frozen=True)
class Check:
    """One line of the table."""

    subject: str
    known: Known
    found: Found
    details: str


@dataclass
class Report:
    """The checks so far, and whether a sandbox answered them."""

    checks: list[Check] = field(default_factory=list[Check])
    is_sandbox: bool = False

    def add(self, subject: str, known: Known, found: Found, details: str) -> None:
        """Add a line."""
        self.checks.append(Check(subject, known, found, details))

    @property
    def problems(self) -> int:
        """Return how many lines need somebody's attention."""
        return sum(check.found in ("problem", "contradicted") for check in self.checks)


@app.default
def examine(
    *,
    credentials: Annotated[
        Path | None, Parameter(help="TOML file with username and password, as for send.")
    ] = None,
    sandbox: Annotated[bool, Parameter(help="Examine a sandbox of its own.")] = False,
    json: Annotated[bool, Parameter(help="One object instead of a table.")] = False,
) -> Exit:
    """Find out what is wrong with a setup. Sends nothing."""
    if sandbox and credentials is not None:
        raise usage_error("--sandbox has its own credentials: leave out --credentials")
    report = Report()
    with _settings(report, credentials, sandbox=sandbox) as (settings, has_credentials):
        _check_service(report, settings, has_credentials=has_credentials)
    if json:
        write_json(_to_json(report))
    else:
        _show(report)
    return Exit.FAILED if report.problems else Exit.DONE


@contextmanager
def _settings(
    report: Report, credentials: Path | None, *, sandbox: bool
) -> Generator[tuple[Settings, bool], None, None]:
    """Return the settings, and whether they have credentials; problems go to the report."""
    if sandbox:
        with running(load_sandbox()()) as server:
            given = server.credentials
            report.add("credentials", "your setup", "ok", "those of the embedded sandbox")
            yield (
                {
                    "username": given["username"],
                    "password": given["password"],
                    "base_url": given["base_url"],
                    "sender": dict(given["sender"]),
                },
                True,
            )
        return
    settings: Settings = {}
    has_credentials = True
    try:
        settings = find_settings(credentials)
        Account.from_arguments(
            settings.get("username"), settings.get("password"), "https://rest.ecall.ch"
        )
        where = "from a file" if "username" in settings else "from the environment"
        report.add("credentials", "your setup", "ok", where)
    except (Failure, ECallError) as error:
        has_credentials = False
        report.add("credentials", "your setup", "problem", str(error))
    yield settings, has_credentials


def _check_service(report: Report, settings: Settings, *, has_credentials: bool) -> None:
    try:
        account = Account.from_arguments("x", "x", settings.get("base_url"))
    except ECallError as error:
        report.add("address", "your setup", "problem", str(error))
        return
    report.add("address", "your setup", "ok", account.base_url)
    try:
        with named_setting():
            proxy, tls = find_proxy(account), make_tls_context(account)
    except ECallError as error:
        report.add("environment", "your setup", "problem", str(error))
        return
    report.add("proxy", "your setup", "ok", _describe_proxy(account, proxy))
    if proxy is None and not _check_connection(report, account.base_url, tls):
        return
    if not _check_first_response(report, account):
        return
    if not has_credentials:
        report.add("credentials accepted", "documented", "not checked", "there are none")
        return
    try:
        with ECall(**settings, timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT), retry=False) as ecall:
            _check_senders(report, ecall)
            if _check_credentials(report, ecall):
                _check_versions(report, ecall)
                _check_paths(report, ecall)
    except ECallError as error:  # what cannot be used of the settings
        report.add("settings", "your setup", "problem", str(error))


def _describe_proxy(account: Account, proxy: httpx.Proxy | None) -> str:
    if account.is_loopback:
        return "none, as this machine is called directly"
    if proxy is None:
        return "none"
    port = "" if proxy.url.port is None else f":{proxy.url.port}"
    with_password = "" if proxy.auth is None else ", with credentials"
    return f"{proxy.url.host}{port}{with_password}; it resolves the name and connects"


def _check_connection(report: Report, base_url: str, tls: ssl.SSLContext) -> bool:
    """Resolve the name and make a connection, by TLS if the service is called by it."""
    url = urlsplit(base_url)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        report.add("name", "your setup", "problem", f"{host} cannot be resolved: {words}")
        return False
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    report.add("name", "your setup", "ok", f"{host} is {', '.join(addresses)}")
    begun = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT) as connection:
            took = f"{1000 * (time.monotonic() - begun):.0f} ms"
            report.add("connection", "your setup", "ok", f"to port {port} in {took}")
            if url.scheme == "https":
                return _check_tls(report, connection, host, tls)
    except OSError as error:
        words = error.strerror or str(error)
        report.add("connection", "your setup", "problem", f"to {host}:{port}: {words}")
        return False
    return True


def _check_tls(report: Report, connection: socket.socket, host: str, tls: ssl.SSLContext) -> bool:
    try:
        with tls.wrap_socket(connection, server_hostname=host) as secured:
            version = secured.version() or "unknown"
            certificate = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        report.add(
            "certificate",
            "your setup",
            "problem",
            f"{error.verify_message}; if your network has a certificate authority of its own, "
            "name its file in SSL_CERT_FILE",
        )
        return False
    except (OSError, ValueError) as error:
        words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        report.add("TLS", "documented", "problem", f"the handshake failed: {words}")
        return False
    report.add("TLS", "documented", "confirmed", version)
    begins, ends = (_read_date(certificate.get(name)) for name in ("notBefore", "notAfter"))
    days = (ends - datetime.now(UTC)).days
    report.add(
        "certificate",
        "your setup",
        "ok" if days >= _FEW_DAYS else "problem",
        f"valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}, {days} more days",
    )
    return True


def _read_date(value: object) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(value)), UTC)


def _check_first_response(report: Report, account: Account) -> bool:
    """Ask without credentials, and see who answers."""
    url = f"{account.base_url}/api/message/{uuid.uuid4()}"
    try:
        with httpx.Client(
            transport=open_pool(account), trust_env=False, timeout=_READ_TIMEOUT
        ) as client:
            response = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        words = str(error) or type(error).__name__
        report.add("response", "documented", "problem", f"there is none: {words}")
        return False
    if sign := response.headers.get("x-ecall-sandbox"):
        report.is_sandbox = True
        report.add("service", "your setup", "ok", f"it is the SANDBOX, not eCall: {sign}")
    has_id = "x-f24-request-id" in response.headers
    report.add(
        "request id of each response",
        "documented",
        "confirmed" if has_id else "contradicted",
        "there" if has_id else "missing: is it eCall that answers, or something in between?",
    )
    is_refused = response.status_code == 401
    report.add(
        "no access without credentials",
        "documented",
        "confirmed" if is_refused else "contradicted",
        f"status {response.status_code}",
    )
    return True


def _check_senders(report: Report, ecall: ECall) -> None:
    # No public property has them.
    senders = sorted(ecall._session.options.senders)  # pyright: ignore[reportPrivateUsage]
    if senders:
        report.add("sender", "your setup", "ok", f"set for {', '.join(senders)}")
    else:
        report.add("sender", "your setup", "problem", "none is set: ECALL_SENDER, or sender=")


@dataclass(frozen=True)
class _Answer:
    """The response to a read of something that does not exist."""

    status: int | None
    code: str | None
    words: str

    @property
    def is_documented_error(self) -> bool:
        return self.status is not None and self.code is not None


def _read(ecall: ECall, path: str) -> _Answer:
    try:
        answer = ecall.request("GET", path)
    except APIError as error:
        return _Answer(error.status_code, error.code, str(error))
    except ECallError as error:
        return _Answer(None, None, str(error))
    return _Answer(answer.status_code, None, f"status {answer.status_code}")


def _check_credentials(report: Report, ecall: ECall) -> bool:
    try:
        ecall.messages.status(str(uuid.uuid4()))
    except (AuthenticationError, PermissionDenied) as error:
        report.add("credentials accepted", "documented", "problem", str(error))
        return False
    except APIError as error:
        if error.status_code >= 500:
            report.add("credentials accepted", "documented", "problem", str(error))
            return False
    except ECallError as error:
        report.add("credentials accepted", "documented", "problem", str(error))
        return False
    report.add("credentials accepted", "documented", "confirmed", "a read was allowed")
    return True


def _check_versions(report: Report, ecall: ECall) -> None:
    """Read a message that does not exist in both versions, named in both ways."""
    ways: list[tuple[ApiVersion, VersionIn, Known]] = [
        ("v2", "path", "documented"),
        ("v2", "header", "documented"),
        ("v1", "header", "documented"),
        ("v1", "path", "inferred"),
    ]
    for version, place, known in ways:
        copy = ecall.with_options(api_version=version, version_in=place)
        answer = _read(copy, f"/api/message/{uuid.uuid4()}")
        _judge(report, f"{version} by {place}", known, answer, _read_nowhere(copy))


def _check_paths(report: Report, ecall: ECall) -> None:
    """Read what does not exist at each path; those that can only be written to are not checked."""
    nowhere = _read_nowhere(ecall)
    for operation in OPERATIONS.values():
        known: Known = "inferred" if operation.level == "inferred" else "documented"
        subject = f"{operation.method} {operation.path}"
        if operation.method != "GET":
            report.add(subject, known, "not checked", "only a send or an upload could tell")
            continue
        answer = _read(ecall, f"{operation.path.partition('{')[0]}{uuid.uuid4()}")
        _judge(report, subject, known, answer, nowhere)


def _read_nowhere(ecall: ECall) -> _Answer:
    """Read at a path that cannot exist, to compare others with it."""
    return _read(ecall, f"/api/no-such-path-{uuid.uuid4().hex}/{uuid.uuid4()}")


def _judge(report: Report, subject: str, known: Known, answer: _Answer, nowhere: _Answer) -> None:
    """Compare the answer for a thing that does not exist with that for a path that does not."""
    if answer.status is None or answer.status >= 500 or answer.status in (401, 403, 429):
        report.add(subject, known, "problem", answer.words)
    elif answer.status not in (400, 404):
        report.add(subject, known, "contradicted", f"status {answer.status} for an unknown id")
    elif not answer.is_documented_error:
        report.add(
            subject,
            known,
            "contradicted",
            f"status {answer.status} without the documented error: the path may be another",
        )
    elif (answer.status, answer.code) == (nowhere.status, nowhere.code):
        report.add(
            subject,
            known,
            "not checked",
            f"{answer.code}, as for a path that cannot exist, so that it tells nothing",
        )
    else:
        report.add(subject, known, "confirmed", f"{answer.code} for an unknown id")


def _to_json(report: Report) -> dict[str, JSON]:
    return {
        "checks": [
            {
                "subject": check.subject,
                "known": check.known,
                "found": check.found,
                "details": check.details,
            }
            for check in report.checks
        ],
        "problems": report.problems,
        "simulated": report.is_sandbox,
    }


def _show(report: Report) -> None:
    width = _terminal_width()
    for line in _lay_out(report.checks, width):
        write_line(line)
    write_line("")
    if report.is_sandbox:
        for words in _wrap("SIMULATION: a sandbox answered; it says nothing about eCall.", width):
            write_line(((words, "bold yellow"),))
    count = report.problems
    summary = (
        f"{count} problem{'s' if count > 1 else ''} found." if count else "No problem was found."
    )
    for words in _wrap(summary, width):
        write_line(words)


def _terminal_width() -> int | None:
    """Return the columns of the terminal, or None for a file or a pipe, whose lines are not wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _lay_out(checks: list[Check], width: int | None) -> Iterator[Line]:
    """Yield the lines of a table, or where it would be too wide, a paragraph for each check."""
    heads = ("What", "Known from", "Found", "Details")
    rows = [(check.subject, check.known, check.found, check.details) for check in checks]
    widths = [max(len(row[column]) for row in (heads, *rows)) + 2 for column in range(3)]
    begin = sum(widths)
    if width is not None and width < begin + _NARROWEST_DETAILS:
        for check in checks:
            yield from _lay_out_paragraph(check, width)
        return

    def pad(row: tuple[str, str, str, str]) -> list[str]:
        return [text.ljust(width) for text, width in zip(row[:3], widths, strict=True)]

    yield ((f"{''.join(pad(heads))}{heads[3]}", "bold"),)
    for row in rows:
        first, second, third = pad(row)
        details, *more = _wrap(row[3], None if width is None else width - begin)
        yield (first, second, (third, _STYLES.get(row[2], "")), details)
        for line in more:
            yield f"{'':{begin}}{line}"


def _lay_out_paragraph(check: Check, width: int) -> Iterator[Line]:
    for line in _wrap(check.subject, width):
        yield ((line, "bold"),)
    verdict = f"{check.known}, {check.found}: "
    first, *more = _wrap(f"{verdict}{check.details}", width - 2)
    before, found, after = first.partition(check.found)
    yield (f"  {before}", (found, _STYLES.get(check.found, "")), after)
    for line in more:
        yield f"  {line}"


def _wrap(text: str, width: int | None) -> list[str]:
    return [text] if width is None else textwrap.wrap(text, max(width, 1)) or [""]
