"""`scripts/regenerate`: the generated package is what the spec makes, to the byte, and the check says where not."""

from __future__ import annotations

import copy
import filecmp
import importlib.util
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecall_client import models, tables

ROOT = Path(__file__).parents[1]
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "spec" / "ecall.yaml").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]

needs_the_generator = pytest.mark.skipif(
    importlib.util.find_spec("openapi_python_client") is None,
    reason="the generator is not installed here",
)


def start(root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(root / "scripts" / "regenerate"), *arguments],
        cwd=root,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def run(root: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    process = start(root, *arguments, **environment)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def copy_project(folder: Path) -> Path:
    """Copy what the script needs."""
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("spec", "generated", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def files(root: Path) -> dict[str, bytes]:
    package = root / "generated"
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path / "project")


@pytest.fixture(scope="module")
def script() -> Any:
    """The script as a module."""
    pytest.importorskip("openapi_python_client")
    loader = SourceFileLoader("regenerate", str(ROOT / "scripts" / "regenerate"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@needs_the_generator
@pytest.mark.slow
class TestRuns:
    """The whole of it, as it is called."""

    def test_the_check_passes_for_what_is_committed(self) -> None:
        assert run(ROOT, "--check") == (0, "generated/ is what spec/ makes\n")

    def test_the_check_names_what_differs(self, project: Path) -> None:
        package = project / "generated" / "ecall_client"
        spec = project / "spec" / "ecall.yaml"
        text = spec.read_text(encoding="utf-8")
        spec.write_text(
            text.replace("enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Whatsapp, RCS]"),
            encoding="utf-8",
        )
        (package / "tables.py").unlink()
        (package / "models" / "stale.py").touch()
        before = files(project)
        code, output = run(project, "--check")
        assert code == 1
        assert output.splitlines() == [
            "generated/ecall_client is not what spec/ makes; run scripts/regenerate:",
            "changed  models/channel.py",
            "new      tables.py",
            "stale    models/stale.py",
        ]
        assert files(project) == before

    def test_the_result_is_the_same_to_the_byte_whatever_the_hash_seed_and_the_locale(
        self, tmp_path: Path
    ) -> None:
        environments: list[dict[str, str]] = [
            {
                "PYTHONHASHSEED": "1",
                "LC_ALL": "C",
                "PYTHONUTF8": "0",
                "PYTHONCOERCECLOCALE": "0",
                "TZ": "Asia/Tokyo",
            },
            {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "LANG": "de_CH.UTF-8", "PYTHONUTF8": "1"},
        ]
        projects = [copy_project(tmp_path / str(number)) for number in range(len(environments))]
        # A configuration in a folder above must not play a part.
        (tmp_path / "ruff.toml").write_text("line-length = 60\n", encoding="utf-8")
        for project in projects:
            shutil.rmtree(project / "generated" / "ecall_client")
        running = [
            start(project, **given) for project, given in zip(projects, environments, strict=True)
        ]
        for process in running:
            output, _ = process.communicate(timeout=120)
            assert (process.returncode, output) == (0, "Wrote generated/ecall_client\n")
        for project in projects:
            assert files(project) == files(ROOT)

    def test_a_warning_of_the_generator_fails_it(self, project: Path) -> None:
        # A body that the generator does not know makes it drop the whole operation, with no more than a warning.
        spec = project / "spec" / "ecall.yaml"
        text = spec.read_text(encoding="utf-8")
        assert text.index("application/octet-stream:") < text.index(
            "operationId: getMedia"
        )  # of the upload, then
        spec.write_text(
            text.replace("application/octet-stream:", "application/x-unknown:", 1), encoding="utf-8"
        )
        before = files(project)
        code, output = run(project)
        assert code == 1
        assert "openapi_python_client generate failed" in output
        assert "application/x-unknown" in output
        assert files(project) == before


@pytest.fixture
def main(script: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Call the script's `main` in a copy of the project; what is generated there is what is committed here."""

    def generate(folder: Path) -> Path:
        made = shutil.copytree(ROOT / "generated" / "ecall_client", folder / "ecall_client")
        for left in made.rglob("__pycache__"):
            shutil.rmtree(left)
        return made

    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["regenerate", *arguments])
        try:
            script.main()
        except SystemExit as ended:
            return str(ended.code)
        return "well"

    monkeypatch.setattr(script, "ROOT", project)
    monkeypatch.setattr(script, "PACKAGE", project / "generated" / "ecall_client")
    monkeypatch.setattr(script, "generate", generate)
    return call


class TestMain:
    """Each kind of difference alone fails the check, and is named; writing removes it."""

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda package: (package / "types.py").write_bytes(b"\n"), "changed  types.py"),
            (lambda package: (package / "py.typed").unlink(), "new      py.typed"),
            (lambda package: shutil.rmtree(package / "api" / "media"), "new      api/media"),
            (lambda package: (package / "extra.py").touch(), "stale    extra.py"),
            (lambda package: (package / "extra").mkdir(), "stale    extra"),
            (shutil.rmtree, "generated/ecall_client is not there; run scripts/regenerate"),
        ],
        ids=["changed", "new", "new folder", "stale", "stale folder", "missing"],
    )
    def test_difference(
        self, main: Callable[..., str], project: Path, change: Any, named: str
    ) -> None:
        assert main("--check") == "well"
        change(project / "generated" / "ecall_client")
        assert main("--check").splitlines()[-1] == named
        assert main() == "well"
        assert main("--check") == "well"
        assert files(project) == files(ROOT)

    def test_does_not_mind_what_python_leaves_behind(
        self, main: Callable[..., str], project: Path
    ) -> None:
        for folder in (
            project / "generated" / "ecall_client",
            project / "generated" / "ecall_client" / "models",
        ):
            (folder / "__pycache__").mkdir()
            (folder / "__pycache__" / "x.pyc").touch()
        assert main("--check") == "well"

    def test_fails_with_another_version_of_a_tool(
        self, main: Callable[..., str], project: Path
    ) -> None:
        settings = project / "pyproject.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(re.sub(r'"ruff==[\d.]+"', '"ruff==0.0.1"', text), encoding="utf-8")
        words = r"ruff [\d.]+ is not the version that pyproject.toml pins; run scripts/test"
        assert re.fullmatch(words, main("--check"))

    @pytest.mark.parametrize("arguments", [["--help"], ["--check", "--check"], ["check"]])
    def test_explains_itself(self, main: Callable[..., str], arguments: list[str]) -> None:
        assert main(*arguments).startswith("Make generated/ecall_client from spec/ecall.yaml.")


