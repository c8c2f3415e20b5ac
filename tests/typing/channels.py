"""Checked by mypy and basedpyright, never run: what a channel cannot carry is an error of type.

Each line that ends with `# refused` must be named by both checkers, and no other line.
"""

from __future__ import annotations

from typing import assert_type

from ecall_facade import (
    AsyncECall,
    AudioContent,
    DocumentContent,
    ECall,
    ImageContent,
    ListStatus,
    Media,
    MessageListItem,
    MessageStatus,
    SentBroadcast,
    SentList,
    SentMessage,
    StickerContent,
    TextContent,
    VideoContent,
)

TEXT = TextContent(text="hello")
IMAGE = ImageContent(media_id="m-1")
DOCUMENT = DocumentContent(media_id="m-1")
AUDIO = AudioContent(media_id="m-1")
VIDEO = VideoContent(media_id="m-1")
STICKER = StickerContent(media_id="m-1")


def carried(ecall: ECall) -> None:
    assert_type(ecall.sms.send("079", "hello"), SentMessage)
    assert_type(ecall.sms.send("079", TEXT, page_limit=2), SentMessage)
    assert_type(ecall.sms.broadcast(["079"], TEXT), SentBroadcast)
    assert_type(ecall.sms.compose("079", TEXT), MessageListItem)
    assert_type(ecall.whatsapp.send("079", "hello"), SentMessage)
    assert_type(ecall.whatsapp.send("079", IMAGE), SentMessage)
    assert_type(ecall.whatsapp.broadcast(["079"], DOCUMENT), SentBroadcast)
    assert_type(ecall.whatsapp.compose("079", AUDIO), MessageListItem)
    assert_type(ecall.whatsapp.send_file("079", "menu.pdf"), SentMessage)
    assert_type(ecall.rcs.send("079", VIDEO), SentMessage)
    assert_type(ecall.rcs.send("079", STICKER), SentMessage)
    assert_type(ecall.rcs.broadcast(["079"], STICKER), SentBroadcast)
    assert_type(ecall.messages.status("m-1"), MessageStatus)
    assert_type(ecall.messages.wait("m-1", timeout=1), MessageStatus)
    assert_type(ecall.messages.send_list([ecall.sms.compose("079", "hello")]), SentList)
    assert_type(ecall.messages.list_status("l-1"), ListStatus)
    assert_type(ecall.media.upload(b"x", content_type="image/png"), Media)


async def carried_async(ecall: AsyncECall) -> None:
    assert_type(await ecall.sms.send("079", "hello"), SentMessage)
    assert_type(await ecall.sms.broadcast(["079"], TEXT), SentBroadcast)
    assert_type(ecall.sms.compose("079", TEXT), MessageListItem)
    assert_type(await ecall.whatsapp.send("079", IMAGE), SentMessage)
    assert_type(await ecall.whatsapp.send_file("079", "menu.pdf"), SentMessage)
    assert_type(await ecall.rcs.send("079", STICKER), SentMessage)
    assert_type(await ecall.messages.status("m-1"), MessageStatus)
    assert_type(await ecall.messages.wait("m-1", timeout=1), MessageStatus)
    assert_type(await ecall.messages.send_list([ecall.sms.compose("079", "hello")]), SentList)
    assert_type(await ecall.media.upload(b"x", content_type="image/png"), Media)


def refused(ecall: ECall) -> None:
    ecall.sms.send("079", IMAGE)  # refused
    ecall.sms.send("079", STICKER)  # refused
    ecall.sms.broadcast(["079"], DOCUMENT)  # refused
    ecall.sms.compose("079", AUDIO)  # refused
    ecall.sms.send("079", 17)  # refused
    ecall.whatsapp.send("079", STICKER)  # refused
    ecall.whatsapp.broadcast(["079"], STICKER)  # refused
    ecall.whatsapp.compose("079", STICKER)  # refused
    ecall.whatsapp.send("079", "hello", page_limit=2)  # refused
    ecall.rcs.send("079", b"hello")  # refused
    ecall.messages.send_list(["hello"])  # refused


async def refused_async(ecall: AsyncECall) -> None:
    await ecall.sms.send("079", IMAGE)  # refused
    await ecall.sms.broadcast(["079"], VIDEO)  # refused
    ecall.sms.compose("079", STICKER)  # refused
    await ecall.whatsapp.send("079", STICKER)  # refused
    await ecall.whatsapp.broadcast(["079"], STICKER)  # refused
    ecall.whatsapp.compose("079", STICKER)  # refused
    await ecall.whatsapp.send("079", "hello", page_limit=2)  # refused
    await ecall.rcs.send("079", b"hello")  # refused
    await ecall.messages.send_list(["hello"])  # refused
