"""What an editor shows while a person writes code with the package: names, signatures and explanations."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from _language_server import CURSOR, LanguageServer

from ecall_facade import DeliveryState

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
from ecall_facade import (
    APIError, AsyncECall, Channel, DeliveryState, ECall, ECallError, ImageContent, InvalidNumber,
    MessageStatus, SentBroadcast, SentList, SentMessage, StickerContent, WaitTimeout,
)
from ecall_facade.bulk import Job, Ledger, Row, SendReport, read_messages
from ecall_facade.sandbox import Message, Sandbox
from ecall_facade.webhooks import ReceivedMessage, Receiver, StatusUpdate


async def program(ecall: ECall, aecall: AsyncECall) -> None:
    {question}
"""
"""What stands around a question; names of variables are declared where they are used."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """Start the server in the folder of a new program, which uses the environment of the tests."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "pyrightconfig.json").write_text(
        f'{{"venvPath": "{ROOT}", "venv": ".venv", "typeCheckingMode": "off"}}'
    )
    with LanguageServer(folder) as server:
        yield server


def ask(question: str) -> str:
    """Return the module of a question."""
    indented = dedent(question).strip().replace("\n", "\n    ")
    return MODULE.replace("{question}", indented)


def public_names(server: LanguageServer, question: str) -> list[str]:
    """Return the names that are offered before those that begin with an underscore."""
    names = server.complete(ask(question))
    private = [position for position, name in enumerate(names) if name.startswith("_")]
    first = private[0] if private else len(names)
    assert not [name for name in names[first:] if not name.startswith("_")]
    return names[:first]


# Names that are offered


OF_A_SANDBOX = """
    clear clock credentials fail_next media messages notifications redeliver reply start stop url
    wait_for
"""
OF_AN_ERROR = [
    "add_note",
    "args",
    "explanation",
    "may_have_been_sent",
    "request_id",
    "with_traceback",
]


@pytest.mark.parametrize(
    ("type_name", "names"),
    [
        ("ECall", "base_url close media messages rcs request sms whatsapp with_options"),
        ("AsyncECall", "aclose base_url media messages rcs request sms whatsapp with_options"),
        ("SentMessage", "message_id pages raw request_id sent_at"),
        (
            "SentBroadcast",
            "duplicates ids_by_recipient message_ids raw recipients request_id sent_at",
        ),
        ("SentList", "accepted entries list_id raw rejected request_id"),
        ("MessageStatus", "error is_final message_id raw request_id state updated_at"),
        ("StatusUpdate", "error is_final key message_id raw recipient state updated_at"),
        (
            "ReceivedMessage",
            "channel key media_id message_id raw received_at recipient sender text",
        ),
        ("ECallError", " ".join(OF_AN_ERROR)),
        (
            "APIError",
            " ".join([*OF_AN_ERROR, "body code details message retry_after status_code"]),
        ),
        ("InvalidNumber", " ".join([*OF_AN_ERROR, "problems"])),
        ("WaitTimeout", " ".join([*OF_AN_ERROR, "status"])),
        ("Ledger", "close forget job jobs record recover seen send_chunk"),
        ("Sandbox", OF_A_SANDBOX),
    ],
)
def test_the_names_of_a_value_are_those_that_are_public(
    server: LanguageServer, type_name: str, names: str
) -> None:
    question = f"def other(value: {type_name}) -> None:\n    value.{CURSOR}"
    of_os_error = {"errno", "filename", "filename2", "strerror", "winerror"}
    offered = set(public_names(server, question)) - of_os_error  # which a TimeoutError is
    assert sorted(offered) == sorted(names.split())


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("sms", "broadcast compose send"),
        ("whatsapp", "broadcast compose send send_file"),
        ("rcs", "broadcast compose send send_file"),
        ("messages", "list_status send_list status wait"),
        ("media", "download stream upload"),
    ],
)
@pytest.mark.parametrize("client", ["ecall", "aecall"])
def test_the_methods_of_a_resource_are_those_that_are_public(
    server: LanguageServer, client: str, resource: str, names: str
) -> None:
    assert public_names(server, f"{client}.{resource}.{CURSOR}") == names.split()


@pytest.mark.parametrize(
    ("module", "few"),
    [
        ("ecall_facade", ["ECall", "AsyncECall", "ECallError", "Notify", "text"]),
        ("ecall_facade.bulk", ["Ledger", "Message", "read_messages"]),
        ("ecall_facade.sandbox", ["Sandbox"]),
        ("ecall_facade.webhooks", ["Receiver", "StatusUpdate", "WebhookApp", "handle_once"]),
    ],
)
def test_a_module_offers_its_public_names_first(
    server: LanguageServer, module: str, few: list[str]
) -> None:
    names = server.complete(f"from {module} import {CURSOR}")
    public = set(import_module(module).__all__) - {"__version__"}
    first_private = next(position for position, name in enumerate(names) if name.startswith("_"))
    assert set(few) <= public <= set(names[:first_private])


def test_states_come_before_the_methods_of_strings(server: LanguageServer) -> None:
    names = server.complete(ask(f"DeliveryState.{CURSOR}"))
    assert names[:7] == sorted(state.name for state in DeliveryState)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (
            "ECall(",
            """
            api_version base_url password region retry sender timeout transport username version_in
            """,
        ),
        ("ecall.sms.send(", "content extra notify page_limit sender to"),
        ("aecall.whatsapp.send(", "content extra notify sender to"),
        ("ecall.messages.wait(", "message_id timeout until"),
        ("Receiver(", "basic_auth clock max_body path_secret sources trusted_proxies"),
    ],
)
def test_the_arguments_of_a_call_are_offered_first(
    server: LanguageServer, call: str, names: str
) -> None:
    offered = server.complete(ask(call + CURSOR))
    arguments = [name.removesuffix("=") for name in offered if name.endswith("=")]
    assert arguments == names.split()
    assert offered[: len(arguments)] == [f"{name}=" for name in arguments]