class TestScript:
    """The parts of the script."""

    def test_an_edit_of_a_template_that_no_longer_fits_fails(
        self, script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setitem(script.TEMPLATE_EDITS, "model.py.jinja", ("no such line", ""))
        with pytest.raises(
            SystemExit,
            match=r"template model\.py\.jinja has changed: 'no such line' is in it 0 times",
        ):
            script.write_templates(tmp_path / "templates")

    def test_an_operation_id_that_is_there_twice_fails(self, script: Any) -> None:
        spec = copy.deepcopy(SPEC)
        spec["paths"]["/api/media"]["post"]["operationId"] = "sendMessage"
        with pytest.raises(
            SystemExit, match="An operationId is there twice; the generator would drop one"
        ):
            script.tables(spec)

    def test_names_that_differ_in_letter_case_only_fail(self, script: Any) -> None:
        spec = copy.deepcopy(SPEC)
        spec["components"]["schemas"]["Error"]["properties"]["MEDIAID"] = {"type": "string"}
        with pytest.raises(
            SystemExit, match="Two property names of the spec differ in letter case only"
        ):
            script.tables(spec)

    def test_names_in_examples_are_no_properties(self, script: Any) -> None:
        schema = {
            "properties": {
                "a": {"default": {"properties": {"b": {}}}, "examples": [{"properties": {"c": {}}}]}
            }
        }
        assert script.property_names({}, [schema]) == {"a"}

    def test_references_are_followed_once(self, script: Any) -> None:
        node = {
            "properties": {"inner": {"$ref": "#/x/Node"}, "list": {"items": [{"$ref": "#/x/Node"}]}}
        }
        assert script.property_names({"x": {"Node": node}}, [{"$ref": "#/x/Node"}]) == {
            "inner",
            "list",
        }

    def test_differences_go_down_into_folders(self, script: Any, tmp_path: Path) -> None:
        for side in ("new", "old"):
            (tmp_path / side / "a" / "b").mkdir(parents=True)
            (tmp_path / side / "a" / "b" / "changed.py").write_text(side, encoding="utf-8")
            (tmp_path / side / "a" / f"{side}.py").touch()
        (tmp_path / "new" / "kind").mkdir()
        (tmp_path / "old" / "kind").touch()
        found = script.differences(filecmp.dircmp(tmp_path / "new", tmp_path / "old"))
        assert sorted(found) == [
            "changed  a/b/changed.py",
            "changed  kind",
            "new      a/new.py",
            "stale    a/old.py",
        ]


def enums() -> Iterator[type[StrEnum]]:
    for name in models.__all__:
        value = getattr(models, name)
        if isinstance(value, type) and issubclass(value, StrEnum):
            yield value


class TestEnums:
    """A generated enum takes what is new, so that a new value of the service breaks nobody."""

    @pytest.mark.parametrize("kind", list(enums()))
    @pytest.mark.parametrize("value", ["Neu", "", 7])
    def test_keeps_an_unknown_value(self, kind: type[StrEnum], value: Any) -> None:
        member = kind(value)
        assert isinstance(member, kind)
        assert (member.value, str(member), f"{member}") == (value, str(value), str(value))
        assert repr(member) == f"<{kind.__name__}.{value}: {value!r}>"
        assert member not in list(kind)
        again = pickle.loads(pickle.dumps(member))
        assert (type(again), again, again.value) == (kind, member, value)

    @pytest.mark.parametrize("kind", list(enums()))
    def test_knows_its_own(self, kind: type[StrEnum]) -> None:
        for member in kind:
            assert kind(member.value) is member
            assert repr(member) == f"<{kind.__name__}.{member.name}: {member.value!r}>"

    def test_are_those_of_the_spec(self) -> None:
        of_the_spec = {name: schema["enum"] for name, schema in SCHEMAS.items() if "enum" in schema}
        assert {kind.__name__: {str(member) for member in kind} for kind in enums()} == {
            name: set(values) for name, values in of_the_spec.items()
        }


def nodes(node: Any, place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Give each mapping of the spec with its place and its parent's key; what is example data is left out."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from nodes(item, f"{place}/{number}")
    elif isinstance(node, dict):
        yield place, place.rpartition("/")[0].rpartition("/")[2], node
        for key, value in node.items():
            if key not in {"examples", "default", "x-evidence", "mapping"}:
                yield from nodes(value, f"{place}/{key}")


METHODS = {"get", "post", "put", "patch", "delete"}


class TestEvidence:
    """Each operation and each property says how well it is known, and from where."""

    @staticmethod
    def facts() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place, parent, node in nodes(SPEC):
            is_operation = place.rpartition("/")[2] in METHODS and "responses" in node
            is_fact = parent in {
                "properties",
                "schemas",
                "x-channel-rules",
                "responses",
                "headers",
                "parameters",
            }
            if is_operation or (is_fact and set(node) != {"$ref"}) or (parent == "properties"):
                found[place] = node
        return found

    def test_is_there(self) -> None:
        facts = self.facts()
        assert len(facts) > 120
        bad = [
            place
            for place, node in facts.items()
            if node.get("x-evidence", {}).get("level") not in {"documented", "observed", "inferred"}
            or not str(node["x-evidence"].get("source") or "").strip()
            or set(node["x-evidence"]) != {"level", "source"}
        ]
        assert bad == []

    def test_covers_every_operation_and_every_property(self) -> None:
        facts = self.facts()
        operations = [
            f"/{part}/{path}/{method}"
            for part in ("paths", "webhooks")
            for path, methods in SPEC[part].items()
            for method in methods
        ]
        properties = [
            f"/components/schemas/{name}/properties/{field}"
            for name, schema in SCHEMAS.items()
            for field in schema.get("properties", {})
        ]
        assert len(operations) == 8
        assert len(properties) > 60
        assert set(operations) | set(properties) <= set(facts)

    def test_of_paths_that_are_not_documented_is_honest(self) -> None:
        documented = {
            operation.path for operation in tables.OPERATIONS if operation.level == "documented"
        }
        assert documented == {"/api/message", "/api/message/{messageId}"}


class TestTables:
    """The tables that the facade reads are those of the spec."""

    @staticmethod
    def properties_of(*names: str) -> set[str]:
        return {field for name in names for field in SCHEMAS[name].get("properties", {})}

    def test_json_names_cover_all(self) -> None:
        names = self.properties_of(*SCHEMAS)
        assert {name.lower(): name for name in names} == tables.JSON_NAMES
        deep = [place for place, parent, _ in nodes(SCHEMAS) if parent == "properties"]
        assert {place.rpartition("/")[2] for place in deep} == names

    def test_request_names_are_those_of_requests(self) -> None:
        requests = self.properties_of(
            *[
                "MessageRequest",
                "MessageListRequest",
                "MessageListItem",
                "ToAddressNumber",
                "Notification",
            ],
            *[
                "NotificationAddress",
                "TextContent",
                "TextOptions",
                "ImageContent",
                "DocumentContent",
                "AudioContent",
            ],
            *["VideoContent", "StickerContent"],
        )
        assert {name.lower() for name in requests} == tables.REQUEST_NAMES

    def test_operations_are_those_of_the_spec(self) -> None:
        assert [tuple(operation) for operation in tables.OPERATIONS] == [
            (operation["operationId"], method.upper(), path, operation["x-evidence"]["level"])
            for path, methods in SPEC["paths"].items()
            for method, operation in methods.items()
        ]
