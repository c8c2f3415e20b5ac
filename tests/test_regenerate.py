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

import _judge
import _leftovers
import _openapi
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
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def copy_project(folder: Path) -> Path:
    """Copy what the script needs."""
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("spec", "generated", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "docs/evidence.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def generated_files(root: Path) -> dict[str, bytes]:
    package = root / "generated"
    made = [*package.rglob("*"), root / "docs" / "evidence.md", root / "README.md"]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in made
        if path.is_file() and "__pycache__" not in path.parts
    }


def change_spec(project: Path, old: str, new: str) -> None:
    """Change the one place of the spec that reads so."""
    spec = project / "spec" / "ecall.yaml"
    text = spec.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    spec.write_text(text.replace(old, new), encoding="utf-8")


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


WROTE = "Wrote generated/ecall_client, docs/evidence.md, README.md\n"
FITS = "Types, examples and cassettes fit\n"


@needs_the_generator
@pytest.mark.slow
class TestRuns:
    """The whole of it, as it is called."""

    def test_regenerate_check_passes_for_the_committed_files(self) -> None:
        assert run(ROOT, "--check") == (
            0,
            "generated/, docs/evidence.md and README.md are what spec/ makes\n",
        )

    def test_regenerate_check_names_each_file_that_differs(self, project: Path) -> None:
        package = project / "generated" / "ecall_client"
        spec = project / "spec" / "ecall.yaml"
        text = spec.read_text(encoding="utf-8")
        spec.write_text(
            text.replace("enum: [Sms, Whatsapp, Rcs]", "enum: [Sms, Whatsapp, RCS]").replace(
                "const: Rcs", "const: RCS"
            ),
            encoding="utf-8",
        )
        (package / "tables.py").unlink()
        (package / "models" / "stale.py").touch()
        before = generated_files(project)
        code, output = run(project, "--check")
        assert code == 1
        assert output.splitlines() == [
            "Not what spec/ecall.yaml makes; run scripts/regenerate:",
            "changed  docs/evidence.md",
            "changed  generated/ecall_client/models/channel.py",
            "new      generated/ecall_client/tables.py",
            "stale    generated/ecall_client/models/stale.py",
        ]
        assert generated_files(project) == before

    def test_regenerated_files_are_the_same_to_the_byte_whatever_the_hash_seed_and_the_locale(
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
            (project / "docs" / "evidence.md").unlink()
        running = [
            start(project, **given) for project, given in zip(projects, environments, strict=True)
        ]
        for process in running:
            output, _ = process.communicate(timeout=300)
            assert (process.returncode, output) == (0, WROTE + FITS)
        for project in projects:
            assert generated_files(project) == generated_files(ROOT)

    def test_a_warning_of_the_generator_is_refused_in_one_line(self, project: Path) -> None:
        change_spec(
            project,
            """          application/octet-stream:
            schema: {type: string, format: binary}
""",
            """          application/octet-stream:
            schema: {type: array, format: binary}
""",
        )
        before = generated_files(project)
        code, output = run(project)
        assert code == 1
        assert re.fullmatch(r"spec/ecall\.yaml: POST /api/media: .+\n", output), output
        assert generated_files(project) == before

    def test_a_changed_spec_is_regenerated_and_what_is_left_is_named(self, tmp_path: Path) -> None:
        project = copy_project(tmp_path)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "ecall_facade", project / "ecall_facade", ignore=ignored)
        shutil.copytree(ROOT / "tests" / "cassettes", project / "tests" / "cassettes")
        change_spec(project, "enum: [Sms, Whatsapp, Rcs]", "enum: [SMS, Whatsapp, Rcs]")
        spec = project / "spec" / "ecall.yaml"
        text = spec.read_text(encoding="utf-8").replace("const: Sms", "const: SMS")
        spec.write_text(text.replace("MediaUploadResult", "UploadedMedia"), encoding="utf-8")
        code, output = run(project)
        assert code == 0
        wrote, title, *left = output.splitlines()
        assert (wrote, title) == (WROTE.strip(), "Left to do by hand:")
        for pattern in (
            r"ecall_facade/\S+:\d+: error: .*",
            r"spec/ecall\.yaml, POST /api/message, requestBody/.*, example one: \$.*'Sms'.*",
            r"tests/cassettes/send-v2-path\.yaml: .*'Sms'.*; run scripts/record_cassettes",
        ):
            assert [line for line in left if re.fullmatch(pattern, line)], (pattern, left)
        page = (project / "docs" / "evidence.md").read_text(encoding="utf-8")
        assert "### UploadedMedia" in page
        code, output = run(project, "--check")
        assert code == 0, output


