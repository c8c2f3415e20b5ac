"""Everything that README.md and docs/ show is run, and what they name is there.

- `python`: the blocks of a file run in order in one namespace, against a real sandbox that the environment points to. A
  line that ends in `# -> …` is held to it: what an expression gives (its repr), or what its `print` wrote; `…` in it
  stands for anything. A block with test functions is run by pytest, as a file of its own.
- `sh`: each line is a command that is run, or for the project's own scripts is there; see `TestShell`.
- `text`: a map of folders or the tree of errors, compared with the real one.

Any other kind of block fails, and so does code without a fence.
"""

from __future__ import annotations

import ast
import builtins
import io
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from _cli import Command, stop_after

from ecall_facade import ECall, ECallError, MessageStatus, errors
from ecall_facade._settings import SENDER_VARIABLES
from ecall_facade._timestamps import read_timestamp
from ecall_facade.numbers import normalize
from ecall_facade.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SCRIPTS = (
    "benchmarks/run",
    "scripts/demo",
    "scripts/test",
    "scripts/regenerate",
    "scripts/regenerate --check",
    "scripts/record_cassettes",
    "scripts/check_changes",
    "scripts/check_upstream",
    "scripts/live_check",
    "scripts/screenshots",
    "scripts/terminal_pictures",
)

REMINDERS = DOCS / "guides" / "reminders.md"
COMMAND_LINE = DOCS / "reference" / "command-line.md"

pytestmark = pytest.mark.slow  # once is enough: what it runs is tested on each Python by itself


class Block(NamedTuple):
    page: Path
    line: int  # of its first line, from 1
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    @property
    def is_included(self) -> bool:
        """Whether the block is a file of the project, which has tests of its own."""
        return self.text.startswith("--8<-- ")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def read_blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    opened: tuple[int, str] | None = None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(("```", "~~~")):
            assert line.startswith("```"), (
                f"{page.name}:{number}: fences begin at the left with three backticks"
            )
            if opened is None:
                opened = number + 1, line[3:].strip()
            else:
                assert line == "```", f"{page.name}:{number}: a block begins inside a block"
                begin, language = opened
                found.append(Block(page, begin, language, "\n".join(lines[begin - 1 : number - 1])))
                opened = None
        elif opened is None and not is_inside_directive(lines[: number - 1]):
            assert not line.startswith(("    ", "\t")), (
                f"{page.name}:{number}: code without a fence would not be run"
            )
    assert opened is None, f"{page.name}: a block is not closed"
    return found


def is_inside_directive(before: list[str]) -> bool:
    """Whether a line belongs to a `::: name` of the API reference, or to a note that `!!!` begins."""
    while before and (before[-1].startswith("    ") or not before[-1]):
        before = before[:-1]
    return bool(before) and before[-1].startswith(("::: ", "!!! "))


BLOCKS = [block for page in PAGES for block in read_blocks(page) if not block.is_included]


def prose(page: Path) -> str:
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def blocks(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def each(found: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=[block.name for block in found])


def each_page(wanted: Callable[[Path], bool] = lambda _: True) -> pytest.MarkDecorator:
    found = [page for page in PAGES if wanted(page)]
    return pytest.mark.parametrize("page", found, ids=[name_of(page) for page in found])


def table(page: str, heading: str) -> list[list[str]]:
    """Give the rows of the table below a heading of a page, without its head."""
    text = (DOCS / page).read_text(encoding="utf-8")
    part = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    lines = re.split(r"^#", part, flags=re.MULTILINE)[0].splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]
    assert len(rows) > 2
    return rows[2:]


def test_there_are_pages_and_no_block_of_an_unknown_kind() -> None:
    assert len(PAGES) > 5
    # Those of docs/guides/reminders.md, "console" and "csv", are run by tests/test_cli_bulk.py.
    kinds = {block.language for block in BLOCKS if block.page != REMINDERS}
    assert kinds == {"python", "sh", "text"}


