"""The demonstration that `scripts/demo` shows: real calls of a real client, to a sandbox on this machine.

Each line is printed after what it says has happened and has been checked.
"""

from __future__ import annotations

import json
import queue
import threading
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ecall_client.models import Channel, NotificationEvent
from ecall_client.tables import StatusNotificationSpec
from ecall_facade import (
    DeliveryState,
    ECall,
    ECallError,
    ImageContent,
    InvalidNumber,
    ListEntry,
    Media,
    Notify,
    RawAddress,
    SentBroadcast,
    SentList,
    SentMessage,
    ServerError,
)
from ecall_facade.sandbox import Sandbox
from ecall_facade.text import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["DemoError", "Reports", "receive_reports", "run"]

ANNA, BEAT, CARLA = (
    "+41 79 123 45 67",
    "0041 78 765 43 21",
    "076 543 21 09",
)  # as people write them; all invented
ANNA_AGAIN = "079/123.45.67"
PATIENCE = 15.0  # seconds that anything may take


class DemoError(Exception):
    """Something that should have happened did not."""


class Reports:
    """A small web server that receives delivery reports, as the user's program would."""

    def __init__(self, url: str, received: queue.Queue[dict[str, Any]]) -> None:
        self.url = url
        self._received = received

    def next(self) -> dict[str, Any]:
        """Return the next report, and wait for it."""
        try:
            return self._received.get(timeout=PATIENCE)
        except queue.Empty:
            raise DemoError("No delivery report came") from None


