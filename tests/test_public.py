"""The public door: complete, documented, free of other people's types, and cheap to open."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import ecall_client
import ecall_client.models
import ecall_facade
from ecall_facade import (
    AsyncECall,
    ECall,
    _contents,
    _downloads,
    _messages,
    _notify,
    _request_parts,
    _settings,
    _uploads,
    _wait,
    errors,
    numbers,
    results,
    text,
)
from ecall_facade._async import _channels as async_channels
from ecall_facade._async import _client as async_client
from ecall_facade._async import _media as async_media
from ecall_facade._async import _messages as async_messages
from ecall_facade._sync import _channels, _client
from ecall_facade._sync import _media as sync_media
from ecall_facade._sync import _messages as sync_messages

pytestmark = pytest.mark.once

PACKAGE = Path(ecall_facade.__file__).parent
CLIENT_MODULES = [
    *[_channels, _client, sync_media, sync_messages],
    *[async_channels, async_client, async_media, async_messages],
]
HOME = {
    module.__name__: module for module in (*CLIENT_MODULES, _notify, errors, numbers, results, text)
}
# Modules whose aliases stand in public signatures.
ALIASES = [
    _contents,
    _downloads,
    _messages,
    _notify,
    _request_parts,
    _settings,
    _uploads,
    _wait,
]
# Classes that users hold without having imported them: what a client is made of.
PARTS = [
    value
    for module in CLIENT_MODULES
    for name, value in vars(module).items()
    if isinstance(value, type)
    and value.__module__ == module.__name__
    and not name.startswith("_")
    and value not in {ECall, AsyncECall}
]
OURS = [
    getattr(ecall_facade, name)
    for name in ecall_facade.__all__
    if name not in {"__version__", "text"}
]
CLASSES: list[type] = [value for value in OURS if value.__module__ in HOME] + PARTS
FUNCTIONS: list[FunctionType] = [
    value
    for module in (numbers, text)
    for name in module.__all__
    if isinstance(value := getattr(module, name), FunctionType)
]


def python(code: str) -> str:
    """Run code in a fresh Python in which warnings are errors; return what it prints."""
    command = [sys.executable, "-Werror", "-c", code]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def methods(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the public methods and properties of a class, with those of its bases here."""
    for name, value in inspect.getmembers(kind):
        function = (
            value.fget
            if isinstance(value, property)
            else inspect.unwrap(value)
            if callable(value)
            else None
        )
        if (
            not name.startswith("_")
            and isinstance(function, FunctionType)
            and function.__module__ in HOME
        ):
            yield name, function


def signatures() -> Iterator[tuple[str, FunctionType]]:
    """Yield all functions that users call, with what to call them in a message."""
    for kind in CLASSES:
        constructor = inspect.getattr_static(kind, "__init__")
        if (
            kind not in PARTS
            and isinstance(constructor, FunctionType)
            and constructor.__module__ in HOME
        ):
            yield f"{kind.__name__}()", constructor
        for name, function in methods(kind):
            yield f"{kind.__name__}.{name}", function
    for function in FUNCTIONS:
        yield function.__name__, function


SIGNATURES = dict(signatures())


class TestNames:
    """`__all__` says what there is, by topic, once each."""

    def test_each_public_name_is_listed_once(self) -> None:
        assert len(set(ecall_facade.__all__)) == len(ecall_facade.__all__)

    def test_each_public_name_can_be_imported(self) -> None:
        for name in ecall_facade.__all__:
            namespace: dict[str, object] = {}
            exec(f"from ecall_facade import {name}", namespace)
            assert namespace[name] is getattr(ecall_facade, name)
        assert set(ecall_facade.__all__) <= set(dir(ecall_facade))

    def test_public_names_are_sorted_by_topic(self) -> None:
        source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
        block = source[source.index("__all__ = [") : source.index("\n]")]
        topics = [re.findall(r'"(\w+)"', topic) for topic in re.split(r"\n    # ", block)[1:]]
        assert len(topics) >= 4
        assert [name for topic in topics for name in topic] == ecall_facade.__all__
        for topic in topics:
            assert topic == sorted(topic)

    def test_all_that_users_need_is_public(self) -> None:
        expected = {
            "ECall",
            "AsyncECall",
            "Notify",
            "RawAddress",
            "text",
            "__version__",
            "DeliveryState",
        }
        for module in (errors, results):
            expected |= {
                name
                for name, value in vars(module).items()
                if isinstance(value, type)
                and value.__module__ == module.__name__
                and not name.startswith("_")
            }
        expected |= {
            name
            for name in vars(ecall_client.models)
            if any(re.search(rf"\b{name}\b", words) for words in annotated().values())
        }
        expected -= {"Result", "ApiVersion"}  # a base, and a model with the name of a type of ours
        assert expected <= set(ecall_facade.__all__)
        assert {name for name in ecall_facade.__all__ if not name[0].isupper()} == {
            "__version__",
            "text",
        }

    def test_the_results_module_exports_results_only(self) -> None:
        """How they are read is nobody's business, and may change."""
        results_there = {
            name for name, value in vars(results).items() if getattr(value, "__attrs_attrs__", None)
        }
        assert set(results.__all__) == results_there

    def test_dir_lists_each_name_once(self) -> None:
        assert len(set(dir(ecall_facade))) == len(dir(ecall_facade))

    def test_a_name_that_is_not_public_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'ecall_facade' has no attribute 'Sms'"):
            _ = ecall_facade.Sms
        with pytest.raises(ImportError, match="MessageRequest"):
            exec("from ecall_facade import MessageRequest")

    def test_a_star_import_brings_the_public_names(self) -> None:
        names = "sorted(name for name in globals() if not name.startswith('__'))"
        found = json.loads(
            python(f"from ecall_facade import *; import json; print(json.dumps({names}))")
        )
        assert set(found) - {"json"} == set(ecall_facade.__all__) - {"__version__"}

    def test_the_package_has_a_version(self) -> None:
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(dev|a|b|rc)\d+)?", ecall_facade.__version__)