@pytest.fixture
def main(script: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Call the script's `main` in a copy of the project; what is generated there is what is committed here."""

    def generate(folder: Path, spec: Any) -> Path:
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
    monkeypatch.setattr(script, "SPEC", project / "spec" / "ecall.yaml")
    monkeypatch.setattr(script, "PACKAGE", project / "generated" / "ecall_client")
    monkeypatch.setattr(script, "EVIDENCE", project / "docs" / "evidence.md")
    monkeypatch.setattr(script, "README", project / "README.md")
    monkeypatch.setattr(script, "generate", generate)
    return call


class TestMain:
    """Each kind of difference alone fails the check, and is named; writing removes it."""

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (
                lambda package: (package / "types.py").write_bytes(b"\n"),
                "changed  generated/ecall_client/types.py",
            ),
            (
                lambda package: (package / "py.typed").unlink(),
                "new      generated/ecall_client/py.typed",
            ),
            (
                lambda package: shutil.rmtree(package / "api" / "media"),
                "new      generated/ecall_client/api/media",
            ),
            (
                lambda package: (package / "extra.py").touch(),
                "stale    generated/ecall_client/extra.py",
            ),
            (lambda package: (package / "extra").mkdir(), "stale    generated/ecall_client/extra"),
            (shutil.rmtree, "new      generated/ecall_client"),
        ],
        ids=["changed", "new", "new folder", "stale", "stale folder", "missing"],
    )
    def test_each_kind_of_difference_fails_the_check_and_is_removed_by_writing(
        self, main: Callable[..., str], project: Path, change: Any, named: str
    ) -> None:
        assert main("--check") == "well"
        change(project / "generated" / "ecall_client")
        assert main("--check").splitlines()[-1] == named
        assert main() == "well"
        assert main("--check") == "well"
        assert generated_files(project) == generated_files(ROOT)

    def test_bytecode_in_the_generated_client_is_no_difference(
        self, main: Callable[..., str], project: Path
    ) -> None:
        for folder in (
            project / "generated" / "ecall_client",
            project / "generated" / "ecall_client" / "models",
        ):
            (folder / "__pycache__").mkdir()
            (folder / "__pycache__" / "x.pyc").touch()
        assert main("--check") == "well"

    def test_regenerate_fails_with_another_version_of_a_tool(
        self, main: Callable[..., str], project: Path
    ) -> None:
        settings = project / "pyproject.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(re.sub(r'"ruff==[\d.]+"', '"ruff==0.0.1"', text), encoding="utf-8")
        words = r"ruff [\d.]+ is not the version that pyproject.toml pins; run scripts/test"
        assert re.fullmatch(words, main("--check"))

    @pytest.mark.parametrize(
        ("arguments", "code"), [(["--help"], "0"), (["check"], "2"), (["--chek"], "2")]
    )
    def test_the_help_and_wrong_arguments_of_regenerate_change_nothing(
        self, main: Callable[..., str], project: Path, arguments: list[str], code: str
    ) -> None:
        before = generated_files(project)
        assert main(*arguments) == code
        assert generated_files(project) == before

    @pytest.mark.parametrize("name", ["README.md", "docs/evidence.md"])
    def test_a_page_that_differs_is_named_and_written(
        self, main: Callable[..., str], project: Path, name: str
    ) -> None:
        page = project / name
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("| operations | 2 (", "| operations | 9 ("), encoding="utf-8")
        assert main("--check").splitlines()[1:] == [f"changed  {name}"]
        assert main() == "well"
        assert page.read_text(encoding="utf-8") == text

    def test_a_readme_without_a_place_for_the_numbers_is_named(
        self, main: Callable[..., str], project: Path
    ) -> None:
        (project / "README.md").write_text("# Nothing\n", encoding="utf-8")
        before = generated_files(project)
        assert re.fullmatch(r"README\.md: no place for the summary; add the lines .*", main())
        assert generated_files(project) == before


