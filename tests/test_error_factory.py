"""The error for what came of a try: its class, its attributes, and words that are enough to act on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from _attempts import (
    AMBIGUOUS,
    CALLS,
    EFFECTS,
    NEVER_CONNECTED,
    READS,
    SENDS,
    TEXT,
    WRITES,
    class_name,
    error_after,
    received,
    response,
    unsent,
)
from hypothesis import given
from strategies import json_values

from ecall_facade import errors
from ecall_facade._attempt import Failed
from ecall_facade._call import Effect
from ecall_facade._error_factory import interrupted_download
from ecall_facade._parsing import read_error_shape
from ecall_facade._retries import may_have_been_sent

EVERY_STATUS = range(300, 600)

# Without a response


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("error", [*NEVER_CONNECTED, httpx.PoolTimeout("busy")], ids=class_name)
def test_a_write_without_a_connection_was_not_sent(name: str, error: Exception) -> None:
    found = error_after(CALLS[name](), unsent(error))
    assert type(found) is errors.NotSent
    assert (found.may_have_been_sent, found.request_id) == (False, None)
    assert "No connection to the service, nothing was sent" in str(found)
    assert str(error) in str(found)


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("error", [*NEVER_CONNECTED, *AMBIGUOUS], ids=class_name)
def test_the_outcome_of_a_write_without_a_response_is_unknown(name: str, error: Exception) -> None:
    found = error_after(CALLS[name](), Failed(error))
    assert type(found) is errors.OutcomeUnknown
    assert found.may_have_been_sent is (name != "upload")
    words = "the service may have stored the file" if name == "upload" else "do not repeat it"
    assert words in str(found)
    assert type(error).__name__ in str(found)


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("error", [*NEVER_CONNECTED, *AMBIGUOUS], ids=class_name)
def test_a_read_without_a_response_could_not_reach_the_service(name: str, error: Exception) -> None:
    for attempt in (Failed(error), unsent(error)):
        found = error_after(CALLS[name](), attempt)
        assert type(found) is errors.ServiceUnreachable
        assert found.may_have_been_sent is (EFFECTS[name] is Effect.READ_STATUS)


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("status", [200, 299])
@pytest.mark.parametrize(
    "error", [httpx.ReadError("reset"), httpx.DecodingError("not gzip")], ids=class_name
)
def test_a_success_of_a_write_that_broke_off_is_unreadable(
    name: str, status: int, error: Exception
) -> None:
    found = error_after(CALLS[name](), Failed(error, data=response(status, b"")))
    assert type(found) is errors.UnreadableResponse
    assert "the response broke off" in str(found)
    assert (found.status_code, found.body, found.request_id) == (status, b"", "r-1")
    assert found.may_have_been_sent is (name != "upload")


@pytest.mark.parametrize("name", READS)
def test_a_read_that_broke_off_has_the_request_id(name: str) -> None:
    found = error_after(CALLS[name](), Failed(httpx.ReadError("reset"), data=response(200, b"{")))
    assert type(found) is errors.ServiceUnreachable
    assert found.request_id == "r-1"


@pytest.mark.parametrize("name", CALLS)
def test_an_error_status_whose_body_broke_off_is_an_error_of_its_class(name: str) -> None:
    broken = response(502, b"", x_f24_request_id="")
    found = error_after(CALLS[name](), Failed(httpx.ReadError("reset"), data=broken))
    assert type(found) is errors.ServerError
    assert (str(found), found.request_id) == ("The service answered 502", None)


def test_a_download_that_broke_off_could_not_reach_the_service() -> None:
    error = interrupted_download(httpx.ReadError("reset"), response())
    assert type(error) is errors.ServiceUnreachable
    assert str(error) == "The download broke off: ReadError: reset (request id r-1)"
    assert error.may_have_been_sent is False


class UnknownError(Exception):
    """What a transport of somebody else's raises."""


@pytest.mark.parametrize("name", CALLS)
def test_the_words_of_an_unknown_exception_are_not_quoted(name: str) -> None:
    error = error_after(CALLS[name](), Failed(UnknownError(f"Basic amFuZTpzM2NyZXQ= {TEXT}")))
    assert "UnknownError" in str(error)
    assert "Basic" not in str(error)
    assert TEXT not in str(error)


@pytest.mark.parametrize("name", CALLS)
def test_the_words_of_an_error_of_the_operating_system_are_quoted(name: str) -> None:
    error = error_after(CALLS[name](), Failed(ConnectionResetError(104, "Connection reset")))
    assert "ConnectionResetError: [Errno 104] Connection reset" in str(error)


