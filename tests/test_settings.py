"""What a client is told once: from arguments first, then from the environment, and refused where it cannot work."""

from __future__ import annotations

import base64
import enum
import inspect
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from _attempts import options, send_call
from hypothesis import given
from hypothesis import strategies as st

from ecall_client.models import Channel
from ecall_facade import AsyncECall, ECall
from ecall_facade._requests import build_http_request
from ecall_facade._settings import Account, ClientOptions, is_loopback_host
from ecall_facade.errors import InvalidConfiguration, InvalidSender, MissingCredentials

if TYPE_CHECKING:
    from _clients import OpenClient
    from _service import FakeService

CLIENTS: list[Any] = [ECall, AsyncECall]
WAYS_TO_WRITE_A_VERSION: list[Any] = [
    *[(written, "v1") for written in ("v1", "1", "1.0", 1, 1.0)],
    *[(written, "v2") for written in ("v2", "2", "2.0", 2, 2.0)],
]


class SecretStr:
    """Like pydantic's."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __len__(self) -> int:
        return len(self._value)

    def __str__(self) -> str:
        return "**********"

    def get_secret_value(self) -> str:
        return self._value


class Revealing:
    """Shows its secret to anybody who prints it."""

    def __repr__(self) -> str:
        return "s3cret-481"


def account(
    username: str | None = "jane", password: str | None = "s3cret", base_url: str | None = None
) -> Account:
    return Account.from_arguments(username, password, base_url)


def credentials(account: Account) -> tuple[str, str]:
    username, _, password = (
        base64.b64decode(account.authorization.removeprefix("Basic ")).decode().partition(":")
    )
    return username, password


class TestCredentials:
    """They come as arguments or from the environment; arguments win."""

    def test_credentials_are_taken_from_arguments(self) -> None:
        assert credentials(account("jane", "s3cret")) == ("jane", "s3cret")

    def test_credentials_are_taken_from_the_environment_and_arguments_win(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ECALL_USERNAME", "joe")
        monkeypatch.setenv("ECALL_PASSWORD", "from:the environment")
        assert credentials(account(None, None)) == ("joe", "from:the environment")
        assert credentials(account("jane", None)) == ("jane", "from:the environment")
        assert credentials(account(None, "s3cret")) == ("joe", "s3cret")
        assert credentials(account("jane", "s3cret")) == ("jane", "s3cret")

    def test_credentials_can_be_in_any_language(self) -> None:
        assert credentials(account("zoë", "pässwört 🔑")) == ("zoë", "pässwört 🔑")

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        ("username", "password", "message"),
        [
            (None, None, "No username and no password: {} ECALL_USERNAME and ECALL_PASSWORD"),
            ("jane", None, "No password: {} ECALL_PASSWORD"),
            (None, "s3cret", "No username: {} ECALL_USERNAME"),
            ("", "s3cret", "No username: {} ECALL_USERNAME"),
            ("jane", "", "No password: {} ECALL_PASSWORD"),
        ],
    )
    def test_missing_credentials_are_named(
        self, client: Any, username: str | None, password: str | None, message: str
    ) -> None:
        with pytest.raises(MissingCredentials) as caught:
            client(username, password)
        assert str(caught.value) == message.format("pass it to the client, or set")

    @pytest.mark.parametrize("client", CLIENTS)
    def test_empty_credentials_are_missing_even_if_the_environment_has_some(
        self, monkeypatch: pytest.MonkeyPatch, client: Any
    ) -> None:
        monkeypatch.setenv("ECALL_USERNAME", "joe")
        monkeypatch.setenv("ECALL_PASSWORD", "other")
        with pytest.raises(MissingCredentials, match="No password"):
            client("jane", "")

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        ("username", "password"),
        [
            ("ja:ne", "s3cret"),
            ("jane\n", "s3cret"),
            ("jane", "s3cret\r\nX-Injected: 1"),
            ("jane", "s3\0cret"),
            ("jane", "s3\x7fcret"),
            ("jane", "s3\udc80cret"),  # as bytes that are not UTF-8 come out of the environment
        ],
    )
    def test_credentials_that_basic_cannot_carry_are_refused_and_not_quoted(
        self, client: Any, username: str, password: str
    ) -> None:
        with pytest.raises(
            InvalidConfiguration, match=r"username must not contain ':'; neither .* control"
        ) as caught:
            client(username, password)
        assert "ja" not in str(caught.value)
        assert "s3" not in str(caught.value)

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        ("value", "kind", "remedy"),
        [
            (4815162342, "int", "put it in quotes"),
            (0, "int", "put it in quotes"),
            (48.15, "float", "put it in quotes"),
            (True, "bool", "put it in quotes"),
            (False, "bool", "put it in quotes"),
            (b"s3cret-481", "bytes", "decode it"),
            (b"", "bytes", "decode it"),
            (bytearray(b"s3cret-481"), "bytearray", "decode it"),
            (SecretStr("s3cret-481"), "SecretStr", ".get_secret_value()"),
            (Revealing(), "Revealing", "pass its value as a str"),
            (["s3cret-481"], "list", "pass its value as a str"),
            ({"value": "s3cret-481"}, "dict", "pass its value as a str"),
            (Path("s3cret-481"), type(Path()).__name__, "pass its value as a str"),
            (date(2026, 4, 8), "date", "pass its value as a str"),
        ],
        ids=lambda value: type(value).__name__,
    )
    @pytest.mark.parametrize("name", ["username", "password"])
    def test_credentials_of_another_type_than_str_are_refused_and_not_quoted(
        self, client: Any, name: str, value: Any, kind: str, remedy: str
    ) -> None:
        with pytest.raises(InvalidConfiguration) as caught:
            client(**{"username": "jane", "password": "s3cret", name: value})
        assert f"{name} must be a str, not {kind}: " in str(caught.value)
        assert remedy in str(caught.value)
        assert "48" not in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_credentials_of_a_subclass_of_str_are_used_as_their_text(self) -> None:
        class Secret(str, enum.Enum):  # noqa: UP042  # its format is not its value
            PASSWORD = "s3cret"

        assert credentials(account("jane", Secret.PASSWORD)) == ("jane", "s3cret")

    @pytest.mark.parametrize("client", CLIENTS)
    def test_credentials_are_in_no_repr(self, client: Any) -> None:
        ecall = client("jane-of-acme", "s3cret", sender={"sms": "ACME"})
        objects = [
            ecall,
            ecall.sms,
            ecall._session,
            ecall._session.connections,
            account(),
            options(sender="ACME"),
        ]
        for shown in map(repr, objects):
            assert "s3cret" not in shown
            assert "jane-of-acme" not in shown
            assert "Basic" not in shown
        known = "base_url='https://rest.ecall.ch', api_version='v2', version_in='path'"
        assert repr(ecall) == f"{client.__name__}({known})"


class TestBaseUrl:
    """https, unless it is this machine; without credentials, query and fragment; in one spelling."""

    @pytest.mark.parametrize(
        ("base_url", "expected", "is_loopback"),
        [
            (None, "https://rest.ecall.ch", False),
            ("", "https://rest.ecall.ch", False),
            ("https://rest.ecall.ch", "https://rest.ecall.ch", False),
            ("https://rest.ecall.ch/", "https://rest.ecall.ch", False),
            ("  https://rest.ecall.ch\n", "https://rest.ecall.ch", False),
            ("HTTPS://Rest.ECALL.ch:443/", "https://rest.ecall.ch", False),
            ("https://rest.ecall.ch:8443", "https://rest.ecall.ch:8443", False),
            ("https://gateway.example/Ecall/", "https://gateway.example/Ecall", False),
            ("https://gateway.example/a/b%20c//", "https://gateway.example/a/b%20c", False),
            ("https://gateway.example/a@b", "https://gateway.example/a@b", False),  # no credentials
            ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x", False),
            ("https://localhost", "https://localhost", True),
            ("http://localhost:8080", "http://localhost:8080", True),
            ("http://LOCALHOST:80/", "http://localhost", True),
            ("http://localhost.:8080", "http://localhost.:8080", True),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
            ("http://127.5.6.7", "http://127.5.6.7", True),
            ("http://[::1]:8080/x/", "http://[::1]:8080/x", True),
            ("http://[::1]:80", "http://[::1]", True),
        ],
    )
    def test_a_base_url_is_normalised(
        self, base_url: str | None, expected: str, *, is_loopback: bool
    ) -> None:
        found = account(base_url=base_url)
        assert (found.base_url, found.is_loopback) == (expected, is_loopback)
        # Requests have the same spelling.
        request = build_http_request(found, options(version_in="header"), send_call())
        assert str(request.url) == f"{expected}/api/message"

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        ("base_url", "message"),
        [
            (
                "http://rest.ecall.ch",
                "must begin with https://; plain http:// is for this machine only",
            ),
            ("HTTP://rest.ecall.ch", "must begin with https://"),
            ("http://localhost.evil.example", "must begin with https://"),
            ("http://127.0.0.1.evil.example", "must begin with https://"),
            ("http://192.168.1.10:8080", "must begin with https://"),
            ("http://0.0.0.0:8080", "must begin with https://"),
            ("http://[2001:db8::1]", "must begin with https://"),
            ("http://2130706433", "must begin with https://"),  # 127.0.0.1, as some read it
            (
                "https://jane:s3cret@rest.ecall.ch",
                "must not contain credentials; pass username and password",
            ),
            ("https://jane@rest.ecall.ch", "must not contain credentials"),
            ("https://@rest.ecall.ch", "must not contain credentials"),
            ("https://:s3cret@rest.ecall.ch", "must not contain credentials"),
            ("http://jane:s3cret@127.0.0.1", "must not contain credentials"),
            ("https://rest.ecall.ch?key=s3cret", "must not contain a query"),
            ("https://rest.ecall.ch/?", "must not contain a query"),
            ("https://rest.ecall.ch/#s3cret", "must not contain a query"),
            ("https://rest.ecall.ch/#", "must not contain a query"),
            ("rest.ecall.ch", "must be a URL such as https://rest.ecall.ch"),
            ("//rest.ecall.ch", "must be a URL"),
            ("https://", "must be a URL"),
            ("https:///api", "must be a URL"),
            ("ftp://rest.ecall.ch", "must be a URL"),
            ("https://rest.ecall.ch:https", "must be a URL"),
            ("https://rest.ecall.ch:99999", "must be a URL"),
            ("https://[::1", "must be a URL"),
            ("https://rest.ecall.ch/a b", "must not contain a query, a fragment, or characters"),
            ("https://rest.ecall.ch/\\evil.example", "characters that no URL has"),
            ("https://rest.ecäll.ch", "characters that no URL has"),
            ("https://rest.ecall.ch/\x7f", "characters that no URL has"),
            ("http://[::1]x", "must be a URL"),
            ("https://xn--L", "must be a URL"),  # no name that IDNA knows
            (5, "must be a URL"),
            (b"https://rest.ecall.ch", "must be a URL"),
        ],
    )
    def test_a_bad_base_url_is_refused_and_not_quoted(
        self, client: Any, base_url: Any, message: str
    ) -> None:
        with pytest.raises(InvalidConfiguration) as caught:
            client("jane", "pw", base_url=base_url)
        assert str(caught.value).startswith("base_url ")
        assert message in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None

    @given(
        st.text(max_size=30),
        st.sampled_from(["https://", "http://", "https://h", "http://127.0.0.1", ""]),
    )
    def test_any_text_is_a_base_url_or_refused(self, text: str, start: str) -> None:
        try:
            found = account(base_url=start + text)
        except InvalidConfiguration:
            return
        if found.base_url != "https://rest.ecall.ch":
            url = build_http_request(found, options(), send_call()).url
            assert str(url) == f"{found.base_url}/api/v2/message"
            assert url.scheme == "https" or found.is_loopback

    def test_the_base_url_is_taken_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ECALL_BASE_URL", "https://gateway.example/ecall/")
        assert account().base_url == "https://gateway.example/ecall"
        assert account(base_url="https://other.example").base_url == "https://other.example"
        monkeypatch.setenv("ECALL_BASE_URL", "http://gateway.example")
        with pytest.raises(InvalidConfiguration, match="https://"):
            account()

    @pytest.mark.parametrize(
        ("host", "is_loopback"),
        [
            ("localhost", True),
            ("LocalHost.", True),
            ("127.0.0.1", True),
            ("127.255.255.254", True),
            ("::1", True),
            ("128.0.0.1", False),
            ("127.1", False),
            ("::2", False),
            ("localhost.example", False),
            ("notlocalhost", False),
            ("", False),
        ],
    )
    def test_loopback_hosts_are_known(self, host: str, *, is_loopback: bool) -> None:
        assert is_loopback_host(host) is is_loopback


class TestVersion:
    """v2 by path, unless something else is asked for."""

    def test_the_version_is_v2_by_path(self) -> None:
        assert (options().api_version, options().version_in) == ("v2", "path")

    @pytest.mark.parametrize(("written", "version"), WAYS_TO_WRITE_A_VERSION)
    def test_a_version_may_be_written_as_in_the_path_or_as_in_the_header(
        self, monkeypatch: pytest.MonkeyPatch, written: Any, version: str
    ) -> None:
        other = "v1" if version == "v2" else "v2"
        assert options(api_version=written).api_version == version
        assert options(options(api_version=other), api_version=written).api_version == version
        monkeypatch.setenv("ECALL_API_VERSION", str(written))
        assert options().api_version == version
        assert options(api_version=other).api_version == other

    @pytest.mark.parametrize(("written", "version"), WAYS_TO_WRITE_A_VERSION)
    def test_a_version_is_the_same_on_the_wire_however_it_is_written(
        self, ecall: ECall, service: FakeService, written: Any, version: str
    ) -> None:
        service.respond({"messageId": "m-1"})
        copy = ecall.with_options(api_version=written)
        assert f"api_version={version!r}" in repr(copy)
        copy.sms.send("079 123 45 67", "Hi")
        copy.with_options(version_in="header").sms.send("079 123 45 67", "Hi")
        by_path, by_header = service.requests
        assert by_path.url.path == f"/api/{version}/message"
        assert by_header.headers["X-API-Version"] == version[1:]

    def test_an_empty_version_is_one_that_is_not_given(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ECALL_API_VERSION", "")
        assert options().api_version == "v2"
        monkeypatch.setenv("ECALL_API_VERSION", "v1")
        assert options(api_version="").api_version == "v1"

    def test_an_unknown_version_of_the_environment_does_not_matter_if_another_one_is_given(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ECALL_API_VERSION", "v9")
        assert options(api_version="v1").api_version == "v1"

    @pytest.mark.parametrize(
        "version", ["v3", "3", "V2", "v2.0", "2.00", "02", "1,0", " 2", "latest", "v"]
    )
    @pytest.mark.parametrize("client", CLIENTS)
    def test_an_unknown_version_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, client: Any, version: str
    ) -> None:
        words = f"api_version must be 'v1' or 'v2' (or 1, 1.0, 2, 2.0), not '{version}'"
        with pytest.raises(InvalidConfiguration) as caught:
            client("jane", "pw", api_version=version)
        assert str(caught.value) == words
        monkeypatch.setenv("ECALL_API_VERSION", version)
        with pytest.raises(InvalidConfiguration) as caught:
            client("jane", "pw")
        assert str(caught.value) == f"{words}; it comes from ECALL_API_VERSION"

    @pytest.mark.parametrize("version", [0, 3, 2.5, True, b"v2", ["v2"]])
    def test_a_version_of_another_type_is_refused(self, version: Any) -> None:
        with pytest.raises(InvalidConfiguration, match="api_version must be "):
            ECall("jane", "pw", api_version=version)

    @pytest.mark.parametrize("place", ["query", "Path", 1])
    def test_an_unknown_place_for_the_version_is_refused(self, place: Any) -> None:
        with pytest.raises(InvalidConfiguration, match="must be 'path' or 'header'"):
            ECall("jane", "pw", version_in=place)


class TestSenders:
    """A string is for SMS; a mapping names the channels; the environment has one variable for each."""

    SENT_BY: ClassVar = {
        Channel.SMS: "ACME",
        Channel.WHATSAPP: "0041791000001",
        Channel.RCS: "acme-rcs",
    }

    @staticmethod
    def senders(options: ClientOptions) -> dict[Channel, str | None]:
        found: dict[Channel, str | None] = {}
        for channel in Channel:
            try:
                found[channel] = options.sender(channel, None)
            except InvalidSender:
                found[channel] = None
        return found

    def test_a_sender_given_as_a_string_is_for_sms(self) -> None:
        assert self.senders(options(sender="ACME")) == {
            Channel.SMS: "ACME",
            Channel.WHATSAPP: None,
            Channel.RCS: None,
        }

    def test_senders_can_be_given_by_channel(self) -> None:
        given = {"sms": "ACME", "whatsapp": "+41 79 100 00 01", "rcs": "acme-rcs"}
        assert self.senders(options(sender=given)) == self.SENT_BY

    def test_senders_are_taken_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ECALL_SENDER", "ACME")
        monkeypatch.setenv("ECALL_SENDER_WHATSAPP", "079 100 00 01")
        monkeypatch.setenv("ECALL_SENDER_RCS", "acme-rcs")
        assert self.senders(options()) == self.SENT_BY

    def test_arguments_win_over_the_environment_channel_by_channel(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("ECALL_SENDER", "ECALL_SENDER_WHATSAPP", "ECALL_SENDER_RCS"):
            monkeypatch.setenv(name, "+41791000009")
        found = options(sender={"sms": "ACME", "whatsapp": "+41791000001"})
        assert self.senders(found) == {**self.SENT_BY, Channel.RCS: "+41791000009"}
        assert self.senders(options(sender="ACME"))[Channel.WHATSAPP] == "0041791000009"

    def test_the_sender_of_a_call_wins_over_all_others(self) -> None:
        assert options(sender="ACME").sender(Channel.SMS, "Other") == "Other"
        with pytest.raises(InvalidSender, match="empty"):
            options(sender="ACME").sender(Channel.SMS, "")

    def test_an_empty_sender_in_the_environment_is_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ECALL_SENDER", "")
        with pytest.raises(InvalidSender, match="No sender for Sms"):
            options().sender(Channel.SMS, None)

    @pytest.mark.parametrize(
        ("channel", "variable"),
        [
            (Channel.SMS, "ECALL_SENDER"),
            (Channel.WHATSAPP, "ECALL_SENDER_WHATSAPP"),
            (Channel.RCS, "ECALL_SENDER_RCS"),
        ],
    )
    def test_a_missing_sender_is_named_with_the_remedy(
        self, channel: Channel, variable: str
    ) -> None:
        with pytest.raises(InvalidSender) as caught:
            options().sender(channel, None)
        expected = f"No sender for {channel}: pass sender=… to the call or to the client, or set {variable}"
        assert str(caught.value) == expected

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        "sender", [5, ["ACME"], b"ACME", {"viber": "x"}, {"SMS": "ACME"}, {None: "ACME"}]
    )
    def test_senders_of_another_shape_are_refused(self, client: Any, sender: Any) -> None:
        with pytest.raises(
            InvalidConfiguration,
            match=r"sender must be a str .* or a mapping from sms, whatsapp, rcs",
        ):
            client("jane", "pw", sender=sender)

    def test_a_sender_that_is_a_number_is_read_in_the_region(self) -> None:
        assert (
            options(sender="0151 23456789", region="DE").sender(Channel.SMS, None)
            == "004915123456789"
        )


class TestTimeout:
    """Seconds for both, or a pair: to connect, and of each read."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (None, (5.0, 30.0)),
            (3, (3.0, 3.0)),
            (0.5, (0.5, 0.5)),
            ((1, 60), (1.0, 60.0)),
            ((0.1, 0.2), (0.1, 0.2)),
        ],
    )
    def test_a_timeout_is_one_number_or_two(
        self, given: Any, expected: tuple[float, float]
    ) -> None:
        assert options(timeout=given).timeout == expected

    @pytest.mark.parametrize("client", CLIENTS)
    def test_the_signature_shows_the_default_timeout(self, client: Any) -> None:
        shown = inspect.signature(client).parameters["timeout"].default
        assert shown == options(timeout=None).timeout

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize(
        "timeout",
        [0, -1, 0.0, float("nan"), float("inf"), 1e6, "5", (5,), (), (1, 2, 3), (5, 0, 30), (0, 5), (5, 0), (5, None),
         [5, 5], httpx.Timeout(5)],
    )  # fmt: skip
    def test_a_timeout_that_cannot_work_is_refused(self, client: Any, timeout: Any) -> None:
        with pytest.raises(
            InvalidConfiguration,
            match=r"timeout must be a positive number of seconds, or a \(connect, read\) pair",
        ):
            client("jane", "pw", timeout=timeout)


