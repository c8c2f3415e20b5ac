"""Every public method of the clients, called in each of the ways that make another request."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeAlias

from _clients import E164, INTERNATIONAL, NUMBER, OTHER_NUMBER, TEXT

from ecall_facade import (
    AudioContent,
    DocumentContent,
    ECall,
    ImageContent,
    NotificationAddress,
    NotificationAddressType,
    Notify,
    RawAddress,
    StickerContent,
    TextContent,
    TextOptions,
    VideoContent,
)

Method: TypeAlias = Callable[[ECall], object]

FILE = bytes(range(256))
_GET = NotificationAddress(NotificationAddressType.URL, "https://hooks.example.com/get")
_LIMITED = TextContent(text="x" * 200, options=TextOptions(page_limit=2))


def _stream(ecall: ECall) -> object:
    with ecall.media.stream("f-1") as chunks:
        return b"".join(chunks), chunks.size, chunks.content_type, chunks.request_id


def _download(ecall: ECall) -> object:
    copy, progress = io.BytesIO(), list[tuple[int, int | None]]()
    media = ecall.media.download(
        "f/1 ü", copy, on_progress=lambda done, total: progress.append((done, total))
    )
    return media, copy.getvalue(), progress


def _upload(ecall: ECall) -> object:
    progress: list[tuple[int, int | None]] = []
    media = ecall.media.upload(
        FILE,
        content_type="image/png",
        on_progress=lambda done, total: progress.append((done, total)),
    )
    return media, progress


class _Pipe(io.BytesIO):
    """A file whose length nobody knows."""

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation


def _list(ecall: ECall) -> object:
    messages = [
        ecall.sms.compose(NUMBER, TEXT, page_limit=1),
        ecall.sms.compose(RawAddress("963"), _LIMITED, sender="0123456789"),
        ecall.whatsapp.compose(OTHER_NUMBER, DocumentContent(media_id="f-1")),
        ecall.rcs.compose(NUMBER, StickerContent(media_id="f-1"), extra={"campaign": "Summer"}),
    ]
    return ecall.messages.send_list(
        messages, notify=Notify("ops@example.com", for_event="FinalOnly")
    )


# The part before the comma is the method; what follows tells its calls apart.
METHODS: dict[str, Method] = {
    "sms.send": lambda ecall: ecall.sms.send(NUMBER, TEXT),
    "sms.send, with all there is": lambda ecall: ecall.sms.send(
        INTERNATIONAL,
        "Grüezi €5",
        sender="+41 79 100 00 01",
        page_limit=2,
        notify=E164,
        extra={"campaign": ["Summer"]},
    ),
    "sms.send, limited by its content": lambda ecall: ecall.sms.send(RawAddress("963"), _LIMITED),
    "sms.broadcast": lambda ecall: ecall.sms.broadcast([NUMBER, OTHER_NUMBER, E164], TEXT),
    "sms.broadcast, with all there is": lambda ecall: ecall.sms.broadcast(
        (NUMBER,),
        TEXT,
        sender="12345678",
        page_limit=1,
        notify=["https://hooks.example.com", NUMBER],
        extra={"n": 1},
    ),
    "sms.compose": lambda ecall: ecall.sms.compose(NUMBER, TEXT),
    "whatsapp.send": lambda ecall: ecall.whatsapp.send(NUMBER, "x" * 4096),
    "whatsapp.send, image": lambda ecall: ecall.whatsapp.send(NUMBER, ImageContent(media_id="f-1")),
    "whatsapp.send, video": lambda ecall: ecall.whatsapp.send(
        NUMBER, VideoContent(media_id="f-1"), notify=Notify(_GET)
    ),
    "whatsapp.broadcast": lambda ecall: ecall.whatsapp.broadcast(
        [NUMBER], AudioContent(media_id="f-1"), extra={}
    ),
    "whatsapp.send_file": lambda ecall: ecall.whatsapp.send_file(
        NUMBER, FILE, content_type="image/png"
    ),
    "whatsapp.compose": lambda ecall: ecall.whatsapp.compose(NUMBER, TEXT),
    "rcs.send": lambda ecall: ecall.rcs.send(NUMBER, "x" * 1000, sender="another-agent"),
    "rcs.send, sticker": lambda ecall: ecall.rcs.send(NUMBER, StickerContent(media_id="f-1")),
    "rcs.broadcast": lambda ecall: ecall.rcs.broadcast(
        [NUMBER, OTHER_NUMBER], TEXT, notify=Notify(NUMBER, _GET)
    ),
    "rcs.send_file": lambda ecall: ecall.rcs.send_file(NUMBER, FILE, content_type="audio/ogg"),
    "rcs.compose": lambda ecall: ecall.rcs.compose(NUMBER, TEXT),
    "messages.status": lambda ecall: ecall.messages.status("m/1 ü"),
    "messages.wait": lambda ecall: ecall.messages.wait("m-1", timeout=60),
    "messages.wait, until sent": lambda ecall: ecall.messages.wait("m-1", timeout=20, until="sent"),
    "messages.send_list": _list,
    "messages.list_status": lambda ecall: ecall.messages.list_status("l-1"),
    "media.upload": _upload,
    "media.upload, of unknown length": lambda ecall: ecall.media.upload(_Pipe(FILE)),
    "media.stream": _stream,
    "media.download": _download,
    "request": lambda ecall: ecall.request("post", "/api/message", json={"channel": "Sms"}),
    "request, read": lambda ecall: ecall.request("GET", "/api/v1/message/m-1?a=b"),
    "with_options": lambda ecall: repr(ecall.with_options(api_version="v1", version_in="header")),
    "close": lambda ecall: ecall.close(),
}


def public_methods(client: object) -> set[str]:
    """Return the names of all public methods of a client, with the name of the resource in front."""
    names = {name for name in dir(client) if not name.startswith("_")}
    found: set[str] = set()
    for name in names:
        member = getattr(client, name)
        if callable(member):
            found.add("close" if name == "aclose" else name)
        elif not isinstance(member, str):  # base_url is a property, not a resource
            found |= {f"{name}.{method}" for method in dir(member) if not method.startswith("_")}
    return found


def called(name: str) -> str:
    return name.partition(",")[0]