def test_long_words_of_a_transport_are_cut() -> None:
    error = error_after(CALLS["send"](), Failed(httpx.ReadError("word " * 1000)))
    assert len(str(error)) < 600


def test_the_cause_is_kept_without_frames_that_hold_headers() -> None:
    def fail() -> None:
        try:
            int("below")
        except ValueError as below:
            raise httpx.ReadTimeout("timed out") from below

    with pytest.raises(httpx.ReadTimeout) as caught:
        fail()
    cause = caught.value
    error = error_after(CALLS["send"](), Failed(cause))
    assert error.__cause__ is cause
    assert [cause.__traceback__, cause.__cause__, cause.__context__] == [None, None, None]


# With a response


@pytest.mark.parametrize("name", CALLS)
def test_the_class_of_an_error_follows_from_the_status(name: str) -> None:
    special = {
        400: errors.BadRequest,
        401: errors.AuthenticationError,
        403: errors.PermissionDenied,
        404: errors.NotFound,
        413: errors.TooLarge,
        429: errors.RateLimited,
    }
    for status in EVERY_STATUS:
        expected = errors.ServerError if status >= 500 else special.get(status, errors.APIError)
        attempt = received(status, b"")
        error = error_after(CALLS[name](), attempt)
        assert type(error) is expected
        assert error.status_code == status
        assert str(error).startswith(f"The service answered {status}")
        assert str(error).endswith("(request id r-1)")
        assert error.may_have_been_sent is may_have_been_sent(
            EFFECTS[name], status, attempt.data.headers
        )


def test_each_class_of_a_status_is_raised_for_some_status() -> None:
    raised = {type(error_after(CALLS["send"](), received(status))) for status in EVERY_STATUS}
    assert raised == {errors.APIError, *errors.APIError.__subclasses__()}


@pytest.mark.parametrize("name", SENDS)
def test_a_503_of_the_service_itself_says_that_nothing_was_sent(name: str) -> None:
    for body in (b"", b"<html>", {"errorCode": "Busy"}):
        error = error_after(CALLS[name](), received(503, body, retry_after="3600"))
        assert (type(error), error.may_have_been_sent) == (errors.ServerError, False)
        of_a_proxy = received(503, body, retry_after="3600", x_f24_request_id="")
        assert error_after(CALLS[name](), of_a_proxy).may_have_been_sent is True


def test_an_error_has_what_the_service_said() -> None:
    said = {
        "ErrorCode": "InvalidContent",
        "errormessage": "The request is not valid.",
        "errorDetails": {
            "Errors": [{"Parameter": "To", "messages": ["is an invalid receiver", "is too short"]}]
        },
    }
    error = error_after(CALLS["send"](), received(400, said))
    assert (error.code, error.message) == ("InvalidContent", "The request is not valid.")
    assert error.details == (errors.ErrorDetail("To", ("is an invalid receiver", "is too short")),)
    assert str(error) == (
        "The service answered 400: InvalidContent · The request is not valid. · "
        "To: is an invalid receiver is too short (request id r-1)"
    )


@pytest.mark.parametrize(
    ("data", "code", "message", "details"),
    [
        ({}, None, None, ()),
        (None, None, None, ()),
        ([], None, None, ()),
        (5, None, None, ()),
        ("Forbidden", None, "Forbidden", ()),
        ({"errorCode": 11301, "errorMessage": None}, "11301", None, ()),
        ({"errorCode": {"a": 1}, "errorDetails": []}, "{'a': 1}", None, ()),
        ({"errorDetails": {"errors": {"parameter": "To"}}}, None, None, ()),
        (
            {"errorDetails": {"errors": [None, "To", {}]}},
            None,
            None,
            (errors.ErrorDetail(None, ()),) * 3,
        ),
        (
            {"errorDetails": {"errors": [{"parameter": 7, "messages": [1, None]}]}},
            None,
            None,
            (errors.ErrorDetail("7", ("1", "None")),),
        ),
    ],
)
def test_the_error_shape_is_read_as_far_as_it_is_there(
    data: object, code: str | None, message: str | None, details: Any
) -> None:
    assert read_error_shape(data) == (code, message, details)


