"""The sandbox's page in a real browser, against real sandboxes, clients and receivers."""

from __future__ import annotations

import io
import json
import re
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")

from _browser import Browser, open_browser, why_none
from _receiver import CallbackReceiver
from _reverse_proxy import (
    KEEPS_HOST,
    NGINX,
    SAYS_FORWARDED_HOST,
    WRITES_OWN_HOST,
    run_nginx,
    run_tls_proxy,
)
from selenium.webdriver.common.keys import Keys

from ecall_facade import (
    AudioContent,
    BadRequest,
    DocumentContent,
    ECall,
    ImageContent,
    ServerError,
    StickerContent,
    VideoContent,
)
from ecall_facade.sandbox import Sandbox

NONE = why_none()
pytestmark = pytest.mark.skipif(NONE is not None, reason=f"no browser: {NONE}")

ANNA, BEAT, CARLA = "+41791234567", "+41787654321", "+41765432109"
FAILS = "+41790001001"  # a magic recipient
PICTURE = Path(__file__).parents[2] / "ecall_facade" / "sandbox" / "picture.png"
EVIL = """<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>"'&lt;b&gt;"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser. After the test it checks that the page had no error and did not break its own rules."""
    chromium.console()
    yield chromium
    assert chromium.problems() == []
    assert [
        line
        for line in chromium.console()
        if re.search(r"Content Security|Uncaught|Refused to", line)
    ] == []
    chromium.driver.get("about:blank")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def ecall(sandbox: Sandbox) -> Iterator[ECall]:
    with ECall(**sandbox.credentials, retry=False) as ecall:
        yield ecall


def open_page(browser: Browser, sandbox: Sandbox, number: str | None = None, **window: Any) -> None:
    browser.open(sandbox.url + ("/" if number is None else f"/#/to/{quote(number)}"), **window)
    browser.wait_for_text("Live", "#connection")


def numbers_shown(browser: Browser) -> list[str]:
    return browser.text("#conversations .who").splitlines()


def texts_shown(browser: Browser) -> list[str]:
    return browser.text("#bubbles .text").splitlines()


def wait_until(browser: Browser, look: Callable[[], object], what: str) -> None:
    browser.wait_for(look, what)


# --- messages


