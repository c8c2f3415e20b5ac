"""The other end of the benchmark: answers each library in the shape that it expects, at once or after a while.

python server.py SIZE    serves until it is ended; prints its two ports: one that answers at once, one that waits 50 ms

No more of HTTP than the libraries need, so that little of the machine goes to this side.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from functools import partial

ID = "b1f5a2f0-0001-4c6e-9d3a-000000000001"
LATENCY = 0.05
AT = "2026-01-15T09:30:00.000Z"
FROM, TO, TEXT = "+41790000000", "+41791234567", "Your code is 481 516"
BLOCK = bytes(2**18)

# What the path of a send holds, the status, and the answer as the service's own documentation shows it.
ANSWERS: dict[str, tuple[int, object]] = {
    "/api/v2/message": (200, {"messageId": ID, "timestamp": AT}),
    "/api/v2/media": (200, {"mediaId": ID}),
    "/Messages.json": (
        201,
        {
            "account_sid": "AC" + 32 * "0",
            "api_version": "2010-04-01",
            "body": TEXT,
            "date_created": "Thu, 15 Jan 2026 09:30:00 +0000",
            "date_sent": None,
            "date_updated": "Thu, 15 Jan 2026 09:30:00 +0000",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": FROM,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": ID,
            "status": "queued",
            "subresource_uris": {
                "media": f"/2010-04-01/Accounts/AC{32 * '0'}/Messages/{ID}/Media.json"
            },
            "to": TO,
            "uri": f"/2010-04-01/Accounts/AC{32 * '0'}/Messages/{ID}.json",
        },
    ),
    "/v1/messages": (202, {"message_uuid": ID}),
    "/xms/v1/": (
        201,
        {
            "id": ID,
            "to": [TO[1:]],
            "from": FROM[1:],
            "canceled": False,
            "body": TEXT,
            "type": "mt_text",
            "created_at": AT,
            "modified_at": AT,
            "delivery_report": "none",
            "expire_at": AT,
            "flash_message": False,
        },
    ),
    "/v2/messages": (
        200,
        {
            "data": {
                "record_type": "message",
                "direction": "outbound",
                "id": ID,
                "type": "SMS",
                "messaging_profile_id": ID,
                "from": {"phone_number": FROM, "carrier": "", "line_type": ""},
                "to": [{"phone_number": TO, "status": "queued", "carrier": "", "line_type": ""}],
                "text": TEXT,
                "media": [],
                "webhook_url": None,
                "encoding": "GSM-7",
                "parts": 1,
                "tags": [],
                "cost": None,
                "received_at": AT,
                "sent_at": None,
                "completed_at": None,
                "valid_until": AT,
                "errors": [],
            }
        },
    ),
    "/sms/3/messages": (
        200,
        {
            "bulkId": ID,
            "messages": [
                {
                    "messageId": ID,
                    "status": {
                        "groupId": 1,
                        "groupName": "PENDING",
                        "id": 26,
                        "name": "PENDING_ACCEPTED",
                        "description": "Message sent to next instance",
                    },
                    "destination": TO[1:],
                    "details": {"messageCount": 1},
                }
            ],
        },
    ),
    "/Message/": (202, {"api_id": ID, "message": "message(s) queued", "message_uuid": [ID]}),
}


def head(status: int, kind: str, length: int) -> bytes:
    return (
        f"HTTP/1.1 {status} OK\r\nDate: Thu, 15 Jan 2026 09:30:00 GMT\r\nContent-Type: {kind}\r\n"
        f"x-f24-request-id: b1f5a2f0-0004-4c6e-9d3a-000000000001\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def whole(status: int, answer: object) -> bytes:
    data = json.dumps(answer).encode()
    return head(status, "application/json; charset=utf-8", len(data)) + data


READY = {part.encode(): whole(*answer) for part, answer in ANSWERS.items()}
UNKNOWN = whole(404, {})


class Service(asyncio.Protocol):
    """One connection: takes a request of any length without keeping its body, answers it, takes the next."""

    def __init__(self, latency: float, size: int) -> None:
        self.latency = latency
        self.size = size
        self.received = b""
        self.answer = b""
        self.body_left = 0.0  # infinite for one in chunks
        self.file_left = 0
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.body_left:
            if (end := self.received.find(b"\r\n\r\n")) < 0:
                return
            self._read_head(self.received[:end])
            self.received = self.received[end + 4 :]
        if self.body_left == float(
            "inf"
        ):  # its end is the last thing that comes, as no client here sends ahead
            if not self.received.endswith(b"0\r\n\r\n"):
                self.received = self.received[-5:]
                return
            self.body_left = 0
        self.body_left -= len(self.received)
        self.received = b""
        if self.body_left <= 0:
            self.body_left = 0
            self._respond()

    def _read_head(self, data: bytes) -> None:
        line, _, headers = data.partition(b"\r\n")
        method, path, _ = line.split(b" ")
        if method == b"GET":
            self.answer = head(200, "application/octet-stream", self.size)
            self.file_left = self.size
        else:
            self.answer = next((answer for part, answer in READY.items() if part in path), UNKNOWN)
        length = re.search(rb"(?i)^content-length: *(\d+)", headers, re.MULTILINE)
        chunked = b"transfer-encoding: chunked" in headers.lower()
        self.body_left = float("inf") if chunked else int(length[1] if length else 0)

    def _respond(self) -> None:
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._write, self.answer)
        else:
            self._write(self.answer)

    def _write(self, answer: bytes) -> None:
        self.transport.write(answer)
        self._write_file()

    def _write_file(self) -> None:
        while self.file_left and not self.paused:
            block = BLOCK[: self.file_left]
            self.file_left -= len(block)
            self.transport.write(block)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._write_file()


async def serve(size: int) -> None:
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(partial(Service, latency, size), "127.0.0.1", 0, backlog=512)
        for latency in (0.0, LATENCY)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
