"""Everything that README.md and docs/ show is run, and everything that they name exists.

- `python`: the blocks of a page run in order, in one namespace, against a real sandbox that the environment names.
  A line that ends in `# -> …` is a claim: about the value of an expression (its repr), or about what a `print` wrote;
  `…` in it stands for anything. A block with test functions is run by pytest, as a file of its own.
- `sh`: each line is a command, which is run; scripts of this project, which other tests run, have to exist.
- `text`: a map of folders, or the tree of errors; it is compared with the real one.
- Tables that state a rule are run row by row.

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
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from _cli import Command, point_to, stop_after
from _docs import BLOCKS, DOCS, PAGES, ROOT, Block, name_of, read_prose, read_table
from _programs import run_program

from ecall_facade import ECall, ECallError, errors
from ecall_facade._settings import SENDER_VARIABLES
from ecall_facade._timestamps import read_timestamp
from ecall_facade.numbers import normalize
from ecall_facade.sandbox import Sandbox

README = ROOT / "README.md"
COMMAND_LINE = DOCS / "reference" / "command-line.md"  # run by tests/test_cli_docs.py
REMINDERS = DOCS / "guides" / "reminders.md"  # run by tests/slow/test_cli_bulk.py
EXAMPLES = DOCS / "guides" / "examples.md"
SCRIPTS = (
    "benchmarks/run",
    "scripts/demo",
    "scripts/docs",
    "scripts/docs serve",
    "scripts/test",
    "scripts/regenerate",
    "scripts/regenerate --check",
    "scripts/record_cassettes",
    "scripts/check_changes",
    "scripts/check_upstream",
    "scripts/screenshots",
    "scripts/terminal_pictures",
)
VARIABLES = {
    "ECALL_USERNAME",
    "ECALL_PASSWORD",
    *SENDER_VARIABLES.values(),
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
}
FOLDER_MAP = r"\w+/ "
YOUR_FILES = {"callbacks.py", "hello.py", "program.py"}  # that the reader is told to write


def blocks_of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def each_block(blocks: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks, ids=[block.name for block in blocks])


def each_page(pages: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=[name_of(page) for page in pages])


def each_row(page: str, heading: str) -> pytest.MarkDecorator:
    rows = read_table(page, heading)
    return pytest.mark.parametrize("row", rows, ids=[row[0].strip("`") for row in rows])


def test_every_block_is_of_a_kind_that_is_run() -> None:
    kinds = {block.language for block in BLOCKS if block.page != REMINDERS}
    assert kinds == {"python", "sh", "text"}
    for block in blocks_of("text"):
        is_path_through_the_code = " -> " in block.text
        is_drawing = block.text.startswith("ECallError") or re.match(FOLDER_MAP, block.text)
        assert is_drawing or is_path_through_the_code, block.name
    assert len(PAGES) > 30


# Python


@each_page(sorted({block.page for block in blocks_of("python")}))
def test_python_on_a_page_does_what_it_claims(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files_of_the_reader(tmp_path)
    with Sandbox() as sandbox:
        point_to(monkeypatch, sandbox)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        try:
            for block in blocks_of("python"):
                if block.page == page:
                    run_block(block, namespace, tmp_path)
        finally:
            close_all(namespace)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 + 1  # -> 3", "is 2"),
        ("print('a')  # -> b", "is a"),
        ("if False:\n    1 + 1  # -> 2", "not reached"),
        ("x = 1  # -> 1", "not an expression"),
    ],
)
def test_a_wrong_claim_in_a_block_is_noticed(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        run_block(Block(tmp_path, 1, "python", text), {}, tmp_path)


def write_files_of_the_reader(folder: Path) -> None:
    """Write the files that the pages take for granted."""
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    (folder / "plan.pdf").write_bytes(b"%PDF-1.7 a plan")
    certificate = trustme.CA().issue_cert("acme.example.ch")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))


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
    expressions: set[int | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and node.end_lineno in claims:
            expressions.add(node.end_lineno)
            # `value` becomes `check_claim__(start_line__(7), value)`, so that what is printed
            # while the value is computed belongs to its line.
            line = ast.Constant(node.end_lineno)
            start = ast.Call(ast.Name("start_line__", ast.Load()), [line], [])
            check = ast.Name("check_claim__", ast.Load())
            node.value = ast.Call(check, [start, node.value], [])
    ast.fix_missing_locations(tree)
    reached: set[int] = set()
    printed = io.StringIO()

    def start_line(line: int) -> int:
        printed.seek(0)
        printed.truncate()
        return line

    def check_claim(line: int, value: object) -> None:
        output = printed.getvalue().rstrip("\n")
        actual = output if value is None and output else repr(value)
        pattern = ".*".join(re.escape(part) for part in claims[line].split("…"))
        place = f"{name_of(block.page)}:{block.line + line - 1}"
        assert re.fullmatch(pattern, actual), f"{place} is {actual}"
        reached.add(line)

    namespace |= {
        "start_line__": start_line,
        "check_claim__": check_claim,
        "__builtins__": builtins,
    }
    with redirect_stdout(printed):
        exec(compile(tree, block.name, "exec", dont_inherit=True), namespace)
    assert expressions == claims.keys(), f"{block.name}: a claim is about what is not an expression"
    assert reached == claims.keys(), f"{block.name}: a claim was not reached"


def run_by_pytest(block: Block, folder: Path) -> None:
    file = folder / f"test_{block.page.stem}_{block.line}.py"
    file.write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-Werror", file.name]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("ECALL_")
    }
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120
    )
    tests = len(re.findall(r"^(?:async )?def test_", block.text, flags=re.MULTILINE))
    assert result.returncode == 0, result.stdout
    assert f"{tests} passed" in result.stdout


# Commands


def commands_in(block: Block) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in block.text.splitlines()]
    return [words for words in lines if words]


@each_block(
    [
        block
        for block in blocks_of("sh")
        if block.text.startswith("ecall ") and block.page != COMMAND_LINE
    ]
)
def test_commands_of_ecall_on_a_page_succeed(
    block: Block,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    stop_after(monkeypatch)
    command = Command(capsys, monkeypatch, tmp_path)
    with Sandbox() as sandbox:
        point_to(monkeypatch, sandbox)
        for line in block.text.splitlines():
            said = command.line(line)
            assert said.code == 0, (line, said)
    assert len(opened) == block.text.count("--open")


@each_block(
    [block for block in blocks_of("sh") if not re.search("pip install|^ecall ", block.text)]
)
def test_other_commands_on_a_page_exist(block: Block) -> None:
    for words in commands_in(block):
        if words[0] == "export":
            assert {word.partition("=")[0] for word in words[1:]} <= VARIABLES
        else:
            takes_arguments = words[0] in ("scripts/test", "benchmarks/kill_bulk")
            assert " ".join(words) in SCRIPTS or takes_arguments, block.name
            assert os.access(ROOT / words[0], os.X_OK)


def test_the_readme_shows_every_way_to_install() -> None:
    lines = {
        (block.page, " ".join(words))
        for block in blocks_of("sh")
        for words in commands_in(block)
        if words[:2] == ["pip", "install"]
    }
    assert {line for _, line in lines} == {line for page, line in lines if page == README}


@each_block(
    [block for block in blocks_of("sh") if "pip install" in block.text and block.page == README]
)
def test_installing_as_the_readme_says_works(block: Block, tmp_path: Path) -> None:
    run = partial(run_program, folder=tmp_path)
    dist = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", dist, ROOT)
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    environment = {
        "PIP_FIND_LINKS": str(dist),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for words in commands_in(block):
        assert words[:2] == ["pip", "install"]
        run(programs / "pip", *words[1:], "-q", environment=environment)
    (wheel,) = dist.glob("*.whl")
    (installed,) = (tmp_path / "venv").rglob("ecall_facade-*.dist-info/METADATA")
    with zipfile.ZipFile(wheel) as archive:  # not what an index may have under this name
        assert archive.read(f"{installed.parent.name}/METADATA") == installed.read_bytes()
    run(programs / "python", "-IWerror", "-c", "import ecall_facade")
    if "sandbox" in block.text:
        run(programs / "python", "-IWerror", "-c", "import ecall_facade.sandbox")


def test_continuous_integration_runs_the_script_that_the_pages_name() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^exec python3 scripts/test$", script, re.MULTILINE)


# Names


@each_page([page for page in sorted(ROOT.glob("*.md")) if page.name != "CHANGELOG.md"])
def test_links_outside_of_the_site_lead_somewhere(page: Path) -> None:
    """Those of docs/ are checked as the site is built, by tests/slow/test_site.py."""
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)\s]+)\)", read_prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), text
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in {slug_of(heading) for heading in headings}, text


def slug_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_page(PAGES)
def test_files_that_a_page_names_exist(page: Path) -> None:
    folders = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    for name in re.findall(r"`([^`\s]+)`", read_prose(page)):
        is_path = re.match(rf"({folders})/|\.ci/", name)
        is_module = re.fullmatch(r"_?\w+\.(py|yaml|toml|md)", name) and name not in YOUR_FILES
        if is_path or is_module:
            # A bare name of a module belongs to the package, or to the examples.
            homes = [ROOT, ROOT / "ecall_facade", ROOT / "ecall_facade/sandbox", ROOT / "examples"]
            assert any((home / name).exists() for home in homes), name


def test_every_example_is_on_the_page_of_complete_programs() -> None:
    included = re.findall(r'^--8<-- "examples/(.*)"$', EXAMPLES.read_text("utf-8"), re.MULTILINE)
    shown = {path.partition("/")[0] for path in included}  # of a folder, what matters in it
    there = {path.name for path in (ROOT / "examples").iterdir() if path.name != "__pycache__"}
    assert there - shown == {"draw_picture.py"}  # it draws the picture of the demo


# Drawings


@each_block([block for block in blocks_of("text") if block.text.startswith("ECallError")])
def test_the_tree_of_errors_on_a_page_is_the_real_one(block: Block) -> None:
    drawn = [
        (len(indent) // 4, name)
        for line in block.text.splitlines()
        for indent, name in re.findall(r"^([│├└─ ]*)(\w+)", line)
    ]
    assert drawn == list(tree_below(ECallError))


def tree_below(error: type[ECallError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, error.__name__
    for child in vars(errors).values():
        if isinstance(child, type) and error in child.__bases__:
            yield from tree_below(child, depth + 1)


@each_block([block for block in blocks_of("text") if re.match(FOLDER_MAP, block.text)])
def test_a_map_of_folders_on_a_page_is_true_and_complete(block: Block) -> None:
    """Each line names a file or folder, indented below its folder; a folder that is opened is complete."""
    parents: list[str] = []
    named: set[str] = set()
    for line in block.text.splitlines():
        match = re.fullmatch(r"((?:  )*)([\w./-]+)  +\S.*", line)
        assert match, f"{line!r} is not a name and what it is"
        parents[len(match[1]) // 2 :] = [match[2]]
        path = "".join(parents)
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path
        named.add(path)
    top = {f"{path.name}/" for path in ROOT.iterdir() if is_listed_folder(path)}
    assert top - named == set()


def is_listed_folder(path: Path) -> bool:
    hidden = path.name.startswith((".", "__")) or path.name in {"build", "dist", "site"}
    return path.is_dir() and not hidden


# Tables


def test_statuses_become_the_errors_of_the_table() -> None:
    with Sandbox() as sandbox, ECall(**sandbox.credentials, retry=False) as ecall:
        message_id = ecall.sms.send("+41791234567", "hi").message_id
        media_id = ecall.media.upload(b"data", content_type="image/png").media_id
        calls: list[Callable[[], object]] = [
            lambda: ecall.sms.send("+41791234567", "hi"),
            lambda: ecall.sms.broadcast(["+41791234567", "+41787654321"], "hi"),
            lambda: ecall.media.upload(b"data", content_type="image/png"),
            lambda: ecall.messages.status(message_id),
        ]
        rows = read_table("reference/errors.md", "Which status becomes what")
        for statuses, name, *cells in rows:
            for status in expand_statuses(statuses):
                for call, cell in zip(calls, cells, strict=True):
                    sandbox.fail_next(status)
                    with pytest.raises(ECallError) as caught:
                        call()
                    assert type(caught.value).__name__ == name.strip("`"), status
                    stated = cell.split(",")[0] == "yes"
                    assert caught.value.may_have_been_sent is stated, status
        sandbox.fail_next(500)
        with pytest.raises(ECallError) as caught:
            ecall.media.download(media_id, to=io.BytesIO())
        assert not caught.value.may_have_been_sent


def expand_statuses(cell: str) -> list[int]:
    """Read `405, 415, 422`, and `500 to 599`, of which a few stand for all."""
    if " to " in cell:
        first, last = map(int, cell.split(" to "))
        return [first, first + 2, last]
    return [int(number) for number in cell.split(",")]


def test_responses_are_followed_by_another_try_as_the_table_says() -> None:
    """The rows without a status are tested in test_sockets_sends.py."""
    both: Mapping[str, str | None] = {"Retry-After": "0"}
    responses: dict[str, list[tuple[int, Mapping[str, str | None]]]] = {
        "429": [(429, both)],
        "503 with `Retry-After` and `x-f24-request-id`": [(503, both)],
        "503 without one of the two": [(503, {}), (503, {**both, "x-f24-request-id": None})],
        "500, 502, 504": [(500, both), (502, both), (504, both)],
        "408": [(408, both)],
    }
    rows = {row[0]: row[1:] for row in read_table("reference/errors.md", "What is repeated")}
    assert {name for name in rows if re.match(r"\d", name)} == responses.keys()
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
        for name, planned in responses.items():
            for status, headers in planned:
                for calls, cell in zip(columns, rows[name], strict=True):
                    for call in calls:
                        sandbox.fail_next(status, headers=headers)
                        is_repeated = cell.partition(":")[0] == "yes"
                        assert succeeds(call) is is_repeated, (name, cell)


def succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except ECallError:
        return False
    return True


@each_row("reference/numbers-and-texts.md", "Recipients")
def test_a_number_is_sent_as_the_table_says(row: list[str]) -> None:
    written, sent = row
    assert normalize(written.strip("`")) == sent.split("`")[1]


@each_row("reference/numbers-and-texts.md", "What is refused")
def test_a_number_is_refused_for_the_reason_in_the_table(row: list[str]) -> None:
    written, reason = row
    with pytest.raises(errors.InvalidNumber) as caught:
        normalize(written.strip("`"))
    assert caught.value.problems[0].reason == reason


@each_row("guides/versions.md", "The two versions")
def test_a_version_is_stated_in_the_request_as_the_table_says(row: list[str]) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"messageId": "m-1"})

    settings, stated = row[:2]
    options: dict[str, Any] = dict(re.findall(r'(\w+)="(\w+)"', settings))
    transport = httpx.MockTransport(respond)
    with ECall("user", "password", sender="ACME", transport=transport, **options) as ecall:
        ecall.sms.send("+41791234567", "hi")
    (request,) = requests
    header = request.headers.get("X-API-Version")
    expected = [f"POST {request.url.path}"]
    expected += [] if header is None else [f"X-API-Version: {header}"]
    assert re.findall(r"`([^`]+)`", stated) == expected


@each_row("guides/versions.md", "Which times are read")
def test_a_time_is_read_as_the_table_says(row: list[str]) -> None:
    given, expected = row[:2]
    time = read_timestamp(given.strip("`"))
    assert (f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else "None") == expected.strip("`")


def test_states_have_the_numbers_and_words_of_the_table() -> None:
    with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
        for number, state, is_final in read_table("reference/errors.md", "States"):
            sandbox.fail_next(200, body=f'{{"state": {number}}}')
            status = ecall.messages.status("m-1")
            assert (str(status.state), "yes" if status.is_final else "no") == (state, is_final)