def annotated() -> dict[str, str]:
    """Return the words of each annotation in a public signature, with aliases spelled out."""
    aliases = {
        name: str(value)
        for module in ALIASES
        for name, value in vars(module).items()
        if name[0].isupper() and (typing.get_origin(value) is not None or isinstance(value, str))
    }
    found: dict[str, str] = {}
    for place, function in SIGNATURES.items():
        for name, annotation in function.__annotations__.items():
            words = annotation if isinstance(annotation, str) else str(annotation)
            spelled = " ".join(
                aliases[alias] for alias in aliases if re.search(rf"\b{alias}\b", words)
            )
            found[f"{place}: {name}"] = f"{words} {spelled}"
    return found


class TestSignatures:
    """What users see is typed to the last, in our own types and Python's."""

    def test_the_public_signatures_are_found(self) -> None:
        assert {
            "ECall()",
            "AsyncECall.request",
            "Whatsapp.send_file",
            "AsyncRcs.broadcast",
            "AsyncMessages.wait",
            "measure",
        } <= set(SIGNATURES)
        assert len(SIGNATURES) > 50

    def test_public_signatures_are_annotated_completely(self) -> None:
        lacking = [
            (place, parameter.name)
            for place, function in SIGNATURES.items()
            for parameter in inspect.signature(function).parameters.values()
            if parameter.name not in {"self", "cls"} and parameter.annotation is parameter.empty
        ]
        lacking += [
            (place, "return")
            for place, function in SIGNATURES.items()
            if inspect.signature(function).return_annotation is inspect.Signature.empty
        ]
        assert lacking == []

    def test_public_signatures_are_free_of_any(self) -> None:
        assert [place for place, words in annotated().items() if re.search(r"\bAny\b", words)] == []

    def test_public_signatures_name_httpx_for_the_transport_only(self) -> None:
        places = [
            place
            for place, words in annotated().items()
            if re.search(r"\bhttpx\b|\bhttpcore\b", words)
        ]
        assert places == ["AsyncECall(): transport", "ECall(): transport"]

    @pytest.mark.parametrize("client", [ECall, AsyncECall])
    def test_the_clients_have_the_arguments_of_the_contract(self, client: type) -> None:
        parameters = inspect.signature(client).parameters
        assert list(parameters) == [
            *[
                "username",
                "password",
                "api_version",
                "version_in",
                "base_url",
                "sender",
                "region",
                "timeout",
                "retry",
            ],
            "transport",
        ]
        positional = [
            name for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD
        ]
        assert positional == ["username", "password"]


class TestDocumentation:
    """Everything public says what it is for."""

    def test_each_public_name_has_a_docstring_of_whole_sentences(self) -> None:
        assert [
            value.__name__
            for value in OURS
            if not (vars(value).get("__doc__") or "").strip().endswith(".")
        ] == []

    def test_each_public_method_has_a_docstring(self) -> None:
        methods = [place for place in SIGNATURES if not place.endswith("()")]
        assert [place for place in methods if not inspect.getdoc(SIGNATURES[place])] == []

    def test_each_part_of_a_client_has_a_docstring(self) -> None:
        assert [kind for kind in PARTS if not inspect.getdoc(kind)] == []

    def test_each_module_has_a_docstring(self) -> None:
        modules = [ecall_facade, *HOME.values(), *ALIASES]
        assert [module.__name__ for module in modules if not module.__doc__] == []


class TestImport:
    """An import costs what is used of it."""

    @staticmethod
    def modules_after(code: str) -> set[str]:
        return set(
            json.loads(python(f"{code}; import json, sys; print(json.dumps(sorted(sys.modules)))"))
        )

    def test_the_import_of_the_package_brings_nothing_that_is_not_needed(self) -> None:
        loaded = self.modules_after("import ecall_facade")
        for name in (
            "phonenumbers",
            "dateutil",
            "starlette",
            "uvicorn",
            "trio",
            "pytest",
            "ecall_facade.sandbox",
        ):
            assert name not in loaded
        assert len([name for name in loaded if name.startswith("ecall_client.models.")]) <= 1

    def test_a_client_brings_not_much_more_than_httpx(self) -> None:
        loaded = self.modules_after("import ecall_facade; ecall_facade.ECall('jane', 'pw')")
        for name in (
            "phonenumbers",
            "dateutil",
            "starlette",
            "uvicorn",
            "trio",
            "ecall_facade._async",
        ):
            assert name not in loaded
        assert "httpx" in loaded

    def test_measuring_a_text_brings_no_client(self) -> None:
        loaded = self.modules_after("import ecall_facade; ecall_facade.text.measure('Hi')")
        assert "ecall_facade.text" in loaded
        assert "ecall_facade._sync._client" not in loaded

    def test_contents_are_loaded_when_they_are_first_used(self) -> None:
        loaded = self.modules_after("import ecall_facade; ecall_facade.ImageContent")
        assert "ecall_client.models.image_content" in loaded
        assert "ecall_client.models.message_request" not in loaded