@pytest.mark.parametrize(
    ("call", "values"),
    [
        ('ecall.messages.wait("m-1", timeout=60, until="', ["final", "sent"]),
        ('ECall(version_in="', ["header", "path"]),
        ('read_messages("people.csv", channel="', ["rcs", "sms", "whatsapp"]),
    ],
)
def test_the_values_of_an_argument_are_offered(
    server: LanguageServer, call: str, values: list[str]
) -> None:
    offered = [name.strip("\"'") for name in server.complete(ask(call + CURSOR + '")'))]
    assert sorted(offered) == values


# Signatures


@pytest.mark.parametrize(
    ("call", "signature"),
    [
        (
            "ecall.sms.send(",
            """
            (to: Recipient, content: SmsContent, *, sender: str | None = None,
            page_limit: int | None = None, notify: Notifiable = None,
            extra: Extra | None = None) -> SentMessage
            """,
        ),
        (
            "ecall.rcs.broadcast(",
            """
            (to: Iterable[Recipient], content: RcsContent, *, sender: str | None = None,
            notify: Notifiable = None, extra: Extra | None = None) -> SentBroadcast
            """,
        ),
        (
            "aecall.messages.status(",
            "(message_id: str) -> CoroutineType[Any, Any, MessageStatus]",
        ),
        (
            "ecall.request(",
            "(method: str, path: str, *, json: JSON = None) -> RawResponse",
        ),
    ],
)
def test_a_call_shows_its_signature(server: LanguageServer, call: str, signature: str) -> None:
    assert server.sign(ask(call + CURSOR)) == " ".join(signature.split())


# Explanations


@pytest.mark.parametrize(
    ("question", "declaration", "explanation"),
    [
        (f"EC{CURSOR}all()", "timeout: Timeout = (5, 30),", "A client of eCall."),
        (f"Cha{CURSOR}nnel", "class Channel(", "a value that is not listed here is kept"),
        (f"ecall.sms.se{CURSOR}nd", "def send(", "Send one text to one recipient."),
        (f"aecall.rcs.se{CURSOR}nd", "def send(", "Send one message to one recipient."),
        (
            f'ecall.sms.send("079 123 45 67", "hi", noti{CURSOR}fy=None)',
            "(parameter) notify: Notifiable",
            "Who is notified about the delivery",
        ),
        (f"ecall.messages.wa{CURSOR}it", "-> MessageStatus", "Wait until a message has come"),
        (f"StickerC{CURSOR}ontent", "class StickerContent(", "not supported on WhatsApp"),
        (f"WaitT{CURSOR}imeout", "class WaitTimeout(", "`wait` reached its deadline."),
        (f"read_m{CURSOR}essages", "def read_messages(", "Return the messages of a file"),
        (f"ecall.wha{CURSOR}tsapp", "whatsapp: Whatsapp", "Texts and media by WhatsApp."),
        (
            f"def other(value: SentBroadcast) -> None:\n    value.dupli{CURSOR}cates",
            "duplicates: tuple[str, ...]",
            "The recipients that were left out",
        ),
        (
            f"def other(value: APIError) -> None:\n    value.may_have{CURSOR}_been_sent",
            "may_have_been_sent: bool",
            "False only if it is certain that the failed call texted nobody",
        ),
        (
            f"def other(value: StatusUpdate) -> None:\n    value.is_fi{CURSOR}nal",
            "is_final: bool",
            "Whether no further change will come.",
        ),
        (
            f"def other(value: SendReport) -> None:\n    value.stop{CURSOR}ped",
            "stopped: JobStop | None",
            "Why the job was stopped",
        ),
        (
            f"def other(value: Ledger) -> None:\n    value.se{CURSOR}en",
            "(property) seen: LedgerSeen",
            "The deduplicator",
        ),
        (
            f"def other(value: Sandbox) -> None:\n    value.wait_f{CURSOR}or",
            "-> Message",
            "Return the first message that matches",
        ),
    ],
)
def test_a_name_is_declared_and_explained(
    server: LanguageServer, question: str, declaration: str, explanation: str
) -> None:
    shown = server.hover(ask(question))
    assert declaration in shown
    assert explanation in shown


def test_a_fixture_of_the_pytest_plugin_is_what_its_annotation_says(
    server: LanguageServer,
) -> None:
    test = f"""
        def test_a_code_arrives(ecall_sandbox: Sandbox) -> None:
            ecall = ECall(**ecall_sandbox.credentials)
            ecall_sandbox.messages[0].te{CURSOR}xt
    """
    assert "text: str | None" in server.hover(ask(test))


# Errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('ecall.sms.send("079", ImageContent("m-1"))', '"ImageContent" is not assignable to "str"'),
        ('ecall.whatsapp.send("079", StickerContent("m-1"))', '"StickerContent" is not assignable'),
        ('ecall.sms.send("079", "hi", page_limits=1)', 'No parameter named "page_limits"'),
        ('ecall.messages.wait("m-1")', 'Argument missing for parameter "timeout"'),
        ('ECall(version_in="query")', "\"Literal['query']\" is not assignable to"),
        ("ecall.sms.sendd", 'Cannot access attribute "sendd" for class "Sms"'),
    ],
)
def test_a_mistake_is_named(server: LanguageServer, call: str, words: str) -> None:
    found = server.diagnose("# pyright: standard\n" + ask(call))
    assert len(found) == 1
    assert words in found[0]
