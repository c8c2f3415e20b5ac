"""`ecall status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from ecall_facade import ECallError
from ecall_facade.cli._failures import Exit, Failure, to_failure, usage_error
from ecall_facade.cli._output import Output, write_failure
from ecall_facade.cli._session import DEFAULTS, Options, explain, open_client
from ecall_facade.cli._watch import exit_code, format_line, to_json, watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecall_facade import ECall, MessageStatus

app = App(
    name="status",
    usage="Usage: ecall status [OPTIONS] MESSAGE-ID...",
    help_epilogue="""\
With --watch, a line is printed for each change, and the exit code is 6 if a message failed or was not delivered. \
Without it, the exit code only says whether the status could be read. With --json, each line is an object. If several \
messages fail, the first one determines the exit code.

Examples:
  ecall status "$MESSAGE_ID"
  ecall status "$MESSAGE_ID" "$ANOTHER_ID" --json
  ecall status "$MESSAGE_ID" --watch --timeout 30
""",
)


@app.default
def status(
    message_ids: Annotated[
        list[str], Parameter(name="MESSAGE-ID", help="Ids printed by `ecall send`.")
    ],
    /,
    *,
    watch: Annotated[
        bool, Parameter(help="Follow the messages until their states are final.")
    ] = False,
    timeout: Annotated[
        float, Parameter(help="Seconds to follow them with --watch; default 60.")
    ] = 60,
    options: Options = DEFAULTS,
) -> Exit:
    """Show the delivery status of messages."""
    if watch and not 0 < timeout < 1e9:
        raise usage_error("--timeout must be a positive number of seconds")
    out = Output(options.json)
    failed: list[Exit] = []
    try:
        with open_client(options) as ecall:
            for seen in _look(
                ecall, list(dict.fromkeys(message_ids)), timeout if watch else None, options
            ):
                if isinstance(seen, ECallError):
                    explain(seen, options)
                    if (failure := to_failure(seen)) is not None:
                        failed.append(write_failure(failure, as_json=options.json))
                else:
                    out.show({**to_json(seen), "simulated": options.sandbox}, format_line(seen))
                    if watch and exit_code(seen):
                        failed.append(exit_code(seen))
    except KeyboardInterrupt:  # a message that has an id was sent
        raise Failure(
            Exit.INTERRUPTED, "Interrupted", "Interrupted", may_have_been_sent=True
        ) from None
    return failed[0] if failed else Exit.DONE


def _look(
    ecall: ECall, message_ids: Sequence[str], timeout: float | None, options: Options
) -> Iterator[MessageStatus | ECallError]:
    # An embedded sandbox is new and empty, so waiting for it to know the id would be useless.
    if timeout is not None and not options.sandbox:
        for _, seen in watch(ecall, message_ids, timeout):
            yield seen
        return
    for message_id in message_ids:
        try:
            yield ecall.messages.status(message_id)
        except ECallError as error:
            yield error