@given(json_values)
def test_any_json_of_an_error_can_be_read(data: Any) -> None:
    error = error_after(CALLS["send"](), received(400, data))
    assert type(error) is errors.BadRequest
    assert str(error).startswith("The service answered 400")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b'{"a":' + b"[" * 600 + b"]" * 600 + b"}",
        b"{",
    ],
)
def test_an_error_without_json_has_its_status_and_body(body: bytes) -> None:
    error = error_after(CALLS["send"](), received(502, body))
    assert (error.code, error.message, error.details) == (None, None, ())
    assert error.body == body[:2000]
    assert str(error) == "The service answered 502 (request id r-1)"


def test_long_words_of_the_service_are_cut() -> None:
    error = error_after(CALLS["send"](), received(400, {"errorMessage": "word " * 1000}))
    assert len(str(error)) < 600


# Hints


@pytest.mark.parametrize(
    ("status", "words"),
    [
        *[(status, ["redirects are never followed; check base_url"]) for status in (300, 302, 399)],
        (401, ["REST interface is switched on", "API sub-user", "cached"]),
        (403, ["credit", "approval of the sender", "API sub-user", "cached"]),
    ],
)
@pytest.mark.parametrize("name", CALLS)
def test_an_error_names_what_to_look_at(name: str, status: int, words: list[str]) -> None:
    for version in ("v1", "v2"):
        text = str(error_after(CALLS[name](), received(status), api_version=version))
        assert [word for word in words if word not in text] == []


def test_the_target_of_a_redirect_is_not_quoted() -> None:
    attempt = received(302, b"", location="https://evil.example/")
    assert "evil" not in str(error_after(CALLS["send"](), attempt))


@pytest.mark.parametrize("version_in", ["path", "header"])
@pytest.mark.parametrize(
    ("name", "has_seven_days", "inferred"),
    [
        ("send", False, None),
        ("broadcast", False, None),
        ("status", True, None),
        ("send_list", False, "/api/messagelist"),
        ("list_status", True, "/api/messagelist/{messageListId}"),
        ("upload", False, "/api/media"),
        ("download", False, "/api/media/{mediaId}"),
        ("request, POST", False, None),
        ("request, GET", False, None),
    ],
)
def test_a_404_says_how_long_a_status_is_kept_and_which_path_is_inferred(
    name: str, version_in: str, *, has_seven_days: bool, inferred: str | None
) -> None:
    text = str(error_after(CALLS[name](), received(404), version_in=version_in))
    assert ("seven days" in text) is has_seven_days
    assert ("inferred" in text) is (inferred is not None)
    if inferred:
        words = f"The path {inferred} is inferred, not documented; request(…) can call another one."
        assert words in text


@pytest.mark.parametrize(
    ("method", "path", "inferred"),
    [
        ("POST", "/api/messagelist", "/api/messagelist"),
        ("post", "/API/v1/MessageList/?a=b", "/api/messagelist"),
        ("GET", "/api/messagelist/l-1", "/api/messagelist/{messageListId}"),
        ("GET", "/api/v2/media/f-1", "/api/media/{mediaId}"),
        ("DELETE", "/api/media/f-1", None),
        ("POST", "/api/message", None),
        ("GET", "/api/viber", None),
    ],
)
def test_a_404_to_a_free_request_says_so_if_its_path_is_inferred(
    method: str, path: str, inferred: str | None
) -> None:
    from ecall_facade._free_requests import free_call

    text = str(error_after(free_call(method, path, None), received(404), version_in="header"))
    assert (f"The path {inferred} is inferred" in text) is (inferred is not None)
    assert ("is inferred, not documented" in text) is (inferred is not None)


@pytest.mark.parametrize("name", CALLS)
def test_a_404_on_a_path_of_v1_says_that_its_place_is_inferred(name: str) -> None:
    by_path = str(error_after(CALLS[name](), received(404), api_version="v1"))
    assert "/api/v1/" in by_path
    assert "inferred" in by_path
    assert "version_in='header'" in by_path
    by_header = error_after(CALLS[name](), received(404), api_version="v1", version_in="header")
    assert "/api/v1/" not in str(by_header)


@pytest.mark.parametrize(
    ("status", "error_class"), [(429, errors.RateLimited), (503, errors.ServerError)]
)
def test_an_error_has_the_pause_that_the_service_asks_for(
    status: int, error_class: type[errors.APIError]
) -> None:
    error = error_after(CALLS["send"](), received(status, retry_after="3600"))
    assert type(error) is error_class
    assert error.retry_after == 3600
    assert "The service asks for a pause of 3600 s." in str(error)
