"""The errors are the tree that is drawn, and nothing of one is lost on its way to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import ecall_facade
from ecall_facade import DeliveryState, MessageStatus, errors

DETAILS = (errors.ErrorDetail("To", ("is an invalid receiver",)),)
PROBLEMS = [
    errors.NumberProblem(0, "+41 79", "it is too short"),
    errors.NumberProblem(3, "Anna", "it has letters"),
]
API: dict[str, Any] = {
    "status_code": 418,
    "code": "InvalidContent",
    "message": "The request is not valid.",
    "details": DETAILS,
    "retry_after": 12.5,
    "request_id": "r-1",
    "may_have_been_sent": False,
}
STATUS = MessageStatus("m-1", DeliveryState("Neu"), request_id="r-1")

CLASSES: dict[str, Any] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type)
    and issubclass(value, Exception)
    and value.__module__ == errors.__name__
}
SAMPLES: dict[str, errors.ECallError] = {
    "InvalidNumber": errors.InvalidNumber("two are bad", PROBLEMS),
    "UnreadableResponse": errors.UnreadableResponse(
        "html", status_code=200, body=b"<html>", request_id="r-1"
    ),
    "WaitTimeout": errors.WaitTimeout("too late", STATUS),
    "WebhookError": errors.WebhookError("no", status_code=418),
    "UntrustedSource": errors.UntrustedSource("no"),
    "MalformedEvent": errors.MalformedEvent("no", status_code=413),
    **{
        name: kind("it says no", **API)
        for name, kind in CLASSES.items()
        if issubclass(kind, errors.APIError)
    },
    **{
        name: kind("it went wrong", request_id="r-1", may_have_been_sent=True)
        for name, kind in CLASSES.items()
        if "__init__" not in vars(kind)
        and kind.__base__ is errors.ECallError
        and kind is not errors.UsageError
    },
    **{
        name: CLASSES[name]("it is wrong")
        for name in ("UsageError", "InvalidSender", "InvalidText", "InvalidMedia")
    },
    **{
        name: CLASSES[name]("it is wrong")
        for name in ("MissingCredentials", "InvalidConfiguration")
    },
    "ECallError": errors.ECallError("it went wrong", request_id="r-1", may_have_been_sent=True),
}


def drawn() -> dict[str, tuple[str, ...]]:
    """Read the tree in the module's docstring: the bases of each class, by its name."""
    tree: dict[str, tuple[str, ...]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(
            r"    (?P<lines>[ │├└─]*)(?P<name>[A-Z]\w+)(?: \((?P<other>\w+)\))?(?:  |$)", line
        )
        if found is None:
            continue
        depth = len(found["lines"]) // 4
        path[depth:] = [found["name"]]
        parent = path[depth - 1] if depth else "Exception"
        tree[found["name"]] = (parent, found["other"]) if found["other"] else (parent,)
    return tree


class TestTree:
    """The drawing in the docstring, the classes, and what the package exports are the same."""

    def test_the_error_classes_are_the_tree_that_is_drawn(self) -> None:
        classes = {
            name: tuple(base.__name__ for base in kind.__bases__) for name, kind in CLASSES.items()
        }
        assert classes == drawn()

    def test_the_tree_that_is_drawn_is_complete(self) -> None:
        assert list(drawn()) == [
            "ECallError",
            *[
                "UsageError",
                "InvalidNumber",
                "InvalidSender",
                "InvalidText",
                "InvalidMedia",
                "MissingCredentials",
            ],
            *[
                "InvalidConfiguration",
                "NotSent",
                "OutcomeUnknown",
                "ServiceUnreachable",
                "UnreadableResponse",
            ],
            *[
                "APIError",
                "BadRequest",
                "AuthenticationError",
                "PermissionDenied",
                "NotFound",
                "TooLarge",
            ],
            *[
                "RateLimited",
                "ServerError",
                "WaitTimeout",
                "WebhookError",
                "UntrustedSource",
                "MalformedEvent",
            ],
        ]
        assert drawn()["UsageError"] == ("ECallError", "ValueError")
        assert drawn()["WaitTimeout"] == ("ECallError", "TimeoutError")

    @pytest.mark.parametrize("name", [*CLASSES, "ErrorDetail", "NumberProblem"])
    def test_each_error_class_is_exported(self, name: str) -> None:
        assert name in ecall_facade.__all__
        assert getattr(ecall_facade, name) is getattr(errors, name)

    @pytest.mark.parametrize("kind", CLASSES.values())
    def test_each_error_class_says_when_it_happens(self, kind: type[errors.ECallError]) -> None:
        assert "__doc__" in vars(kind)
        assert (kind.__doc__ or "").rstrip().endswith(".")

    def test_errors_can_be_caught_by_classes_of_python(self) -> None:
        assert isinstance(SAMPLES["InvalidNumber"], ValueError)
        assert isinstance(SAMPLES["WaitTimeout"], TimeoutError)
        assert not isinstance(SAMPLES["NotSent"], OSError)


class TestValues:
    """Each error has its attributes, and words that are enough to act on."""

    @pytest.mark.parametrize("name", CLASSES)
    def test_errors_can_be_pickled_and_copied(self, name: str) -> None:
        error = SAMPLES[name]
        error.add_note("The file was uploaded as media f-1")
        try:
            for again in (
                pickle.loads(pickle.dumps(error)),
                copy.copy(error),
                copy.deepcopy(error),
            ):
                assert type(again) is type(error) is CLASSES[name]
                assert vars(again) == vars(error)
                assert (str(again), repr(again), again.args) == (
                    str(error),
                    repr(error),
                    error.args,
                )
                assert again.__notes__ == ["The file was uploaded as media f-1"]
        finally:
            del error.__notes__

    @pytest.mark.parametrize("name", CLASSES)
    def test_each_error_can_be_made_of_words_and_what_it_requires(self, name: str) -> None:
        kind = CLASSES[name]
        required = [
            parameter.name
            for parameter in list(inspect.signature(kind).parameters.values())[1:]
            if parameter.default is inspect.Parameter.empty
        ]
        expected = {"UnreadableResponse": ["status_code", "body"], "WaitTimeout": ["status"]}.get(
            name
        )
        assert required == (
            expected or (["status_code"] if issubclass(kind, errors.APIError) else [])
        )

    @pytest.mark.parametrize("name", CLASSES)
    def test_the_words_of_an_error_have_the_request_id(self, name: str) -> None:
        error = SAMPLES[name]
        suffix = " (request id r-1)" if error.request_id else ""
        assert str(error) == error.explanation + suffix
        assert error.args == (error.explanation,)

    @pytest.mark.parametrize(
        "name", [name for name, kind in CLASSES.items() if issubclass(kind, errors.APIError)]
    )
    def test_an_error_of_a_status_has_all_that_the_response_said(self, name: str) -> None:
        error = SAMPLES[name]
        assert {attribute: getattr(error, attribute) for attribute in API} == API
        assert CLASSES[name]("x", status_code=400).may_have_been_sent is True
        bare: Any = CLASSES[name]("x", status_code=400)
        assert (bare.code, bare.message, bare.details, bare.retry_after) == (None, None, (), None)

    @pytest.mark.parametrize(
        "name", ["UsageError", "InvalidNumber", "MissingCredentials", "NotSent", "WebhookError"]
    )
    def test_an_error_of_what_was_never_sent_says_so(self, name: str) -> None:
        assert CLASSES[name]("x").may_have_been_sent is False
        assert CLASSES[name]("x").request_id is None

    def test_an_invalid_number_has_all_problems(self) -> None:
        error = errors.InvalidNumber("two are bad", PROBLEMS)
        assert error.problems == tuple(PROBLEMS)
        assert errors.InvalidNumber("none").problems == ()
        assert repr(PROBLEMS[0]) == "NumberProblem(position=0, reason='it is too short')"

    def test_the_repr_of_a_detail_shows_no_words(self) -> None:
        assert repr(DETAILS[0]) == "ErrorDetail(parameter='To')"

    def test_the_body_of_an_unreadable_response_is_cut(self) -> None:
        error = errors.UnreadableResponse("long", status_code=200, body=b"x" * 5000)
        assert error.body == b"x" * 2000
        assert error.may_have_been_sent is True

    def test_a_wait_timeout_has_the_last_status(self) -> None:
        error = errors.WaitTimeout("too late", STATUS)
        assert (error.status, error.request_id, error.may_have_been_sent) == (STATUS, "r-1", True)
        assert errors.WaitTimeout("too late", None).request_id is None

    @pytest.mark.parametrize(
        ("error", "status_code"),
        [
            (errors.WebhookError("x"), 400),
            (errors.UntrustedSource("x"), 403),
            (errors.UntrustedSource("x", status_code=401), 401),
            (errors.MalformedEvent("x"), 400),
            (errors.MalformedEvent("x", status_code=413), 413),
        ],
    )
    def test_a_webhook_error_has_a_status_to_answer_with(
        self, error: errors.WebhookError, status_code: int
    ) -> None:
        assert error.status_code == status_code
