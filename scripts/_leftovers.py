"""What no longer fits after a change of the spec, and is left to a person: types in the facade, examples, cassettes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from _judge import Judge
from _openapi import (
    Node,
    escaped,
    load_yaml,
    match_operation,
    place_of,
    resolve,
    response_of,
)

# Recorded because they are not what the spec describes; tests/test_regenerate.py sees that each is one of those.
UNFIT_ON_PURPOSE = {"service-failed", "unreadable"}


def leftovers(root: Path, spec: Node) -> Iterator[str]:
    """Yield a line for each place that no longer fits the spec."""
    judge = Judge(spec)
    yield from type_errors(root)
    yield from example_problems(judge)
    yield from cassette_problems(judge, root / "tests" / "cassettes")


def type_errors(root: Path) -> Iterator[str]:
    """Yield what mypy says of the facade."""
    if not (root / "ecall_facade").is_dir():
        return
    options = ("--no-error-summary", "--hide-error-context", "--no-pretty", "--no-color-output")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "ecall_facade"],
        cwd=root,
        env={**os.environ, "MYPYPATH": str(root / "generated")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    lines = [line for line in result.stdout.splitlines() if ": note: " not in line]
    if result.returncode and not lines:  # mypy itself did not run
        lines = [" ".join(result.stderr.split())]
    yield from lines


def example_problems(judge: Judge) -> Iterator[str]:
    """Yield the examples of the spec that do not fit their own schema."""
    for pointer, media in _media_types(judge.spec):
        named = {"": media["example"]} if "example" in media else {}
        for name, example in (media.get("examples") or {}).items():
            example = resolve(judge.spec, example)
            if "value" in example:
                named[name] = example["value"]
        for name, value in named.items():
            for problem in judge.problems(media.get("schema", True), value)[:1]:
                yield f"spec/ecall.yaml, {place_of(pointer)}, example {name or media}: {problem}"


def _media_types(node: Any, pointer: str = "#") -> Iterator[tuple[str, Node]]:
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _media_types(item, f"{pointer}/{number}")
    elif isinstance(node, dict):
        for key, value in node.items():
            below = f"{pointer}/{escaped(key)}"
            if key == "content" and not pointer.endswith("/properties") and isinstance(value, dict):
                for kind, media in value.items():
                    if isinstance(media, dict):
                        yield f"{below}/{escaped(kind)}", media
            else:
                yield from _media_types(value, below)


def cassette_problems(
    judge: Judge, folder: Path, ignored: Collection[str] = UNFIT_ON_PURPOSE
) -> Iterator[str]:
    """Yield the first thing that does not fit the spec in each cassette."""
    for path in sorted(folder.glob("*.yaml")):
        if path.stem in ignored:
            continue
        for interaction in load_yaml(path)["interactions"]:
            problem = _interaction_problem(judge, interaction)
            if problem is not None:
                yield f"tests/cassettes/{path.name}: {problem}; run scripts/record_cassettes"
                break


def _interaction_problem(judge: Judge, interaction: Any) -> str | None:
    request, response = interaction["request"], interaction["response"]
    operation = match_operation(judge.spec, request["method"], request["uri"])
    if operation is None:
        return f"{request['method']} {request['uri']} is no operation"
    body = resolve(judge.spec, operation.node.get("requestBody"))
    if problem := _body_problem(judge, body, request["headers"], request["body"]):
        return f"the request of {operation}: {problem}"
    status = response["status"]["code"]
    answer = response_of(judge.spec, operation, status)
    if answer is None:
        return f"{operation} has no response {status}"
    said = response["body"]["string"]
    if problem := _body_problem(judge, answer, response["headers"], said):
        return f"response {status} of {operation}: {problem}"
    return None


def _body_problem(judge: Judge, described: Node, headers: Any, body: Any) -> str | None:
    content = described.get("content") or {}
    kinds = {key.lower(): value for key, value in (headers or {}).items()}.get("content-type")
    if not body or not content or not kinds:
        return None
    kind = kinds[0].partition(";")[0].strip()
    media = next(
        (media for name, media in content.items() if name.partition(";")[0].strip() == kind), None
    )
    if media is None and list(content) == ["application/octet-stream"]:
        return None  # which stands for the type of any file
    if media is None:
        return f"{kind} is not {' or '.join(content)}"
    if kind != "application/json":
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return "it is not JSON"
    return next(iter(judge.problems(media.get("schema", True), value)), None)
