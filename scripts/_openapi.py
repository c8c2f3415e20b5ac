"""Reading an OpenAPI document: places in it, references, operations, and what the generator cannot do with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import yaml

Node: TypeAlias = dict[str, Any]

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# What is below these keys is data, so that names in it are no keywords of OpenAPI.
DATA: Final = {"example", "examples", "default", "const", "enum", "mapping", "x-evidence"}
_REQUEST_TYPES: Final = (
    "application/json",
    "application/octet-stream",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
)
_RESPONSE_TYPES: Final = ("application/json", "application/octet-stream")


class Place(NamedTuple):
    """A value and where it is in its document."""

    pointer: str
    value: Any

    def child(self, name: str | int) -> Place:
        """Return what is in the mapping, or list, under this name; its value is None where there is nothing."""
        if isinstance(self.value, list) and isinstance(name, int):
            value = self.value[name]
        else:
            value = self.value.get(name) if isinstance(self.value, dict) else None
        return Place(f"{self.pointer}/{escaped(name)}", value)

    def children(self, name: str) -> list[tuple[str, Place]]:
        """Return what is in the mapping, or list, under this name."""
        below = self.child(name)
        names = range(len(below.value)) if isinstance(below.value, list) else below.value or ()
        return [(str(each), below.child(each)) for each in names]


class Document:
    """A document whose references can be followed."""

    def __init__(self, node: Node) -> None:
        self.root = Place("#", node)
        self.unresolved: dict[str, str] = {}
        """The references that lead nowhere, and from where."""

    def target(self, place: Place, section: str) -> Place | None:
        """Return what the reference at a place leads to; None where that is nothing of this section."""
        reference = place.value["$ref"]
        below = r"(/properties/[^/]+|/items)*" if section == "schemas" else ""
        if re.fullmatch(rf"#/components/{section}/[^/]+{below}", reference):
            value = look_up(self.root.value, reference)
            if isinstance(value, dict | bool):
                return Place(reference, value)
        self.unresolved.setdefault(reference, place.pointer)
        return None

    def follow(self, place: Place, section: str) -> Place | None:
        """Return the place, or where its references end; None where they lead nowhere or in a circle."""
        seen: set[str] = set()
        while isinstance(place.value, dict) and "$ref" in place.value:
            target = self.target(place, section)
            if target is None or target.pointer in seen:
                return None
            seen.add(target.pointer)
            place = target
        return place

    def evidence_level(self, pointer: str) -> str:
        """Return how well the fact at a pointer is known.

        Its evidence is its own, that of what it refers to, that of an operation in it, or the nearest around it.
        """
        node = look_up(self.root.value, pointer)
        inside = [*node.values()] if isinstance(node, dict) and pointer.count("/") == 2 else []
        around = []
        while pointer:
            around.append(look_up(self.root.value, pointer))
            pointer = pointer.rpartition("/")[0]
        for each in (node, resolve(self.root.value, node), *inside, *around):
            if isinstance(each, dict) and isinstance(each.get("x-evidence"), dict):
                return str(each["x-evidence"].get("level", "inferred"))
        return "inferred"


class Operation(NamedTuple):
    path: str
    method: str
    node: Node
    shared: Node
    """The item of the path, which holds what its operations share."""

    @property
    def pointer(self) -> str:
        return f"#/paths/{escaped(self.path)}/{self.method}"

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def load(path: Path) -> Node:
    """Read a document.

    Raises:
        ValueError: It is not YAML, or not a mapping with `paths`; the message has one line.
    """
    try:
        spec = load_yaml(path)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(spec, dict) or not isinstance(spec.get("paths"), dict):
        raise ValueError("it is not an OpenAPI document with paths")  # noqa: TRY004  # the document is wrong
    return spec


def load_yaml(path: Path) -> Any:
    """Read any YAML, by the loader in C if there is one: it is ten times as fast."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506  # both are safe