@contextmanager
def receive_reports() -> Generator[Reports, None, None]:
    """Run the web server while the block runs."""
    received: queue.Queue[dict[str, Any]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            received.put(json.loads(body))

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield Reports(f"http://127.0.0.1:{server.server_port}/reports", received)
        finally:
            server.shutdown()
            thread.join()


def run(print_line: Callable[[str], object]) -> bool:
    """Run the demonstration, print it line by line, and return whether all of it worked."""
    print_line("ecall-facade: send messages through eCall, shown on a simulation")
    print_line("")
    print_line(
        "This is a SIMULATION. A stand-in for eCall runs on this machine. The real service is not"
    )
    print_line(
        "contacted, no phone rings, nothing costs anything. All names and numbers are invented."
    )
    problem = None
    try:
        with (
            Sandbox(sent_after=0.2, delivered_after=0.8) as sandbox,
            receive_reports() as reports,
            ECall(**sandbox.credentials, api_version="v2") as ecall,
        ):
            _Demo(print_line, sandbox, reports, ecall).run()
    except (ECallError, DemoError, OSError) as error:
        problem = error
    print_line("")
    if problem is None:
        print_line(
            "All of this worked. It was a SIMULATION on this machine: nobody was texted, and the real eCall"
        )
        print_line(
            "service may behave differently; the sandbox says what it only assumes about it."
        )
    else:
        print_line(f"The demo FAILED here. {type(problem).__name__}: {problem}")
    return problem is None


class _Demo:
    """The steps, in order."""

    def __init__(
        self, print_line: Callable[[str], object], sandbox: Sandbox, reports: Reports, ecall: ECall
    ) -> None:
        self._print = print_line
        self._sandbox = sandbox
        self._reports = reports
        self._ecall = ecall
        self._picture = (resources.files("ecall_facade.sandbox") / "picture.png").read_bytes()
        self._step = 0

    def run(self) -> None:
        media = self.upload()
        by_sms = self.send_sms()
        others = [self.send_whatsapp(media), self.send_rcs()]
        several = self.send_to_several()
        mixed = self.send_list(media)
        self.wait([by_sms, *others], several, mixed)
        self.receive_report(by_sms)
        self.download(media)
        self.mistype_a_number()
        self.meet_a_failure()

    def title(self, text: str) -> None:
        self._step += 1
        self._print("")
        self._print(f"{self._step}. {text}")

    def row(self, left: str, right: str) -> None:
        self._print(f"   {left:<26}{right}")

    def upload(self) -> Media:
        self.title("Upload a picture")
        media = self._ecall.media.upload(self._picture, content_type="image/png")
        _check(
            self._sandbox.media(media.media_id) == self._picture,
            "the picture was not stored as it is",
        )
        self.row("picture.png", f"{len(self._picture):,} bytes, stored as {_short(media.media_id)}")
        return media

    def send_sms(self) -> SentMessage:
        self.title("Send one text by SMS, and ask for a report")
        text = "Your table is ready at 19:00. See you!"
        sent = self._ecall.sms.send(
            ANNA, text, notify=Notify(self._reports.url, for_event=NotificationEvent.FINAL_ONLY)
        )
        self.accepted(sent, f"Anna    {ANNA}", f"“{text}”")
        self.row("", f"{measure(text).units} characters, which fit into {sent.pages} SMS")
        return sent

    def send_whatsapp(self, media: Media) -> SentMessage:
        self.title("Send the picture by WhatsApp")
        sent = self._ecall.whatsapp.send(BEAT, ImageContent(media_id=media.media_id))
        self.accepted(sent, f"Beat    {BEAT}", "picture.png")
        return sent

    def send_rcs(self) -> SentMessage:
        self.title("Send a text by RCS")
        text = "Grüezi Carla, your parcel comes today 🎁"
        sent = self._ecall.rcs.send(CARLA, text)
        self.accepted(sent, f"Carla   {CARLA}", f"“{text}”")
        return sent

    def accepted(self, sent: SentMessage, who: str, what: str) -> None:
        message = self._sandbox.messages[-1]
        _check(message.id == sent.message_id, "the message was not taken")
        _check(
            message.text is None or f"“{message.text}”" == what, "the text has changed on its way"
        )
        self.row(who, what)
        self.row("", f"accepted as message {_short(sent.message_id)}")

    def send_to_several(self) -> SentBroadcast:
        self.title("Send one text to several people; one of them is listed twice")
        people = [ANNA, BEAT, CARLA, ANNA_AGAIN]
        before = len(self._sandbox.messages)
        sent = self._ecall.sms.broadcast(people, "The water is off until 14:00.")
        arrived = [message.recipient for message in self._sandbox.messages[before:]]
        _check(
            arrived == list(sent.recipients) and len(arrived) == 3,
            "not each of the three was sent to once",
        )
        _check(sent.duplicates == ("+41791234567",), "the repeated number was not noticed")
        for name, person, number in zip(
            ("Anna", "Beat", "Carla"), people, sent.recipients, strict=False
        ):
            message_id = sent.ids_by_recipient[number]
            self.row(f"{name:<7} {person}", f"{number}, accepted as message {_short(message_id)}")
        self.row(
            f"{'Anna':<7} {ANNA_AGAIN}", f"{sent.duplicates[0]}, left out: the same number as above"
        )
        return sent

    def send_list(self, media: Media) -> SentList:
        self.title("Send a list of different messages; one of them has an invalid recipient")
        sms, whatsapp = self._ecall.sms, self._ecall.whatsapp
        messages = [
            sms.compose(ANNA, "Anna, your appointment is on Monday at 8."),
            whatsapp.compose(BEAT, ImageContent(media_id=media.media_id)),
            sms.compose(RawAddress("PAGER-7"), "Please call the front desk."),
        ]
        sent = self._ecall.messages.send_list(messages)
        _check(
            [len(sent.accepted), len(sent.rejected)] == [2, 1],
            "not two were accepted and one refused",
        )
        names = (f"Anna    {ANNA}", f"Beat    {BEAT}", "a pager PAGER-7")
        for name, channel, entry in zip(
            names, ("SMS", "WhatsApp", "SMS"), sent.entries, strict=True
        ):
            outcome = (
                f"accepted as message {_short(entry.message_id)}"
                if entry.message_id
                else _refusal(entry)
            )
            self.row(name, f"{channel}, {outcome}")
        return sent

    def wait(self, single: list[SentMessage], several: SentBroadcast, mixed: SentList) -> None:
        self.title("Wait until everything has arrived")
        statuses = [
            self._ecall.messages.wait(message_id, timeout=PATIENCE)
            for message_id in [*(sent.message_id for sent in single), *several.message_ids]
        ]
        for entry in mixed.accepted:
            self._ecall.messages.wait(entry.message_id or "", timeout=PATIENCE)
        statuses += self._ecall.messages.list_status(mixed.list_id).messages
        by_id = {message.id: message for message in self._sandbox.messages}
        _check(len(statuses) == len(by_id) == 8, "not 8 messages were on their way")
        for status in statuses:
            message = by_id[status.message_id]
            _check(
                status.state is DeliveryState.DELIVERED and status.is_final,
                "a message was not delivered",
            )
            _check(status.updated_at is not None, "a status has no time")
            outcome = f"{_CHANNELS[message.channel]:<9} {status.state.lower()} at {_clock(status.updated_at)}"
            self.row(f"{_NAMES[message.recipient]:<7} {message.recipient}", outcome)

    def receive_report(self, sent: SentMessage) -> None:
        self.title("Receive the delivery report that step 2 asked for")
        report = self._reports.next()
        _check(
            report.get(StatusNotificationSpec.message_id) == sent.message_id,
            "the report is about another message",
        )
        state = DeliveryState(str(report.get(StatusNotificationSpec.state)))
        _check(state is DeliveryState.DELIVERED, "the report says something else")
        self.row("eCall's stand-in called", self._reports.url)
        self.row(
            "and reported",
            f"message {_short(sent.message_id)}, {report[StatusNotificationSpec.to]}, {state.lower()}",
        )

    def download(self, media: Media) -> None:
        self.title("Download the picture, and compare it with the one that was uploaded")
        copy = BytesIO()
        self._ecall.media.download(media.media_id, to=copy)
        _check(copy.getvalue() == self._picture, "the picture has changed")
        self.row("picture.png", f"{len(copy.getvalue()):,} bytes, identical")

    def mistype_a_number(self) -> None:
        self.title("Mistype a number")
        before = len(self._sandbox.messages)
        try:
            self._ecall.sms.send("079 123 45", "This will not go out")
        except InvalidNumber as error:
            reason = error.problems[0].reason
        else:
            raise DemoError("The number was taken")
        _check(len(self._sandbox.messages) == before, "something was sent")
        self.row("079 123 45", f"refused: {reason}; nothing was sent")

    def meet_a_failure(self) -> None:
        self.title("Send while the service fails: nobody can know whether the text was sent")
        before = len(self._sandbox.messages)
        self._sandbox.fail_next(500)
        try:
            self._ecall.sms.send(BEAT, "Your code is 481 516")
        except ServerError as error:
            self.row(
                "the stand-in responded",
                f"{error.status_code} (failure), to request {_short(error.request_id)}",
            )
            _check(error.may_have_been_sent, "the error is sure of what nobody knows")
        else:
            raise DemoError("The failure was not noticed")
        _check(len(self._sandbox.messages) == before, "the text was sent again")
        self.row("could it have been sent?", "yes, so it is not sent again; the error says so")


_NAMES = {"+41791234567": "Anna", "+41787654321": "Beat", "+41765432109": "Carla"}
_CHANNELS: dict[str, str] = {
    Channel.SMS: "SMS",
    Channel.WHATSAPP: "WhatsApp",
    Channel.RCS: "RCS",
}


def _check(is_so: bool, problem: str) -> None:
    if not is_so:
        raise DemoError(problem[0].upper() + problem[1:])


def _short(identifier: str | None) -> str:
    return f"{(identifier or '')[:8]}…"


def _refusal(entry: ListEntry) -> str:
    problem = entry.error
    words = (
        [message for detail in problem.details for message in detail.messages] if problem else []
    )
    return f"refused: {' '.join(words)}"


def _clock(time: datetime | None) -> str:
    return f"{time.astimezone():%H:%M:%S}" if time else "?"