class TestPython:
    @each_page(lambda page: any(block.page == page for block in blocks("python")))
    def test_every_block_does_what_it_says(
        self, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
        (tmp_path / "plan.pdf").write_bytes(b"%PDF-1.7 a plan")
        monkeypatch.chdir(tmp_path)
        with Sandbox() as sandbox:
            set_environment(monkeypatch, sandbox)
            namespace: dict[str, Any] = {"__name__": "__main__"}
            try:
                for block in blocks("python"):
                    if block.page == page:
                        run_block(block, namespace, tmp_path)
            finally:
                close_all(namespace)

    def test_a_wrong_claim_is_noticed(self, tmp_path: Path) -> None:
        for text, problem in [
            ("1 + 1  # -> 3", "is 2"),
            ("print('a')  # -> b", "is a"),
            ("if False:\n    1 + 1  # -> 2", "not reached"),
            ("x = 1  # -> 1", "not an expression"),
        ]:
            with pytest.raises(AssertionError, match=problem):
                run_block(Block(tmp_path, 1, "python", text), {}, tmp_path)


def set_environment(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    credentials = sandbox.credentials
    for name in ("username", "password", "base_url"):
        monkeypatch.setenv(f"ECALL_{name.upper()}", credentials[name])
    for channel, variable in SENDER_VARIABLES.items():
        monkeypatch.setenv(variable, credentials["sender"][channel])


def close_all(namespace: dict[str, Any]) -> None:
    for value in namespace.values():
        if isinstance(value, ECall):
            value.close()
        elif isinstance(value, Sandbox):
            value.stop()


def run_block(block: Block, namespace: dict[str, Any], folder: Path) -> None:
    if re.search(r"^(async )?def test_", block.text, flags=re.MULTILINE):
        run_by_pytest(block, folder)
        return
    claims = {
        number: claim
        for number, line in enumerate(block.text.splitlines(), 1)
        for claim in re.findall(r"# -> (.*)$", line)
    }
    tree = ast.parse(block.text)
    asked: set[int | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and node.end_lineno in claims:
            asked.add(node.end_lineno)
            name, line = ast.Name("shown__", ast.Load()), ast.Constant(node.end_lineno)
            # The line is an argument before the value, so that what is printed belongs to it.
            node.value = ast.Call(
                name, [ast.Call(ast.Name("show__", ast.Load()), [line], []), node.value], []
            )
    ast.fix_missing_locations(tree)
    reached: set[int] = set()
    printed = io.StringIO()

    def show(line: int) -> int:
        printed.seek(0)
        printed.truncate()
        return line

    def shown(line: int, value: object) -> None:
        actual = (
            printed.getvalue().rstrip("\n") if value is None and printed.getvalue() else repr(value)
        )
        pattern = ".*".join(re.escape(part) for part in claims[line].split("…"))
        assert re.fullmatch(pattern, actual), (
            f"{name_of(block.page)}:{block.line + line - 1} is {actual}"
        )
        reached.add(line)

    namespace |= {"show__": show, "shown__": shown, "__builtins__": builtins}
    with redirect_stdout(printed):
        exec(compile(tree, block.name, "exec", dont_inherit=True), namespace)
    assert asked == claims.keys(), f"{block.name}: a claim is on what is not an expression"
    assert reached == claims.keys(), f"{block.name}: a claim was not reached"


def run_by_pytest(block: Block, folder: Path) -> None:
    file = folder / f"test_{block.page.stem}_{block.line}.py"
    file.write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-Werror", file.name]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ECALL_")}
    result = subprocess.run(
        command, cwd=folder, env=clean, capture_output=True, encoding="utf-8", timeout=60
    )
    tests = len(re.findall(r"^(?:async )?def test_", block.text, flags=re.MULTILINE))
    assert result.returncode == 0, result.stdout
    assert f"{tests} passed" in result.stdout


class TestShell:
    """Commands are run, but for scripts that other tests run; `scripts/test` would run itself.

    Those of docs/reference/command-line.md are run by tests/test_cli_docs.py.
    """

    def commands(self, block: Block) -> list[list[str]]:
        return [
            words for line in block.text.splitlines() if (words := shlex.split(line, comments=True))
        ]

    @each(
        [
            block
            for block in blocks("sh")
            if re.match("ecall ", block.text) and block.page != COMMAND_LINE
        ]
    )
    def test_commands_do_what_they_say(
        self,
        block: Block,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        stop_after(monkeypatch)
        command = Command(capsys, monkeypatch, tmp_path)
        for line in block.text.splitlines():
            assert command.line(line).code == 0
        assert len(opened) == block.text.count("--open")

    @each([block for block in blocks("sh") if not re.search("pip install|^ecall ", block.text)])
    def test_commands_are_there(self, block: Block) -> None:
        for words in self.commands(block):
            if words[0] == "export":
                given = {word.partition("=")[0] for word in words[1:]}
                assert given <= {"ECALL_USERNAME", "ECALL_PASSWORD", *SENDER_VARIABLES.values()}
            else:
                assert " ".join(words) in SCRIPTS or words[0] == "scripts/test", (
                    f"{block.name}: {words}"
                )
                assert os.access(ROOT / words[0], os.X_OK)

    def test_the_readme_installs_what_other_pages_install(self) -> None:
        lines = {
            (block.page.name, " ".join(words))
            for block in blocks("sh")
            for words in self.commands(block)
            if words[:2] == ["pip", "install"]
        }
        shown = {line for page, line in lines if page == "README.md"}
        assert {line for _, line in lines} == shown  # which test_installing_works runs

    def test_continuous_integration_calls_the_very_script_for_the_tests(self) -> None:
        assert re.search(
            r"^exec python3 scripts/test$",
            (ROOT / ".ci/run").read_text(encoding="utf-8"),
            re.MULTILINE,
        )

    @pytest.mark.slow
    @pytest.mark.xdist_group("packaging")
    @each(
        [
            block
            for block in blocks("sh")
            if "pip install" in block.text and block.page.name == "README.md"
        ]
    )
    def test_installing_works(self, block: Block, tmp_path: Path) -> None:
        def run(*command: str | Path, **environment: str) -> None:
            result = subprocess.run(
                list(map(str, command)),
                cwd=tmp_path,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                timeout=300,
                check=False,
            )
            assert result.returncode == 0, result.stdout

        run(
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--wheel",
            "--outdir",
            tmp_path / "dist",
            ROOT,
        )
        run(sys.executable, "-m", "venv", tmp_path / "venv")
        folder = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        environment = {
            "PIP_FIND_LINKS": str(tmp_path / "dist"),
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        for words in self.commands(block):
            assert words[:2] == ["pip", "install"]
            run(folder / "pip", *words[1:], "-q", **environment)
        (wheel,) = (tmp_path / "dist").glob("*.whl")
        (installed,) = (tmp_path / "venv").rglob("ecall_facade-*.dist-info/METADATA")
        with zipfile.ZipFile(
            wheel
        ) as archive:  # it was this one, not what an index may have under this name
            assert archive.read(f"{installed.parent.name}/METADATA") == installed.read_bytes()
        run(folder / "python", "-IWerror", "-c", "import ecall_facade")
        if "sandbox" in block.text:
            run(folder / "python", "-IWerror", "-c", "import ecall_facade.sandbox")


class TestText:
    @each(blocks("text"))
    def test_what_is_drawn_is_there(self, block: Block) -> None:
        if block.text.startswith("ECallError"):
            assert list(names_with_depth(block.text)) == list(tree_of(ECallError))
        elif "->" not in block.text:  # a way through the code names no files
            self.check_map(block)

    def check_map(self, block: Block) -> None:
        """Each line names a file or folder, indented below the one it is in; one level of a map is complete."""
        parents: list[str] = []
        named: set[str] = set()
        for line in block.text.splitlines():
            match = re.fullmatch(r"((?:  )*)([\w./-]+)  +\S.*", line)
            assert match, f"{block.name}: {line!r} is not a name and what it is"
            parents[len(match[1]) // 2 :] = [match[2]]
            path = "".join(parents)
            assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path
            named.add(path)
        for folder in {
            "" if "/" not in path.rstrip("/") else path.rstrip("/").rpartition("/")[0]
            for path in named
        }:
            there = set(entries(ROOT / folder))
            missing = {f"{folder}/{name}".lstrip("/") for name in there} - named
            if folder == "":  # files beside the folders need no word
                missing = {name for name in missing if name.endswith("/")}
            elif block.page.name == "README.md":
                continue
            assert not missing, f"{block.name} leaves out {sorted(missing)}"


def entries(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if (
            path.is_dir()
            and not path.name.startswith((".", "__", "node_modules"))
            and path.name not in {"dist", "build"}
        ):
            yield f"{path.name}/"
        elif (
            path.suffix in {".py", ".yaml", ".png", ""}
            and path.is_file()
            and not path.name.startswith(".")
        ):
            yield path.name


def names_with_depth(drawing: str) -> Iterator[tuple[int, str]]:
    for line in drawing.splitlines():
        match = re.match(r"([│├└─ ]*)(\w+)", line)
        assert match, line
        yield len(match[1]) // 4, match[2]


def tree_of(cls: type[ECallError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, cls.__name__
    for child in vars(errors).values():
        if isinstance(child, type) and cls in child.__bases__:
            yield from tree_of(child, depth + 1)


class TestNames:
    @each_page(lambda page: page.parent == ROOT)
    def test_links_lead_somewhere(self, page: Path) -> None:
        """Those of the other pages are checked as the site is built: tests/test_site.py."""
        for text, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", prose(page)):
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            assert file.exists(), f"{page.name}: {text}"
            if anchor:
                headings = re.findall(
                    r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE
                )
                assert anchor in {slug(heading) for heading in headings}, f"{page.name}: {text}"

    @each_page()
    def test_files_that_are_named_are_there(self, page: Path) -> None:
        top = "|".join(
            path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
        for name in re.findall(r"`([^`\s]+)`", prose(page)):
            if re.match(rf"({top})/|\.ci/", name) or re.fullmatch(
                r"_?\w+\.(py|yaml|toml|md)", name
            ):
                # A bare name of a module belongs to the package.
                places = [
                    ROOT / name,
                    ROOT / "ecall_facade" / name,
                    ROOT / "ecall_facade" / "sandbox" / name,
                    ROOT / "examples" / name,
                ]
                assert any(place.exists() for place in places), f"{page.name}: {name}"


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class TestTables:
    def test_statuses_become_the_errors_of_the_table(self) -> None:
        with Sandbox() as sandbox, ECall(**sandbox.credentials, retry=False) as ecall:
            message_id = ecall.sms.send("+41791234567", "hi").message_id
            media_id = ecall.media.upload(b"data", content_type="image/png").media_id
            jobs: list[Callable[[], object]] = [
                lambda: ecall.sms.send("+41791234567", "hi"),
                lambda: ecall.sms.broadcast(["+41791234567", "+41787654321"], "hi"),
                lambda: ecall.media.upload(b"data", content_type="image/png"),
                lambda: ecall.messages.status(message_id),
            ]
            rows = table("reference/errors.md", "Which status becomes what")
            for statuses, name, *answers in rows:
                for status in numbers(statuses):
                    for job, answer in zip(jobs, answers, strict=True):
                        sandbox.fail_next(status)
                        with pytest.raises(ECallError) as caught:
                            job()
                        assert type(caught.value).__name__ == name.strip("`"), status
                        assert ("yes" if caught.value.may_have_been_sent else "no") == answer.split(
                            ","
                        )[0], status
            sandbox.fail_next(500)
            with pytest.raises(ECallError) as caught:
                ecall.media.download(media_id, to=io.BytesIO())
            assert not caught.value.may_have_been_sent

    def test_answers_are_met_by_another_try_as_the_table_says(self) -> None:
        both: Mapping[str, str | None] = {"Retry-After": "0"}
        planned: dict[str, list[tuple[int, Mapping[str, str | None]]]] = {
            "429": [(429, both)],
            "503 with `Retry-After` and `x-f24-request-id`": [(503, both)],
            "503 without one of the two": [(503, {}), (503, {**both, "x-f24-request-id": None})],
            "500, 502, 504": [(500, both), (502, both), (504, both)],
            "408": [(408, both)],
        }
        rows = {row[0]: row[1:] for row in table("reference/errors.md", "What is repeated")}
        assert {
            name for name in rows if re.match(r"\d", name)
        } == planned.keys()  # the others: test_sockets_sends.py
        with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
            message_id = ecall.sms.send("+41791234567", "hi").message_id
            messages = [ecall.sms.compose("+41791234567", "hi")]
            columns: list[list[Callable[[], object]]] = [
                [lambda: ecall.sms.send("+41791234567", "hi"), lambda: ecall.media.upload(b"data")],
                [
                    lambda: ecall.sms.broadcast(["+41791234567"], "hi"),
                    lambda: ecall.messages.send_list(messages),
                ],
                [lambda: ecall.messages.status(message_id)],
            ]
            for name, answers in planned.items():
                for status, headers in answers:
                    for column, claim in zip(columns, rows[name], strict=True):
                        for job in column:
                            sandbox.fail_next(status, headers=headers)
                            assert ("again" if succeeds(job) else "not") == claim.partition(":")[
                                0
                            ], (name, claim)

    def test_numbers_are_sent_as_the_table_says(self) -> None:
        for written, sent in table("reference/numbers-and-texts.md", "Recipients"):
            assert normalize(written.strip("`")) == sent.split("`")[1]

    def test_numbers_are_refused_for_the_reasons_in_the_table(self) -> None:
        for written, reason in table("reference/numbers-and-texts.md", "What is refused"):
            with pytest.raises(errors.InvalidNumber) as caught:
                normalize(written.strip("`"))
            assert caught.value.problems[0].reason == reason

    def test_versions_are_stated_as_the_table_says(self) -> None:
        requests: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(200, json={"messageId": "m-1"})

        for settings, request, *_ in table("guides/versions.md", "The two versions"):
            given = dict(re.findall(r'(\w+)="(\w+)"', settings))
            with ECall(
                "user", "password", sender="ACME", transport=httpx.MockTransport(answer), **given
            ) as ecall:
                ecall.sms.send("+41791234567", "hi")
            parts = re.findall(r"`([^`]+)`", request)
            header = requests[-1].headers.get("X-API-Version")
            stated = [
                f"POST {requests[-1].url.path}",
                *([] if header is None else [f"X-API-Version: {header}"]),
            ]
            assert stated == parts

    def test_times_are_read_as_the_table_says(self) -> None:
        for given, expected, *_ in table("guides/versions.md", "Which times are read"):
            time = read_timestamp(given.strip("`"))
            assert (f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else "None") == expected.strip("`"), (
                given
            )

    def test_states_have_the_numbers_and_words_of_the_table(self) -> None:
        with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
            for number, state, is_final in table("reference/errors.md", "States"):
                sandbox.fail_next(200, body=f'{{"state": {number}}}')
                status: MessageStatus = ecall.messages.status("m-1")
                assert (str(status.state), "yes" if status.is_final else "no") == (state, is_final)


def succeeds(job: Callable[[], object]) -> bool:
    try:
        job()
    except ECallError:
        return False
    return True


def numbers(text: str) -> list[int]:
    """Read `405, 415, 422` and `500 to 599` (of which a few stand for all)."""
    if " to " in text:
        first, last = map(int, text.split(" to "))
        return [first, first + 2, last]
    return [int(number) for number in text.split(",")]