class TestRegion:
    """The country in which numbers without one are read."""

    @pytest.mark.parametrize(
        ("given", "expected"), [(None, "CH"), ("CH", "CH"), ("de", "DE"), ("LI", "LI")]
    )
    def test_a_region_is_read(self, given: str | None, expected: str) -> None:
        assert options(region=given).region == expected

    @pytest.mark.parametrize("client", CLIENTS)
    @pytest.mark.parametrize("region", ["", "XX", "CHE", "Schweiz", "41", 41])
    def test_a_region_that_is_no_country_is_refused(self, client: Any, region: Any) -> None:
        with pytest.raises(
            InvalidConfiguration, match="region must be a country's two letters, such as CH or DE"
        ):
            client("jane", "pw", region=region)


class TestWithOptions:
    """A copy has other options; what is not named stays as it was, whatever the environment says by then."""

    def test_options_that_are_not_named_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        old = options(
            api_version="v1",
            version_in="header",
            sender={"sms": "ACME"},
            region="DE",
            timeout=(1, 2),
            retry=False,
        )
        for name in ("ECALL_API_VERSION", "ECALL_SENDER", "ECALL_SENDER_RCS"):
            monkeypatch.setenv(name, "v2")
        assert options(old) == old

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            ("api_version", "v1", "v1"),
            ("version_in", "header", "header"),
            ("region", "AT", "AT"),
            ("timeout", 1.5, (1.5, 1.5)),
            ("retry", False, False),
        ],
    )
    def test_an_option_that_is_named_changes(self, name: str, value: Any, expected: object) -> None:
        assert getattr(options(options(), **{name: value}), name) == expected

    def test_senders_change_channel_by_channel(self) -> None:
        old = options(sender={"sms": "ACME", "rcs": "acme-rcs"})
        new = options(old, sender={"rcs": "other-rcs"})
        assert (new.senders, old.senders) == (
            {"sms": "ACME", "rcs": "other-rcs"},
            {"sms": "ACME", "rcs": "acme-rcs"},
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"api_version": "v9"},
            {"version_in": "body"},
            {"sender": 5},
            {"region": "XX"},
            {"timeout": 0},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_with_options_checks_as_the_client_does(self, ecall: ECall, wrong: Any) -> None:
        with pytest.raises(InvalidConfiguration):
            ecall.with_options(**wrong)

    def test_a_copy_with_other_options_sends_other_requests(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageId": "m-1"})
        copy = ecall.with_options(api_version="v1", sender="Other", region="DE")
        copy.with_options(version_in="header").sms.send("0151 23456789", "Hi")
        copy.sms.send("0151 23456789", "Hi")
        ecall.sms.send("079 123 45 67", "Hi")
        by_header, by_path, old = service.requests
        assert (by_header.url.path, by_header.headers["X-API-Version"]) == ("/api/message", "1")
        assert by_path.url.path == "/api/v1/message"
        assert (
            json.loads(by_path.content).items() >= {"from": "Other", "to": "+4915123456789"}.items()
        )
        assert old.url.path == "/api/v2/message"
        assert json.loads(old.content).items() >= {"from": "ACME", "to": "+41791234567"}.items()

    @pytest.mark.parametrize("name", ["username", "password", "base_url", "transport"])
    def test_with_options_cannot_change_where_requests_go_and_as_whom(
        self, ecall: ECall, name: str
    ) -> None:
        with pytest.raises(TypeError, match=name):
            ecall.with_options(**{name: "x"})  # type: ignore[arg-type]

    def test_a_copy_is_a_client_of_the_same_class(self, ecall: ECall, service: FakeService) -> None:
        assert repr(ecall.with_options(api_version="v1")) == repr(ecall).replace("'v2'", "'v1'")

    @pytest.mark.parametrize(("retry", "attempts"), [(None, 3), (True, 3), (False, 1)])
    def test_retries_can_be_switched_off_for_a_client_or_a_copy(
        self,
        open_client: OpenClient,
        service: FakeService,
        pauses: list[float],
        *,
        retry: bool | None,
        attempts: int,
    ) -> None:
        service.respond({"messageId": "m-1"}, 429)
        given: Any = {} if retry is None else {"retry": retry}
        for client in (
            open_client("https://rest.ecall.ch", transport=service.transport, **given),
            open_client("https://rest.ecall.ch", transport=service.transport).with_options(**given),
        ):
            service.requests.clear()
            with pytest.raises(Exception, match="429"):
                client.messages.status("m-1")
            assert len(service.requests) == attempts
