"""Where a fact is in the text of the spec, and how the spec writes one."""

from __future__ import annotations

import json
import textwrap
from typing import Any, Final, NamedTuple

import yaml

from .documents import pointer, tokens

WIDTH: Final = 120
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast one, where PyYAML was built with it."""


class Edit(NamedTuple):
    """A change of the text of the spec."""

    at: str
    """What it writes, as a JSON pointer into the spec."""
    first: int
    """The first line that it replaces, from 1; where it replaces none, the line that it goes in front of."""
    last: int
    """The last line that it replaces; one less than the first where it replaces none."""
    text: str

    def order(self) -> tuple[int, int, str]:
        """Sort so that pasting from the last to the first gives what is meant: what is deeper comes first."""
        return self.first, len(self.text.lstrip()) - len(self.text), self.at


def load(text: str) -> Any:
    """Read YAML."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 -- it is one of the safe ones


class Text:
    """The text of the spec, and where each of its parts is."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._root = yaml.compose(text, Loader=_LOADER)

    def write(self, at: str, value: Any, name: str | None = None) -> Edit:
        """Write a member of a mapping or a list in place of the old one, or after the last one where there is none.

        `name` is its new name. What is inside of brackets is written anew from where they begin.
        """
        *around, key = tokens(at)
        holder = self._node(around)
        if not isinstance(holder, yaml.CollectionNode):
            raise TypeError(f"{at} is in nothing; ask `block` first")
        lines = emit(
            [value] if isinstance(holder, yaml.SequenceNode) else {name or key: value},
            (around or [""])[-1],
        )
        text = textwrap.indent("\n".join(lines), " " * holder.start_mark.column)
        for mine, node in _members(holder):
            if mine is not None and mine[0] == key:
                return Edit(at, mine[1].line + 1, self._last_line(node), text)
        after = self._last_line(_members(holder)[-1][1])
        return Edit(at, after + 1, after, text)

    def block(self, at: str) -> str:
        """Give the nearest place, from this one outwards, that can be written by itself; its holder is there."""
        keys = tokens(at)
        while True:
            holder = self._node(keys[:-1])
            if isinstance(holder, yaml.CollectionNode) and not holder.flow_style and holder.value:
                return pointer(*keys)
            keys.pop()

    def _last_line(self, node: yaml.Node) -> int:
        """Give the last line of a node, from 1."""
        last = _last_line(node) + 1
        while not self._lines[last - 1].strip():
            last -= 1
        return last

    def _node(self, keys: list[str]) -> yaml.Node | None:
        node: yaml.Node | None = self._root
        for key in keys:
            members = _members(node) if node is not None else []
            node = next(
                (inner for name, inner in members if name is not None and name[0] == key), None
            )
        return node


def _members(node: yaml.Node) -> list[tuple[tuple[str, Any] | None, yaml.Node]]:
    """Give the members of a node, each with its key and where it begins."""
    if isinstance(node, yaml.MappingNode):
        return [((str(key.value), key.start_mark), value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [((str(number), value.start_mark), value) for number, value in enumerate(node.value)]
    return []


def _last_line(node: yaml.Node) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _last_line(_members(node)[-1][1])
    # The end of a text in several lines is the beginning of what follows.
    return int(node.end_mark.line) - (node.end_mark.column == 0)


def emit(value: Any, below: str = "") -> list[str]:
    """Write a value, which is under the key `below`, in the style of the spec."""
    if isinstance(value, dict) and value:
        lines: list[str] = []
        for name, item in value.items():
            head = f"{_scalar(name, in_brackets=False)}:"
            short = (
                _scalar(item, in_brackets=False)
                if isinstance(item, str) and name != "$ref"
                else _flow(item)
            )
            if _is_short(name, item, f"{head} {short}", below):
                lines.append(f"{head} {short}")
            elif isinstance(item, str):
                lines += [f"{head} >-", *(f"  {line}" for line in textwrap.wrap(item, WIDTH - 30))]
            else:
                lines += [head, *(f"  {line}" for line in emit(item, name))]
        return lines
    if isinstance(value, list) and value:
        return [
            f"{'  ' if number else '- '}{line}"
            for item in value
            for number, line in enumerate(emit(item))
        ]
    return [_flow(value)]


def _is_short(name: str, item: Any, line: str, below: str) -> bool:
    """Whether the spec writes this on one line."""
    if isinstance(item, str):
        folds = len(line) > WIDTH - 20 and " ".join(item.split()) == item
        return not folds
    if name == "x-evidence" or not item or not isinstance(item, (dict, list)):
        return True
    if any(
        isinstance(inner, (dict, list))
        for inner in (item.values() if isinstance(item, dict) else item)
    ):
        return False
    return isinstance(item, list) or (
        below not in {"properties", "schemas"} and len(line) < WIDTH // 2
    )


def _flow(value: Any, name: str = "") -> str:
    if isinstance(value, dict):
        members = [
            f"{_scalar(key, in_brackets=True)}: {_flow(item, key)}" for key, item in value.items()
        ]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    return _quoted(value) if name == "source" else _scalar(value, in_brackets=True)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def _scalar(value: Any, *, in_brackets: bool) -> str:
    if isinstance(value, str) and value.isprintable() and value:
        try:
            read = load(f"[{value}]")[0] if in_brackets else load(f"key: {value}")["key"]
            if read == value and (in_brackets or load(f"{value}: 1") == {value: 1} or " " in value):
                return value
        except (yaml.YAMLError, ValueError, TypeError, LookupError, RecursionError):
            pass  # not readable without quotes
    return _quoted(value)