def test_a_message_appears_and_its_state_changes_without_reload(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    sandbox.clock.freeze()
    open_page(browser, sandbox)
    browser.wait_for_text(f'base_url="{sandbox.url}"', "#empty")
    browser.run("window.mark = 1")

    ecall.sms.send(ANNA, "Your code is 481 516", sender="ACME")
    browser.wait_for_text("Your code is 481 516", "#bubbles")
    assert browser.text("#bubbles .state") == "○Pending"
    assert browser.text("#bubbles .sender") == "ACME"
    assert "1 page · GSM-7" in browser.text("#bubbles .note")
    assert numbers_shown(browser) == ["+41 79 123 45 67"]
    assert not browser.one("#empty").is_displayed()

    browser.run("document.querySelector('#bubbles .bubble').mark = 1")
    for seconds, state in ((0.1, "Sent"), (0.1, "Delivered")):
        sandbox.clock.advance(seconds=seconds)
        browser.wait_for_text(state, "#bubbles .state")
        browser.wait_for_text(state, "#conversations .state")
    assert browser.run("return [window.mark, document.querySelector('#bubbles .bubble').mark]") == [
        1,
        1,
    ]


def test_the_newest_conversation_is_first_and_new_messages_are_marked(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    open_page(browser, sandbox)
    ecall.sms.send(ANNA, "One")
    browser.wait_for_text("One", "#bubbles")
    ecall.rcs.send(BEAT, "Two")
    ecall.whatsapp.send(BEAT, "Three")
    browser.wait_for_text("Three", "#conversations")
    assert numbers_shown(browser) == ["+41 78 765 43 21", "+41 79 123 45 67"]
    assert texts_shown(browser) == ["One"]
    assert browser.text(".badge") == "2 new"
    assert browser.driver.title.startswith("(2) ")
    browser.one("#conversations a").click()
    browser.wait_for_text("Three", "#bubbles")
    assert browser.text("#bubbles .channel") == "RCS\nWhatsApp"
    wait_until(browser, lambda: not browser.all(".badge"), "no badge")
    assert browser.one("[aria-current]").text.startswith("+41 78 765 43 21")


def test_failed_and_refused_messages_are_shown_with_their_reason(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    open_page(browser, sandbox, ANNA)
    ecall.sms.send(FAILS, "To a phone that is off")
    with pytest.raises(BadRequest):
        ecall.request("POST", "/api/message", json=raw_sms("12", "Refused"))
    sandbox.fail_next(500, message="Planned")
    with pytest.raises(ServerError):
        ecall.sms.send(ANNA, "Lost")
    browser.wait_for_text("Refused, 500: planned: 500, Planned", "#bubbles .refused .state")
    assert texts_shown(browser) == ["Lost"]

    browser.run("location.hash = arguments[0]", f"#/to/{quote(FAILS)}")
    browser.wait_for_text("Failed · 1001: timeout", "#bubbles .state")
    browser.run("location.hash = '#/to/12'")
    browser.wait_for_text("Refused, 400", "#bubbles .refused .state")
    assert "invalid receiver" in browser.text("#bubbles .state")
    assert texts_shown(browser) == ["Refused"]

    with pytest.raises(BadRequest):
        ecall.request("POST", "/api/message", json={"channel": "Sms"})
    browser.wait_for_text("Requests without a recipient", "#conversations")
    browser.one("#conversations a").click()
    browser.wait_for_text("To or ToList is required", "#bubbles .refused .state")
    assert not browser.one("#reply").is_displayed()


def test_pictures_and_sound_are_shown_and_other_files_are_links(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 8000)
    for content, data in (
        (ImageContent, PICTURE.read_bytes()),
        (AudioContent, sound.getvalue()),
        (DocumentContent, b"%PDF-1.7 a plan"),
        (StickerContent, PICTURE.read_bytes()),
        (VideoContent, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100)),  # which is broken
    ):
        ecall.rcs.send(ANNA, cast("Any", content)(media_id=ecall.media.upload(data).media_id))
    open_page(browser, sandbox, ANNA)
    look = (
        "return [...document.querySelectorAll('#bubbles img')].map((i) => i.naturalWidth + i.alt)"
    )
    wanted = ["480Picture from sandbox-agent", "480Sticker from sandbox-agent"]
    wait_until(browser, lambda: browser.run(look) == wanted, "pictures")
    assert len(browser.all("#bubbles .sticker img")) == 1
    assert (
        browser.one("#bubbles .sticker .bubble").value_of_css_property("background-color")
        == "rgba(0, 0, 0, 0)"
    )
    wait_until(
        browser,
        lambda: browser.run("return document.querySelector('audio').duration") == 1,
        "sound",
    )
    wait_until(browser, lambda: len(browser.all("#bubbles a.file")) == 2, "links")
    assert "application/pdf" in browser.text("#bubbles a.file") or "octet-stream" in browser.text(
        "#bubbles a.file"
    )
    assert "15 bytes" in browser.text("#bubbles a.file")


def test_the_banner_says_how_many_messages_were_dropped(browser: Browser) -> None:
    with Sandbox(max_messages=2) as sandbox, ECall(**sandbox.credentials) as ecall:
        for text in ("One", "Two", "Three"):
            ecall.sms.send(ANNA, text)
        open_page(browser, sandbox)
        browser.wait_for_text("1 old message was dropped.", ".banner summary")
        assert texts_shown(browser) == ["Two", "Three"]
        assert "at most 2 messages, 1,000 files" in browser.text("#limits")
        assert "Inferred, and possibly wrong" in browser.text(".banner")


# --- replies


def test_a_reply_reaches_the_program_and_its_response_is_shown(
    browser: Browser, callback_receiver: CallbackReceiver
) -> None:
    with replying(browser, callback_receiver.url):
        type_reply(browser, "Yes, I am coming 🙂")
        browser.wait_for_text("Your program answered 200: <b>ok</b>", "#reply-status")
        browser.wait_for_text("Your program answered 200: <b>ok</b>", "#bubbles .inbound .state")
        (call,) = callback_receiver.calls
        assert call.data["content"]["text"] == "Yes, I am coming 🙂"
        assert (call.data["from"], call.data["to"]) == (ANNA, "ACME")
        assert browser.text("#bubbles .inbound .text") == "Yes, I am coming 🙂"
        assert browser.one("#reply-text").get_attribute("value") == ""


@pytest.mark.parametrize(("status", "body"), [(500, EVIL), (202, "thanks")])
def test_a_reply_shows_that_ecall_accepts_only_200(
    browser: Browser, callback_receiver: CallbackReceiver, status: int, body: str
) -> None:
    callback_receiver.next_statuses, callback_receiver.body = [status], body.encode()
    shown = f"Your program answered {status}, but eCall requires 200: {body}"
    with replying(browser, callback_receiver.url):
        type_reply(browser, "Hello")
        for place in ("#reply-status.bad", "#bubbles .inbound .state.bad"):
            browser.wait_for_text(shown, place)
        assert_inert(browser)


def test_a_reply_shows_that_the_program_did_not_answer(browser: Browser, closed_port: int) -> None:
    with replying(browser, f"http://127.0.0.1:{closed_port}/"):
        type_reply(browser, "Hello")
        browser.wait_for_text("Your program did not answer: ", "#reply-status.bad")
        browser.wait_for_text("Your program did not answer: ", "#bubbles .inbound .state.bad")


def test_a_late_response_to_a_reply_names_its_conversation(
    browser: Browser, callback_receiver: CallbackReceiver
) -> None:
    url = f"{callback_receiver.url}/wait"
    with replying(browser, url) as sandbox, ECall(**sandbox.credentials) as ecall:
        ecall.sms.send(BEAT, "And you?")
        browser.wait_for_text("And you?", "#conversations")
        type_reply(browser, "From Anna")
        browser.wait_for_text("Sending …", "#reply-status")
        browser.one("#reply-text").send_keys(", who types on")
        browser.run("location.hash = arguments[0]", f"#/to/{quote(BEAT)}")
        browser.wait_for_text("And you?", "#bubbles")
        type_reply(browser, "From Beat")
        wait_until(browser, lambda: len(callback_receiver.calls) == 2, "both replies")
        browser.run("location.hash = arguments[0]", f"#/to/{quote(CARLA)}")
        browser.wait_for_text("+41 76 543 21 09", "#number")
        callback_receiver.go.set()
        browser.wait_for_text(": Your program answered 200: <b>ok</b>", "#reply-status")
        said = browser.text("#reply-status")
        assert said.startswith(("+41 79 123 45 67: ", "+41 78 765 43 21: "))
        browser.run("location.hash = arguments[0]", f"#/to/{quote(ANNA)}")
        browser.wait_for_text("Your program answered 200: <b>ok</b>", "#bubbles .inbound .state")
        assert browser.one("#reply-text").get_attribute("value") == "From Anna, who types on"


def test_a_reply_that_cannot_be_posted_is_kept(
    browser: Browser, callback_receiver: CallbackReceiver
) -> None:
    with replying(browser, callback_receiver.url) as sandbox:
        sandbox.stop()
        type_reply(browser, "Hello")
        browser.wait_for_text("Not sent: ", "#reply-status.bad")
        assert browser.one("#reply-text").get_attribute("value") == "Hello"


def test_without_an_inbound_url_the_reply_form_says_how_to_set_one(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Hello")
    open_page(browser, sandbox, ANNA)
    browser.wait_for_text("Hello", "#bubbles")
    assert "inbound_url" in browser.one("#nowhere").text
    assert not browser.one("#reply-text").is_enabled()
    assert not browser.one("#send").is_enabled()


@contextmanager
def replying(browser: Browser, url: str) -> Iterator[Sandbox]:
    """Open a conversation that can be replied in."""
    with Sandbox(inbound_url=url) as sandbox, ECall(**sandbox.credentials) as ecall:
        ecall.sms.send(ANNA, "Are you coming?", sender="ACME")
        open_page(browser, sandbox, ANNA)
        browser.wait_for_text("Are you coming?", "#bubbles")
        yield sandbox


def type_reply(browser: Browser, text: str) -> None:
    browser.run(
        "const t = document.getElementById('reply-text'); t.focus(); t.value = arguments[0]", text
    )
    browser.one("#send").click()


# --- everything that a message contains is shown as text


def test_markup_in_texts_senders_numbers_and_file_names_is_shown_as_text(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    picture = ecall.media.upload(PICTURE.read_bytes()).media_id
    ecall.sms.send(ANNA, EVIL, sender="<b>ACME</b>")
    for kind in ("Image", "Document"):
        content = {"type": kind, "mediaId": picture, "caption": EVIL, "fileName": EVIL}
        named: Any = {"channel": "Rcs", "from": EVIL, "to": ANNA, "content": content}
        ecall.request("POST", "/api/message", json=named)
    with pytest.raises(BadRequest):
        ecall.request("POST", "/api/message", json=raw_sms(EVIL, EVIL))
    for channel in (EVIL, "constructor"):
        with pytest.raises(BadRequest):
            ecall.request("POST", "/api/message", json={**raw_sms(ANNA, EVIL), "channel": channel})
    open_page(browser, sandbox, ANNA)
    browser.wait_for_text("<b>ACME</b>", "#bubbles .sender")
    assert browser.text("#bubbles .text").count(EVIL) == 5
    assert browser.text("#bubbles .refused .channel") == f"{EVIL}\nconstructor"
    assert browser.text("#bubbles .sender").count(EVIL) == 2
    assert browser.one("#bubbles img").get_attribute("alt") == EVIL
    assert EVIL in numbers_shown(browser)
    assert_inert(browser)
    for button in browser.all("#bubbles [data-key]"):
        button.click()
        wait_until(
            browser, lambda: browser.one("#details").is_displayed(), "details"
        )  # and not the ones before
        browser.wait_for_text(
            "Message id"
            if "message" in (button.get_dom_attribute("data-key") or "")
            else "Request id",
            "#facts",
        )
        assert_inert(browser)
        browser.focused().send_keys(Keys.ESCAPE)
        wait_until(browser, lambda: not browser.one("#details").is_displayed(), "no details")
    browser.run("location.hash = '#/to/' + encodeURIComponent(arguments[0])", EVIL)
    wait_until(browser, lambda: browser.one("#number").text == EVIL, "the conversation")
    assert_inert(browser)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<!doctype html><script>window.pwned = 1; opener.pwned = 1</script>", "html"),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>window.pwned = 1</script></svg>',
            "svg",
        ),
        (b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>", "pdf"),
    ],
    ids=["html", "svg", "pdf"],
)
def test_a_file_with_a_script_is_downloaded_and_not_shown(
    browser: Browser, sandbox: Sandbox, ecall: ECall, data: bytes, name: str
) -> None:
    media_id = ecall.media.upload(data).media_id
    ecall.rcs.send(ANNA, ImageContent(media_id=media_id))
    ecall.rcs.send(ANNA, DocumentContent(media_id=media_id))
    open_page(browser, sandbox, ANNA)
    wait_until(browser, lambda: len(browser.all("#bubbles a.file[download]")) == 2, "links")
    assert_inert(browser)
    answer = browser.run(
        "return fetch(arguments[0]).then(({headers: h}) => [h.get('content-type'), h.get('content-disposition')])",
        f"/inbox/media/{media_id}",
    )
    assert answer[0] == "application/octet-stream"
    assert answer[1].startswith("attachment")
    before = browser.driver.current_url
    browser.run(
        "location.assign(arguments[0])", f"/inbox/media/{media_id}"
    )  # is downloaded, and not shown
    time.sleep(0.2)
    assert browser.driver.current_url == before
    assert_inert(browser)


def test_markup_in_the_address_of_the_page_is_shown_as_text(
    browser: Browser, sandbox: Sandbox
) -> None:
    open_page(browser, sandbox, EVIL)
    wait_until(browser, lambda: browser.one("#number").text == EVIL, "the number")
    assert_inert(browser)
    browser.run("location.hash = '#/to/%ff'")  # no UTF-8
    wait_until(browser, lambda: browser.one("#empty").is_displayed(), "the list")


def assert_inert(browser: Browser) -> None:
    assert browser.run("return window.pwned") is None
    found = (
        "script, iframe, object, embed, style, body b, [onerror], [onload], [src='x'], [style],"
        " a[href^='javascript']"
    )
    assert browser.run("return document.body.querySelectorAll(arguments[0]).length", found) == 0


def raw_sms(to: str, text: str) -> Any:
    return {"channel": "Sms", "from": "ACME", "to": to, "content": {"type": "Text", "text": text}}


# --- filter, clear, details, connection


def test_the_filter_finds_texts_numbers_channels_and_states(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Water is off")
    ecall.rcs.send(ANNA, "Water is on")
    ecall.whatsapp.send(BEAT, "Good morning")
    ecall.sms.send(FAILS, "Nobody hears this")
    open_page(browser, sandbox, ANNA)
    browser.wait_for_text("Failed", "#conversations")
    assert browser.text("#count") == "4 messages in 3 conversations"

    def filtered(query: str = "", channel: str = "All channels", state: str = "All states") -> str:
        field = browser.one("#query")
        field.clear()
        field.send_keys(query)
        browser.one("#channel").send_keys(channel)
        browser.one("#state").send_keys(state)
        browser.run("return new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return browser.text("#count")

    assert filtered("WATER") == "2 messages in 1 conversation"
    for written in ("079 123 45 67", "+41791234567", "0041 79 123", "79/123.45"):
        assert filtered(written) == "2 messages in 1 conversation", written
    assert filtered("water", channel="RCS") == "1 message in 1 conversation"
    assert texts_shown(browser) == ["Water is on"]
    assert browser.text("#tally") == "1 of 2 messages match the filter"
    assert filtered(channel="WhatsApp") == "1 message in 1 conversation"
    assert browser.one("#nothing").is_displayed()
    assert filtered(state="Failed") == "1 message in 1 conversation"
    assert numbers_shown(browser) == ["+41 79 000 10 01"]
    assert filtered("nothing like this") == "0 messages in 0 conversations"
    browser.one("#no-filter").click()
    browser.wait_for_text("4 messages in 3 conversations", "#count")
    assert texts_shown(browser) == ["Water is off", "Water is on"]


def test_clear_asks_before_it_deletes_everything(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Hello")
    open_page(browser, sandbox)
    browser.wait_for_text("Hello", "#bubbles")
    browser.one("#clear").click()
    browser.focused().send_keys(Keys.ESCAPE)
    wait_until(browser, lambda: not browser.one("#confirm").is_displayed(), "no question")
    assert len(sandbox.messages) == 1
    browser.one("#clear").click()
    browser.one("#really").click()
    browser.wait_for_text("0 messages in 0 conversations", "#count")
    assert sandbox.messages == []
    wait_until(browser, browser.one("#empty").is_displayed, "what to do first")
    ecall.sms.send(BEAT, "Hello again")
    browser.wait_for_text("Hello again", "#bubbles")


def test_another_window_notices_that_everything_was_cleared(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Hello")
    open_page(browser, sandbox)
    browser.wait_for_text("Hello", "#bubbles")
    sandbox.clear()
    browser.wait_for_text("0 messages in 0 conversations", "#count")


def test_details_show_request_response_and_curl_without_the_password(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    sandbox.clock.freeze()
    sent = ecall.sms.send(ANNA, "Grüezi \\ “Anna”")
    open_page(browser, sandbox)
    button = browser.one("#bubbles [data-key]")
    button.click()
    browser.wait_for_text(sent.message_id, "#facts")
    assert browser.text("#request-line") == "POST /api/v2/message"
    body = browser.text("#request-body")
    assert json.loads(body)["content"]["text"] == "Grüezi \\ “Anna”"
    assert '\n  "channel": "Sms"' in body
    assert json.loads(browser.text("#response-body"))["messageId"] == sent.message_id
    assert browser.text("#response-line").startswith("200")
    assert browser.text("#curl").startswith("curl ")
    assert "$ECALL_PASSWORD" in browser.text("#curl")
    assert sandbox.credentials["password"] not in browser.text("html")
    assert "authorization" not in browser.text("#details").lower()

    browser.wait_for_text("Pending", "#history")  # and is updated while it is shown
    sandbox.clock.advance(seconds=1)
    browser.wait_for_text("Delivered", "#history")

    browser.one("#copy").click()
    browser.wait_for(lambda: browser.text("#copied"), "the response of the button")
    browser.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    browser.one("#copy").click()
    browser.wait_for_text("Selected", "#copied")
    assert browser.run("return getSelection().toString()") == browser.text("#curl")

    browser.focused().send_keys(Keys.ESCAPE)
    wait_until(browser, lambda: not browser.one("#details").is_displayed(), "no details")
    assert browser.focused() == button


def test_details_say_that_the_sandbox_does_not_respond(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Hello")
    open_page(browser, sandbox)
    browser.wait_for_text("Delivered", "#bubbles")
    sandbox.stop()
    browser.one("#bubbles [data-key]").click()
    browser.wait_for_text("The sandbox does not respond", "#gone")
    assert not browser.one("#facts").is_displayed()


def test_the_page_reconnects_to_a_restarted_sandbox_and_to_another_one(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    ecall.sms.send(ANNA, "Before")
    open_page(browser, sandbox)
    browser.wait_for_text("Before", "#bubbles")
    sandbox.stop()
    browser.wait_for_text("No connection", "#connection[data-state=lost]")
    sandbox.start()
    ecall.sms.send(ANNA, "After")
    browser.wait_for_text("After", "#bubbles")
    browser.wait_for_text("Live", "#connection")
    port = int(sandbox.url.rpartition(":")[2])
    sandbox.stop()
    with Sandbox(port=port) as other, ECall(**other.credentials) as client:
        client.sms.send(BEAT, "From another sandbox")
        browser.wait_for_text("From another sandbox", "#conversations")
        assert numbers_shown(browser) == ["+41 78 765 43 21"]


@pytest.mark.parametrize("header", [KEEPS_HOST, WRITES_OWN_HOST, SAYS_FORWARDED_HOST])
@pytest.mark.parametrize(
    "run_proxy",
    [
        pytest.param(
            run_nginx, marks=pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
        ),
        run_tls_proxy,
    ],
)
def test_the_page_works_behind_a_tls_proxy_and_below_a_path(
    browser: Browser,
    callback_receiver: CallbackReceiver,
    tmp_path: Path,
    run_proxy: Callable[..., AbstractContextManager[str]],
    header: str,
) -> None:
    with (
        Sandbox(inbound_url=callback_receiver.url) as sandbox,
        run_proxy(sandbox.url, tmp_path, header) as address,
        ECall(**sandbox.credentials) as ecall,
    ):
        browser.open(address)
        browser.wait_for_text("No messages yet", "#empty")
        base_url = address.rstrip("/")
        assert f'base_url="{base_url}"' in browser.text("#python")
        assert f"ECALL_BASE_URL={base_url}\n" in browser.text("#shell")
        assert browser.run("return document.querySelector('.logo').naturalWidth") > 0

        # The stream of events comes through, and pictures do.
        uploaded = ecall.media.upload(PICTURE)
        ecall.whatsapp.send(ANNA, ImageContent(media_id=uploaded.media_id))
        browser.wait_for_text("Delivered", "#bubbles")
        wait_until(
            browser,
            lambda: browser.run("return document.querySelector('#bubbles img')?.naturalWidth > 0"),
            "the picture",
        )
        browser.one("#bubbles [data-key]").click()
        browser.wait_for_text(f"{base_url}/api/v2/message", "#curl")
        browser.one("#close").click()

        # Writes pass the origin check.
        browser.one("#reply-text").send_keys("Yes, gladly")
        browser.one("#send").click()
        browser.wait_for_text("Your program answered 200", "#reply-status")
        (call,) = callback_receiver.calls
        assert call.data["content"]["text"] == "Yes, gladly"
        browser.one("#clear").click()
        browser.one("#really").click()
        browser.wait_for_text("0 messages in 0 conversations", "#count")
        assert sandbox.messages == []

        # Other addresses lead to the page.
        for other in ("inbox", "index.html", "inbox/"):
            browser.driver.get(address + other)
            assert browser.driver.current_url.startswith(address)
            browser.wait_for_text("No messages yet", "#empty")
            assert "/inbox" not in browser.driver.current_url


# --- for everybody


def test_the_page_can_be_used_with_the_keyboard_alone(
    browser: Browser, callback_receiver: CallbackReceiver
) -> None:
    with (
        Sandbox(inbound_url=callback_receiver.url) as sandbox,
        ECall(**sandbox.credentials) as ecall,
    ):
        for number, text in ((ANNA, "One"), (BEAT, "Two"), (CARLA, "Three")):
            ecall.sms.send(number, text)
        open_page(browser, sandbox)
        browser.wait_for_text("Three", "#bubbles")
        browser.run("document.body.focus()")

        def tab_to(what: str) -> None:
            for _ in range(30):
                browser.focused().send_keys(Keys.TAB)
                if browser.run("return document.activeElement.matches(arguments[0])", what):
                    return
            raise AssertionError(f"Tab does not reach {what}")

        def has_focus(what: str) -> None:
            wait_until(
                browser,
                lambda: browser.run("return document.activeElement.matches(arguments[0])", what),
                what,
            )

        tab_to("#query")
        assert browser.focused().value_of_css_property("outline-style") == "solid"
        tab_to("#conversations a")
        browser.focused().send_keys(Keys.ARROW_DOWN)
        browser.focused().send_keys(Keys.ARROW_DOWN)
        browser.focused().send_keys(Keys.ARROW_UP)
        assert "+41 78 765 43 21" in browser.focused().text
        browser.focused().send_keys(Keys.ENTER)
        has_focus("#number")
        browser.wait_for_text("Two", "#bubbles")
        tab_to("#bubbles button")
        browser.focused().send_keys(Keys.ENTER)
        wait_until(browser, lambda: browser.one("#details").is_displayed(), "details")
        tab_to("#copy")
        browser.focused().send_keys(Keys.ESCAPE)
        has_focus("#bubbles button")
        tab_to("#reply-text")
        browser.focused().send_keys("Hello" + Keys.ENTER)
        browser.wait_for_text("Your program answered 200", "#reply-status")
        (call,) = callback_receiver.calls
        assert (call.data["from"], call.data["content"]["text"]) == (BEAT, "Hello")
        has_focus("#reply-text")


def test_every_control_has_an_accessible_name(
    browser: Browser, callback_receiver: CallbackReceiver
) -> None:
    with (
        replying(browser, callback_receiver.url) as sandbox,
        ECall(**sandbox.credentials) as ecall,
    ):
        ecall.whatsapp.send_file(ANNA, PICTURE)
        type_reply(browser, "Hello")
        browser.wait_for_text("Your program answered", "#reply-status")
        wait_until(browser, lambda: len(browser.all("#bubbles .bubble")) == 3, "bubbles")
        check_names(browser)
        assert browser.run("return document.documentElement.lang") == "en"
        assert len(browser.all("h1")) == 1
        assert browser.run(
            "return [...document.querySelectorAll('[id]')].map((e) => e.id)"
        ) == browser.run(
            "return [...new Set([...document.querySelectorAll('[id]')].map((e) => e.id))]"
        )
        browser.one("#bubbles [data-key]").click()
        browser.wait_for_text("Message id", "#facts")
        check_names(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(
    browser: Browser, callback_receiver: CallbackReceiver, scheme: str
) -> None:
    with (
        Sandbox(inbound_url=callback_receiver.url, max_messages=7) as sandbox,
        ECall(**sandbox.credentials) as ecall,
    ):
        open_page(browser, sandbox, scheme=scheme)
        browser.wait_for_text("No messages yet", "#empty")
        seen = contrasts(browser)
        for channel in (ecall.sms, ecall.whatsapp, ecall.rcs):
            channel.send(ANNA, "Hello")
            sandbox.reply(
                "Hello",
                channel={ecall.sms: "Sms", ecall.whatsapp: "Whatsapp"}.get(channel, "Rcs"),
            )
        for number in (FAILS, BEAT):
            ecall.sms.send(number, "Hello")
        for content in (DocumentContent, StickerContent):
            ecall.rcs.send(
                ANNA, cast("Any", content)(media_id=ecall.media.upload(b"a plan").media_id)
            )
        with pytest.raises(BadRequest):
            ecall.request(
                "POST",
                "/api/message",
                json={**raw_sms(ANNA, "Hello"), "from": "far too long a sender"},
            )
        browser.wait_for_text("Failed", "#conversations")
        browser.run("location.hash = arguments[0]", f"#/to/{quote(ANNA)}")
        browser.wait_for_text("Refused", "#bubbles")
        type_reply(browser, "Hello")
        browser.wait_for_text("answered", "#reply-status")
        browser.run("document.querySelector('.banner').open = true")
        seen += contrasts(browser)
        browser.one("#bubbles [data-key]").click()
        browser.wait_for_text("Message id", "#facts")
        seen += contrasts(browser)
        assert len(seen) > 100
        assert [found for found in seen if found["ratio"] < 4.5] == []
        dark = browser.run("return getComputedStyle(document.body).backgroundColor").startswith(
            "rgb(14, 17, 22"
        )
        assert dark == (scheme == "dark")


def test_the_page_fits_on_a_phone(browser: Browser, sandbox: Sandbox, ecall: ECall) -> None:
    ecall.sms.send(ANNA, "One " + "longword" * 40)
    ecall.whatsapp.send_file(BEAT, PICTURE)
    open_page(browser, sandbox, width=390, height=844)
    listed, shown = browser.one(".list"), browser.one(".conversation")
    browser.wait_for_text("One", "#conversations")
    assert (listed.is_displayed(), shown.is_displayed()) == (True, False)
    assert fits(browser)
    row = browser.all("#conversations a")[1]
    row.click()
    wait_until(browser, shown.is_displayed, "the conversation")
    assert not listed.is_displayed()
    browser.wait_for_text("longword", "#bubbles")
    assert fits(browser)
    wait_until(
        browser,
        lambda: browser.focused().get_attribute("id") == "number",
        "focus on the conversation",
    )
    browser.one("#back").click()
    wait_until(browser, listed.is_displayed, "the list")
    wait_until(browser, lambda: browser.focused() == row, "focus on the row")
    row.click()
    wait_until(browser, shown.is_displayed, "the conversation")
    browser.one("#bubbles [data-key]").click()
    browser.wait_for_text("Message id", "#facts")
    assert fits(browser)
    browser.focused().send_keys(Keys.ESCAPE)
    browser.driver.back()
    wait_until(browser, listed.is_displayed, "the list")
    browser.run("location.hash = arguments[0]", f"#/to/{quote(BEAT)}")
    wait_until(
        browser,
        lambda: browser.run("return document.querySelector('#bubbles img')?.naturalWidth"),
        "picture",
    )
    assert fits(browser)


def test_the_page_can_be_used_in_a_low_window(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    """As when everything is enlarged to 400 %, or a small phone is turned."""
    for number in (ANNA, BEAT, CARLA):
        ecall.sms.send(number, "Hello")
    room = "return document.querySelector(arguments[0]).getBoundingClientRect().height"
    open_page(browser, sandbox, width=320, height=256)
    browser.wait_for_text("Hello", "#conversations")
    filtered, listed = (browser.run(room, part) for part in (".filter", ".list"))
    assert listed - filtered > 85  # a row
    browser.one("#conversations a").click()
    wait_until(browser, browser.one(".conversation").is_displayed, "the conversation")
    assert browser.run(room, "#scroll") > 85
    browser.one("#send").click()  # is reached by scrolling
    assert browser.run("return document.scrollingElement.scrollWidth") == 320


def fits(browser: Browser) -> bool:
    look = """
        const parts = document.querySelectorAll(".list, #scroll, #details, .bubble");
        const over = [document.scrollingElement, ...parts].map((e) => e.scrollWidth - e.clientWidth);
        return innerWidth === 390 && Math.max(...over) <= 0;
    """
    return bool(browser.run(look))


def check_names(browser: Browser) -> None:
    """Check the names of all controls, as a screen reader reads them."""
    nodes = [
        node for node in browser.cdp("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]
    ]
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in nodes
    ]
    wanted = {
        "button",
        "link",
        "textbox",
        "searchbox",
        "combobox",
        "image",
        "dialog",
        "navigation",
        "search",
        "region",
    }
    assert [role for role, name in found if role in wanted and not name] == []
    assert len([role for role, _ in found if role in wanted]) > 2


def contrasts(browser: Browser) -> list[dict[str, Any]]:
    """Return the contrast of each text that is shown."""
    return cast("list[dict[str, Any]]", browser.run(CONTRASTS))


CONTRASTS = """
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => numbers(color).slice(0, 3).map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (numbers(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
};
const found = [];
for (const e of document.querySelectorAll("body *")) {
  const texts = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const field = e.matches("input, select, textarea");
  if (!(texts || field) || e.closest(".hidden, option, noscript, :disabled") || !e.checkVisibility()) continue;
  for (const part of field && e.placeholder ? [null, "::placeholder"] : [null]) {
    const [a, b] = [light(getComputedStyle(e, part).color), light(behind(e))].sort((x, y) => y - x);
    const what = `${e.tagName}.${e.className}#${e.id} ${e.textContent.slice(0, 30)}`;
    found.push({what, ratio: (a + 0.05) / (b + 0.05)});
  }
}
return found;
"""


# --- many messages


def test_two_thousand_messages_are_shown_in_parts(
    browser: Browser, sandbox: Sandbox, ecall: ECall
) -> None:
    numbers = [f"+4179{1_000_000 + index}" for index in range(1000)]
    ecall.sms.broadcast(numbers, "Water is off until 14:00")
    ecall.messages.send_list([ecall.sms.compose(ANNA, f"Message {index}") for index in range(1000)])
    open_page(browser, sandbox)
    browser.wait_for_text("2,000 messages in 1,001 conversations", "#count")
    painted = "return performance.getEntriesByType('paint').map((e) => `${e.name} ${Math.round(e.startTime)} ms`)"
    began = time.monotonic()
    told = [*browser.run(painted)]

    def more_than(look: str, number: int) -> Callable[[], bool]:
        return lambda: bool(browser.run(look) > number)

    rows = "return document.querySelectorAll('#conversations a').length"
    assert browser.run(rows) == 200
    for wanted in (400, 600, 800, 1000, 1001):
        browser.run("document.querySelector('.list').scrollTop = 1e6")
        wait_until(browser, more_than(rows, wanted - 1), f"{wanted} rows")
    assert len(set(numbers_shown(browser))) == 1001
    assert not browser.one("#more").is_displayed()

    browser.run("location.hash = arguments[0]", f"#/to/{quote(ANNA)}")
    browser.wait_for_text("Message 999", "#bubbles")
    bubbles = "return document.querySelectorAll('#bubbles .bubble').length"
    for wanted in (200, 400, 600, 800):
        assert browser.run(bubbles) == wanted
        browser.run("document.getElementById('earlier').click()")
        wait_until(browser, more_than(bubbles, wanted), "more bubbles")
    assert texts_shown(browser) == [f"Message {index}" for index in range(1000)]
    told.append(f"all of them shown in {time.monotonic() - began:.1f} s")

    began = time.monotonic()
    ecall.sms.send(ANNA, "One more")
    browser.wait_for_text("One more", "#bubbles")
    told.append(f"one more after {time.monotonic() - began:.2f} s")
    browser.one("#query").send_keys("Message 77")
    browser.wait_for_text("11 messages in 1 conversation", "#count")
    print(f"\n2,000 messages: {', '.join(told)}")  # noqa: T201