def escaped(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def look_up(spec: Node, pointer: str) -> Any:
    """Return what is at a place of this document, or None."""
    node: Any = spec
    for part in pointer.split("/")[1:] if pointer.startswith("#/") else [""]:
        name = unescaped(part)
        if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node


def resolve(spec: Node, node: Any) -> Node:
    """Return a node, or what its `$ref` leads to; an empty one if that is nothing."""
    seen: set[str] = set()
    while isinstance(node, dict) and isinstance(node.get("$ref"), str) and node["$ref"] not in seen:
        seen.add(node["$ref"])
        node = look_up(spec, node["$ref"])
    return node if isinstance(node, dict) else {}


def operations(spec: Node) -> Iterator[Operation]:
    """Yield the operations; a path holds other things as well, such as `parameters` and `summary`."""
    for path, item in spec["paths"].items():
        if isinstance(item, dict):
            for method, node in item.items():
                if method in METHODS and isinstance(node, dict):
                    yield Operation(path, method, node, item)


def match_operation(spec: Node, method: str, url: str) -> Operation | None:
    """Return the operation that a request is, whichever way its version is stated."""
    path = re.sub(r"^/api/v\d+/", "/api/", re.sub(r"^\w+://[^/]+|\?.*", "", url))
    for operation in operations(spec):
        pattern = re.sub(r"\\\{[^{}]*\\\}", "[^/]+", re.escape(operation.path))
        if operation.method == method.lower() and re.fullmatch(f"{pattern}/?", path):
            return operation
    return None


def response_of(spec: Node, operation: Operation, status: int) -> Node | None:
    """Return the response that the spec describes for a status."""
    responses = operation.node.get("responses", {})
    for key in (str(status), f"{status // 100}XX", "default"):
        if key in responses:
            return resolve(spec, responses[key])
    return None


def place_of(pointer: str) -> str:
    """Return a place in words: `POST /api/media, responses/200`, or `components/schemas/Error`."""
    parts = [unescaped(part) for part in pointer.removeprefix("#/").split("/")]
    if parts[0] == "paths" and len(parts) > 2 and parts[2] in METHODS:
        rest = "/".join(parts[3:])
        return f"{parts[2].upper()} {parts[1]}" + (f", {rest}" if rest else "")
    if parts[0] == "paths" and len(parts) > 1:
        return ", ".join([parts[1], *(["/".join(parts[2:])] if parts[2:] else [])])
    return "/".join(parts)


def references(node: Any, pointer: str = "#") -> Iterator[tuple[str, str]]:
    """Yield each `$ref` with its place."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from references(item, f"{pointer}/{number}")
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield pointer, value
            elif key not in DATA:
                yield from references(value, f"{pointer}/{escaped(key)}")


def property_names(spec: Node, schemas: list[Node]) -> set[str]:
    """Collect the names of all properties that the schemas lead to."""
    names: set[str] = set()
    seen: set[str] = set()
    todo: list[object] = list(schemas)
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo.extend(node)
        elif isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                todo.append(look_up(spec, reference))
            properties = node.get("properties")
            if isinstance(properties, dict):
                names.update(properties)
                todo.extend(properties.values())
            # Examples are data: what they hold are no properties of the API.
            todo.extend(
                value
                for key, value in node.items()
                if key not in {"properties", "examples", "default"}
            )
    return names


def refusals(spec: Node) -> Iterator[str]:
    """Yield a line for each thing that the generator cannot do, with path, method and remedy."""
    for pointer, reference in references(spec):
        if look_up(spec, reference) is None:
            yield f"{place_of(pointer)}: {reference} leads to nothing; correct the $ref"
    for path, item in spec["paths"].items():
        if not isinstance(item, dict):
            yield f"{path}: it holds no operations; write them below it, or remove it"
        elif "$ref" in item:
            yield f"{path}: the generator follows no $ref of a path; write its operations below it"
    ids: dict[str, Operation] = {}
    for operation in operations(spec):
        name = operation.node.get("operationId")
        if not name:
            yield f"{operation}: no operationId; add one, which names the function of the client"
        elif name in ids:
            yield (
                f"{operation}: operationId {name} is that of {ids[name]} too, and the generator would drop one of them;"
                " give it another"
            )
        else:
            ids[name] = operation
        if "servers" in operation.node or "servers" in operation.shared:
            yield f"{operation}: the generator ignores servers of a path; remove them"
        yield from _parameter_refusals(spec, operation)
        yield from _media_type_refusals(spec, operation)


def _parameter_refusals(spec: Node, operation: Operation) -> Iterator[str]:
    given = [*operation.shared.get("parameters", []), *operation.node.get("parameters", [])]
    found = {
        parameter.get("name")
        for parameter in (resolve(spec, each) for each in given)
        if parameter.get("in") == "path"
    }
    for name in re.findall(r"\{([^{}]*)\}", operation.path):
        if name not in found:
            yield f"{operation}: no path parameter {name}; add it to the parameters"


def _media_type_refusals(spec: Node, operation: Operation) -> Iterator[str]:
    body = resolve(spec, operation.node.get("requestBody")).get("content") or {}
    for name, media in body.items():
        kind = _essence(name)
        if kind in _REQUEST_TYPES or kind.endswith("+json"):
            if not (media or {}).get("schema"):
                yield f"{operation}: the request body has no schema for {name}; add one"
        else:
            yield f"{operation}: the request body has {_refused(name, _REQUEST_TYPES)}"
    for status, answer in operation.node.get("responses", {}).items():
        for name, media in (resolve(spec, answer).get("content") or {}).items():
            kind = _essence(name)
            if "*" in kind or not (
                kind in _RESPONSE_TYPES or kind.endswith("+json") or kind.startswith("text/")
            ):
                yield f"{operation}: response {status} has {_refused(name, _RESPONSE_TYPES)}"
            elif str(status).startswith("2") and _has_no_type(spec, (media or {}).get("schema")):
                yield (
                    f"{operation}: response {status} has a schema for {name} that says nothing, which the generator"
                    " types as Any; describe the response, or remove its content"
                )


def _has_no_type(spec: Node, schema: Any) -> bool:
    """Return whether the generated code would have the type Any for a schema."""
    schema = resolve(spec, schema)
    if schema.get("type") == "array":
        return _has_no_type(spec, schema.get("items"))
    if any(schema.get(key) for key in ("type", "enum", "properties")) or "const" in schema:
        return False
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    parts = [*alternatives, *schema.get("allOf", [])]
    return not parts or any(_has_no_type(spec, part) for part in alternatives)


def _essence(media_type: object) -> str:
    return str(media_type).partition(";")[0].strip().lower()


def _refused(media_type: object, known: tuple[str, ...]) -> str:
    if "*" in str(media_type):
        return f"the wildcard {media_type}; name the media type, or use application/octet-stream"
    return f"{media_type}, which the generator does not know; use {' or '.join(known)}"