class TestScript:
    """The parts of the script."""

    def test_an_edit_of_a_template_that_no_longer_fits_fails(
        self, script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setitem(script.TEMPLATE_EDITS, "model.py.jinja", [("no such line", "")])
        with pytest.raises(
            SystemExit,
            match=r"template model\.py\.jinja has changed: 'no such line' is in it 0 times",
        ):
            script.write_templates(tmp_path / "templates")

    def test_names_that_differ_only_in_letter_case_are_refused(self, script: Any) -> None:
        spec = copy.deepcopy(SPEC)
        spec["components"]["schemas"]["Error"]["properties"]["MEDIAID"] = {"type": "string"}
        with pytest.raises(SystemExit, match="two property names differ in letter case only"):
            script.tables(spec)

    def test_names_in_examples_are_not_taken_for_properties(self, script: Any) -> None:
        schema = {
            "properties": {
                "a": {"default": {"properties": {"b": {}}}, "examples": [{"properties": {"c": {}}}]}
            }
        }
        assert _openapi.property_names({}, [schema]) == {"a"}

    def test_references_are_followed_once(self, script: Any) -> None:
        node = {
            "properties": {"inner": {"$ref": "#/x/Node"}, "list": {"items": [{"$ref": "#/x/Node"}]}}
        }
        assert _openapi.property_names({"x": {"Node": node}}, [{"$ref": "#/x/Node"}]) == {
            "inner",
            "list",
        }

    def test_differences_in_folders_are_named(self, script: Any, tmp_path: Path) -> None:
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


def changed_spec(*edits: tuple[str, Any]) -> dict[str, Any]:
    """Return the spec with other values at some places; None removes what is there."""
    spec = copy.deepcopy(SPEC)
    for pointer, value in edits:
        parent, _, name = pointer.rpartition("/")
        holder = spec if parent == "#" else _openapi.look_up(spec, parent)
        if value is None:
            del holder[_openapi.unescaped(name)]
        else:
            holder[_openapi.unescaped(name)] = value
    return spec


UPLOAD = "#/paths/~1api~1media/post"
STATUS = "#/paths/~1api~1message~1{messageId}"
BINARY = {"schema": {"type": "string", "format": "binary"}}


class TestRefusals:
    """What the generator cannot do is named with path, method and remedy, in one line, before anything is written."""

    @pytest.mark.parametrize(
        ("edits", "line"),
        [
            ([(f"{UPLOAD}/operationId", None)],
             "POST /api/media: no operationId; add one, which names the function of the client"),
            ([(f"{UPLOAD}/operationId", "sendMessage")],
             ("POST /api/media: operationId sendMessage is that of POST /api/message too, and the generator would drop"
             " one of them; give it another")),
            ([(f"{UPLOAD}/requestBody/content", {"*/*": BINARY})],
             ("POST /api/media: the request body has the wildcard */*; name the media type, or use"
             " application/octet-stream")),
            ([(f"{UPLOAD}/requestBody/content/image~1*", BINARY)],
             ("POST /api/media: the request body has the wildcard image/*; name the media type, or use"
             " application/octet-stream")),
            ([(f"{UPLOAD}/responses/2XX/content/*~1*", BINARY)],
             ("POST /api/media: response 2XX has the wildcard */*; name the media type, or use"
              " application/octet-stream")),
            ([(f"{UPLOAD}/requestBody/content/image~1png", BINARY)],
             ("POST /api/media: the request body has image/png, which the generator does not know; use application/json"
             " or application/octet-stream or multipart/form-data or application/x-www-form-urlencoded")),
            ([(f"{UPLOAD}/requestBody/content", {"application/json": {}})],
             "POST /api/media: the request body has no schema for application/json; add one"),
            ([(f"{UPLOAD}/responses/2XX/content/application~1json/schema", {})],
             ("POST /api/media: response 2XX has a schema for application/json that says nothing, which the generator"
              " types as Any; describe the response, or remove its content")),
            ([("#/components/schemas/MediaUploadResult", {"description": "Not known."})],
             ("POST /api/media: response 2XX has a schema for application/json that says nothing, which the generator"
              " types as Any; describe the response, or remove its content")),
            ([(f"{UPLOAD}/responses/2XX/content/application~1json/schema",
               {"type": "array", "items": {"oneOf": [{"type": "string"}, True]}})],
             ("POST /api/media: response 2XX has a schema for application/json that says nothing, which the generator"
              " types as Any; describe the response, or remove its content")),
            ([(f"{STATUS}/get/parameters", [])],
             "GET /api/message/{messageId}: no path parameter messageId; add it to the parameters"),
            ([("#/paths/~1api~1media", {"$ref": "#/components/pathItems/Media"}),
              ("#/components/pathItems", {"Media": {}})],
             "/api/media: the generator follows no $ref of a path; write its operations below it"),
            ([("#/paths/~1api~1media/servers", [{"url": "https://media.example"}])],
             "POST /api/media: the generator ignores servers of a path; remove them"),
            ([(f"{UPLOAD}/responses/400/$ref", "#/components/responses/Bad")],
             "POST /api/media, responses/400: #/components/responses/Bad leads to nothing; correct the $ref"),
            ([("#/paths/~1api~1nothing", [])],
             "/api/nothing: it holds no operations; write them below it, or remove it"),
        ],
    )  # fmt: skip
    def test_a_spec_that_the_generator_cannot_use_is_refused_in_one_line(
        self, edits: list[tuple[str, Any]], line: str
    ) -> None:
        assert list(_openapi.refusals(changed_spec(*edits))) == [line]

    def test_the_spec_can_be_generated(self) -> None:
        assert list(_openapi.refusals(SPEC)) == []

    @pytest.mark.parametrize(
        ("edits", "line"),
        [
            ([(f"{UPLOAD}/x-evidence", None)], "POST /api/media: no x-evidence; give it a level"),
            (
                [(f"{UPLOAD}/responses/2XX/x-evidence", None)],
                "POST /api/media, responses/2XX: no x-evidence; give it",
            ),
            ([(f"{UPLOAD}/operationId", None)], "POST /api/media: no operationId; add one"),
            ([("#/paths", None)], "it is not an OpenAPI document with paths"),
        ],
    )
    def test_regenerate_prints_a_refusal_and_writes_nothing(
        self, main: Callable[..., str], project: Path, edits: list[tuple[str, Any]], line: str
    ) -> None:
        before = generated_files(project)
        text = yaml.safe_dump(changed_spec(*edits))
        (project / "spec" / "ecall.yaml").write_text(text, encoding="utf-8")
        for arguments in ([], ["--check"]):
            (said,) = main(*arguments).splitlines()
            assert said.startswith(f"spec/ecall.yaml: {line}")
        assert generated_files(project) == before

    def test_a_spec_that_is_no_yaml_is_refused_in_one_line(
        self, main: Callable[..., str], project: Path
    ) -> None:
        (project / "spec" / "ecall.yaml").write_text("a: [\n  b", encoding="utf-8")
        (said,) = main().splitlines()
        assert said.startswith("spec/ecall.yaml: while parsing a flow sequence")

    @needs_the_generator
    @pytest.mark.slow
    def test_parameters_and_words_that_a_path_shares_are_generated(self, project: Path) -> None:
        (parameter, *others) = SPEC["paths"]["/api/message/{messageId}"]["get"]["parameters"]
        spec = changed_spec(
            (f"{STATUS}/parameters", [parameter]),
            (f"{STATUS}/get/parameters", others),
            (f"{STATUS}/summary", "One message."),
            (f"{STATUS}/description", "What was sent."),
        )
        text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
        (project / "spec" / "ecall.yaml").write_text(text, encoding="utf-8")
        assert run(project) == (0, WROTE + FITS)
        assert generated_files(project) == generated_files(ROOT)


class TestLeftovers:
    """What a change of the spec leaves to a person is named, each in one line."""

    def test_examples_and_cassettes_fit_the_spec(self) -> None:
        judge = _judge.Judge(SPEC)
        assert list(_leftovers.example_problems(judge)) == []
        assert list(_leftovers.cassette_problems(judge, ROOT / "tests" / "cassettes")) == []

    def test_only_cassettes_that_do_not_fit_are_listed_as_unfit_on_purpose(self) -> None:
        found = _leftovers.cassette_problems(
            _judge.Judge(SPEC), ROOT / "tests" / "cassettes", ignored=()
        )
        names = {line.partition(".yaml: ")[0].rpartition("/")[2] for line in found}
        assert names == _leftovers.UNFIT_ON_PURPOSE

    SENT = "#/components/schemas/MessageResult/properties/messageId"

    @pytest.mark.parametrize(
        ("edits", "cassette"),
        [
            ([(SENT, {"type": "integer"})],
             "tests/cassettes/send-v2-path.yaml: response 200 of POST /api/message: $.messageId"),
            ([("#/components/schemas/TextContent/properties/text", {"type": "integer"})],
             "tests/cassettes/send-v2-path.yaml: the request of POST /api/message: "),
            ([("#/paths/~1api~1message", None)], "tests/cassettes/send-v2-path.yaml: POST https://rest.ecall.ch"),
            ([("#/paths/~1api~1media/post/requestBody/content", {"multipart/form-data": BINARY})],
             "tests/cassettes/media-v2-path.yaml: the request of POST /api/media: image/png is not"),
        ],
    )  # fmt: skip
    def test_a_cassette_that_no_longer_fits_is_named(
        self, edits: list[tuple[str, Any]], cassette: str
    ) -> None:
        judge = _judge.Judge(changed_spec(*edits))
        found = list(_leftovers.cassette_problems(judge, ROOT / "tests" / "cassettes"))
        assert [line for line in found if line.startswith(cassette)], found[:5]

    def test_an_example_that_no_longer_fits_is_named(self) -> None:
        spec = changed_spec(("#/components/schemas/Channel/enum", ["SMS"]))
        found = list(_leftovers.example_problems(_judge.Judge(spec)))
        start = "spec/ecall.yaml, POST /api/message, requestBody/content/application/json, example one: $"
        assert found[0].startswith(start), found[0]


def enums() -> Iterator[type[StrEnum]]:
    for name in models.__all__:
        value = getattr(models, name)
        if isinstance(value, type) and issubclass(value, StrEnum):
            yield value


class TestEnums:
    """A generated enum takes what is new, so that a new value of the service breaks nobody."""

    @pytest.mark.parametrize("kind", list(enums()))
    @pytest.mark.parametrize("value", ["Neu", "", 7])
    def test_a_generated_enum_keeps_an_unknown_value(self, kind: type[StrEnum], value: Any) -> None:
        member = kind(value)
        assert isinstance(member, kind)
        assert (member.value, str(member), f"{member}") == (value, str(value), str(value))
        assert repr(member) == f"<{kind.__name__}.{value}: {value!r}>"
        assert member not in list(kind)
        again = pickle.loads(pickle.dumps(member))
        assert (type(again), again, again.value) == (kind, member, value)

    @pytest.mark.parametrize("kind", list(enums()))
    def test_a_generated_enum_knows_its_members(self, kind: type[StrEnum]) -> None:
        for member in kind:
            assert kind(member.value) is member
            assert repr(member) == f"<{kind.__name__}.{member.name}: {member.value!r}>"

    def test_the_generated_enums_are_those_of_the_spec(self) -> None:
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


class TestTables:
    """The tables that the facade reads are those of the spec."""

    @staticmethod
    def properties_of(*names: str) -> set[str]:
        return {field for name in names for field in SCHEMAS[name].get("properties", {})}

    def test_the_table_of_json_names_has_each_property_of_the_spec(self) -> None:
        names = self.properties_of(*SCHEMAS)
        assert {name.lower(): name for name in names} == tables.JSON_NAMES
        deep = [place for place, parent, _ in nodes(SCHEMAS) if parent == "properties"]
        assert {place.rpartition("/")[2] for place in deep} == names

    def test_the_table_of_request_names_has_each_property_of_a_request(self) -> None:
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

    def test_the_table_of_operations_has_each_operation_of_the_spec(self) -> None:
        assert [operation[1:] for operation in tables.OPERATIONS.values()] == [
            (method.upper(), path, operation["x-evidence"]["level"])
            for path, methods in SPEC["paths"].items()
            for method, operation in methods.items()
        ]
