"""What breaks between two versions of the project: of the public Python names, and of the spec.

griffe reads the Python of both without importing it, and compares signatures. Added to what it finds: names that left
`__all__`, types, base classes, the constructors of attrs classes, and the parts of a client, which nobody imports.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import griffe
import yaml

PACKAGES: Final = {"ecall_client": "generated", "ecall_facade": "."}
PROGRAMS: Final = ("ecall_facade.cli", "ecall_facade.sandbox.demo")  # run, not imported
SPEC: Final = "spec/ecall.yaml"

Object: TypeAlias = griffe.Object | griffe.Alias
Surface: TypeAlias = dict[str, griffe.Object]
Node: TypeAlias = dict[str, Any]


class Change(NamedTuple):
    """Something that breaks programs."""

    of: str
    """python or spec."""
    place: str
    """The name in Python with its parameter, or the pointer in the spec."""
    what: str
    name: str
    """What has to be named in the changelog."""


def find(old: Path, new: Path) -> list[Change]:
    """Name all that breaks between two copies of the project."""
    spec_changes = Spec(_read_spec(old), _read_spec(new)).changes()
    return sorted({*python_changes(read_surface(old), read_surface(new)), *spec_changes})


def _read_spec(root: Path) -> Node:
    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # the one in C is ten times as fast, and not everywhere
    return dict(yaml.load((root / SPEC).read_text(encoding="utf-8"), Loader=loader))  # noqa: S506  # it is safe


# Python


class _Reader(griffe.Extension):
    """Knows what griffe does not see by itself: attributes set outside `__init__`, constructors made by attrs."""

    def on_class_members(self, *, node: object, cls: griffe.Class, **_: object) -> None:
        """Add them to a class, once its own members are there."""
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            for part in ast.walk(method) if isinstance(method, ast.FunctionDef) else ():
                match part:
                    case ast.Assign(
                        targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value
                    ):
                        if name not in cls.members:
                            cls.set_member(
                                name,
                                griffe.Attribute(name, value=griffe.get_expression(value, cls)),
                            )
        makers = {decorator.callable_path for decorator in cls.decorators}
        if (
            makers & {"attrs.define", "attrs.frozen", "attrs.mutable"}
            and "__init__" not in cls.members
        ):
            fields = [
                griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword),
                *_attrs_fields(cls),
            ]
            cls.set_member(
                "__init__", griffe.Function("__init__", parameters=griffe.Parameters(*fields))
            )


def _attrs_fields(cls: griffe.Class) -> Iterator[griffe.Parameter]:
    """Give the fields of an attrs class as its constructor takes them."""
    for name, member in cls.members.items():
        if (
            not isinstance(member, griffe.Attribute)
            or member.annotation is None
            or "property" in member.labels
        ):
            continue
        kind, default = griffe.ParameterKind.positional_or_keyword, member.value
        if isinstance(default, griffe.ExprCall) and str(default.function).endswith("field"):
            given = {
                one.name: one.value
                for one in default.arguments
                if isinstance(one, griffe.ExprKeyword)
            }
            if str(given.get("init")) == "False":
                continue
            if str(given.get("kw_only")) == "True":
                kind = griffe.ParameterKind.keyword_only
            default = given.get("default", given.get("factory"))
        yield griffe.Parameter(
            name.lstrip("_"), annotation=member.annotation, kind=kind, default=default
        )


def read_surface(root: Path) -> Surface:
    """Give all public names of a copy of the project, and the classes that they lead to (`ecall_facade.ECall.sms`)."""
    loader = griffe.GriffeLoader(
        search_paths=[root / folder for folder in PACKAGES.values()],
        extensions=griffe.load_extensions(_Reader),
        allow_inspection=False,
    )
    for package in PACKAGES:
        loader.load(package, try_relative_path=False)  # which would be that of the current folder
    loader.resolve_aliases(implicit=True, external=False)
    collection = loader.modules_collection
    found: Surface = {}
    for module in [*_public_modules(collection["ecall_facade"]), collection["ecall_client.models"]]:
        for name, member in module.members.items():
            target = _target(member)
            if member.is_public and target is not None and not target.is_module:
                found[f"{module.path}.{name}"] = target
    named = {target.canonical_path for target in found.values()}
    for place, target in [*found.items()]:
        _add_parts(found, named, place, target, ())
    return found


def _public_modules(module: griffe.Module) -> Iterator[griffe.Module]:
    if module.path not in PROGRAMS:
        yield module
        for name, member in module.members.items():
            if isinstance(member, griffe.Module) and not name.startswith("_"):
                yield from _public_modules(member)


def _target(member: Object) -> griffe.Object | None:
    """Give what a name stands for, if it is of these packages."""
    try:
        return member.final_target if isinstance(member, griffe.Alias) else member
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None


def _add_parts(
    found: Surface, named: set[str], place: str, target: griffe.Object, way: tuple[str, ...]
) -> None:
    """Add the classes that attributes and methods lead to and that have no public name of their own."""
    if isinstance(target, griffe.Function):
        leads = {f"{place}()": _classes(target.returns, target)}
    elif isinstance(target, griffe.Class):
        way = (*way, target.canonical_path)
        leads = {}
        for name, member in target.all_members.items():
            inner = _target(member)
            if name.startswith("_") or inner is None:
                continue
            if isinstance(inner, griffe.Function):
                leads[f"{place}.{name}()"] = _classes(inner.returns, inner)
            elif isinstance(inner, griffe.Attribute):
                made = inner.value.function if isinstance(inner.value, griffe.ExprCall) else None
                leads[f"{place}.{name}"] = _classes(inner.annotation or made, inner)
    else:
        return
    for below, classes in leads.items():
        for cls in classes:
            if cls.canonical_path not in named and cls.canonical_path not in way:
                key = below if len(classes) == 1 else f"{below}:{cls.name}"
                found[key] = cls
                _add_parts(found, named, key, cls, way)


def _classes(expression: str | griffe.Expr | None, of: griffe.Object) -> list[griffe.Class]:
    """Give the classes of these packages that an annotation names."""
    found: dict[str, griffe.Class] = {}
    for part in expression.iterate() if isinstance(expression, griffe.Expr) else ():
        target = _named(part, of)
        if isinstance(target, griffe.Class):
            found[target.canonical_path] = target
    return [*found.values()]


def _named(part: object, of: griffe.Object) -> griffe.Object | None:
    path = part.canonical_path if isinstance(part, griffe.ExprName | griffe.ExprAttribute) else ""
    try:
        return _target(of.modules_collection[path]) if path.partition(".")[0] in PACKAGES else None
    except KeyError:
        return None


def python_changes(old: Surface, new: Surface) -> Iterator[Change]:
    """Name what breaks between two surfaces."""
    both = [place for place in old if place in new]
    modules = []
    for surface in (old, new):
        module = griffe.Module("surface", modules_collection=griffe.ModulesCollection())
        module.exports = [*both]
        for place in both:
            module.members[place] = griffe.Alias(place, surface[place], parent=module)
        modules.append(module)
    for place in old.keys() - new.keys():
        head, _, name = place.rpartition(".")
        # What a part of a client leads to is compared where that part is; here it may have another type.
        if head in {module.path for module in _modules_of(old)}:
            yield Change("python", place, "the public name was removed", name)
    for breakage in griffe.find_breaking_changes(*modules):
        if (
            breakage.kind is not griffe.BreakageKind.CLASS_REMOVED_BASE
        ):  # see _bases, which also knows replaced ones
            yield _described(breakage)
    for place in both:
        yield from _type_changes(old[place], new[place])
        yield from _base_changes(
            old[place], new[place], {cls.canonical_path for cls in old.values()}
        )


def _modules_of(surface: Surface) -> Iterator[griffe.Module]:
    collection = next(iter(surface.values())).modules_collection
    yield from _public_modules(collection["ecall_facade"])
    yield collection["ecall_client.models"]


def _described(breakage: griffe.Breakage) -> Change:
    what = str(breakage.kind.value)
    what = f"{what[0].lower()}{what[1:]}"
    place = _name_in_module(breakage.obj)
    for value in (breakage.old_value, breakage.new_value):
        if isinstance(value, griffe.Parameter):
            if breakage.kind is griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT:
                what += f", from {breakage.old_value.default} to {breakage.new_value.default}"
            elif breakage.kind is griffe.BreakageKind.PARAMETER_CHANGED_KIND:
                what += f", from {breakage.old_value.kind.value} to {breakage.new_value.kind.value}"
            return Change("python", f"{place}({value.name})", what, value.name)
    return Change("python", place, what, place.rpartition(".")[2])


def _name_in_module(target: Object) -> str:
    """Give the name that is unique in the package, without the module, which may be private; no `__init__`."""
    path = target.canonical_path.removeprefix(f"{target.module.canonical_path}.")
    return path.removesuffix(".__init__")


def _type_changes(old: griffe.Object, new: griffe.Object) -> Iterator[Change]:
    """Name what takes less, and what gives more, than it did."""
    if isinstance(old, griffe.Class) and isinstance(new, griffe.Class):
        for name, member in old.all_members.items():
            if (not name.startswith("_") or name == "__init__") and name in new.all_members:
                one, other = _target(member), _target(new.all_members[name])
                if one is not None and other is not None and not isinstance(one, griffe.Class):
                    yield from _type_changes(one, other)
        return
    place = _name_in_module(new)
    name = place.rpartition(".")[2]
    if isinstance(old, griffe.Function) and isinstance(new, griffe.Function):
        if _way_of_calling(old) != _way_of_calling(new):
            yield Change("python", place, f"it now {_way_of_calling(new)}", name)
        for parameter in old.parameters:
            if parameter.name in new.parameters:
                given, taken = (
                    _types(parameter.annotation, old),
                    _types(new.parameters[parameter.name].annotation, new),
                )
                if taken and (less := given - taken):
                    what = f"parameter no longer takes {' | '.join(sorted(less))}"
                    yield Change("python", f"{place}({parameter.name})", what, parameter.name)
        before, after = _types(old.returns, old), _types(new.returns, new)
    elif isinstance(old, griffe.Attribute) and isinstance(new, griffe.Attribute):
        before, after = _types(old.annotation, old), _types(new.annotation, new)
    else:
        return
    if before and (more := after - before):
        yield Change("python", place, f"it may now be {' | '.join(sorted(more))}", name)


def _way_of_calling(function: griffe.Function) -> str:
    """Tell what a call needs around it, whatever it gives."""
    decorators = {decorator.callable_path for decorator in function.decorators}
    if "contextlib.contextmanager" in decorators:
        return "belongs in with"
    if "contextlib.asynccontextmanager" in decorators:
        return "belongs in async with"
    return "has to be awaited" if "async" in function.labels else "is called plainly"


def _types(expression: str | griffe.Expr | None, of: griffe.Object) -> set[str]:
    """Give the alternatives of an annotation, with type aliases of these packages spelled out."""
    if isinstance(expression, griffe.ExprBinOp) and expression.operator == "|":
        return _types(expression.left, of) | _types(expression.right, of)
    target = _named(expression, of)
    if isinstance(target, griffe.Attribute) and not isinstance(
        target.value, griffe.ExprCall | None
    ):  # no TypeVar
        return _types(target.value, target)
    if isinstance(expression, griffe.ExprSubscript) and expression.canonical_path.endswith(
        ".Literal"
    ):
        inner = expression.slice
        return {
            f"{one}" for one in (inner.elements if isinstance(inner, griffe.ExprTuple) else [inner])
        }
    # Without modules and quotes: `models.TextContent`, `"TextContent"` and `TextContent` are one.
    return {re.sub(r"\b(?:\w+\.)+|['\"]", "", str(expression))} if expression is not None else set()


def _base_changes(old: griffe.Object, new: griffe.Object, public: set[str]) -> Iterator[Change]:
    """Name the classes that a class no longer is; an `except` may rely on them."""
    if isinstance(old, griffe.Class) and isinstance(new, griffe.Class):
        for gone in sorted(_bases(old, public) - _bases(new, public)):
            yield Change("python", _name_in_module(new), f"it is no longer a {gone}", new.name)


def _bases(cls: griffe.Class, public: set[str]) -> set[str]:
    """Give all public classes that a class is, those of other packages included, by their names."""
    ours = {base.name for base in cls.mro() if base.canonical_path in public}
    bases = [
        base for one in (cls, *cls.mro()) for base in one.bases if isinstance(base, griffe.Expr)
    ]
    theirs = [base for base in bases if base.canonical_path.partition(".")[0] not in PACKAGES]
    return ours | {base.canonical_path.rpartition(".")[2] for base in theirs} - {
        "ABC",
        "Generic",
        "Protocol",
    }


# The spec

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
UPPER: Final = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
LOWER: Final = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
OTHER_LIMITS: Final = ("pattern", "format", "multipleOf", "uniqueItems", "additionalProperties")
CONDITIONS: Final = (
    "not",
    "if",
    "then",
    "else",
    "allOf",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
)
WORDS: Final = {"description", "summary", "title", "examples", "example", "x-evidence"}


class Spec:
    """Compares two versions of the spec, as those see it who send its requests and read its answers."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old, self._new = old, new
        self._sent = {
            *_reached(old, _bodies(old, sent=True)),
            *_reached(new, _bodies(new, sent=True)),
        }
        self._read = {
            *_reached(old, _bodies(old, sent=False)),
            *_reached(new, _bodies(new, sent=False)),
        }

    def changes(self) -> Iterator[Change]:
        """Name all that breaks."""
        for url in sorted(
            {one["url"] for one in self._old["servers"]}
            - {one["url"] for one in self._new["servers"]}
        ):
            yield _change("#/servers", "the server was removed", url)
        for part in ("paths", "webhooks"):
            yield from self._paths(self._old.get(part, {}), self._new.get(part, {}), f"#/{part}")
        old, new = self._old["components"], self._new["components"]
        for name, scheme in old.get("securitySchemes", {}).items():
            if _bare(scheme) != _bare(new.get("securitySchemes", {}).get(name)):
                yield _change(
                    f"#/components/securitySchemes/{name}", "other credentials are needed"
                )
        for name in old["schemas"]:
            if name not in new["schemas"]:
                yield _change(f"#/components/schemas/{name}", "the schema was removed")
        for holder in ["schemas", *(name for name in new if name.startswith("x-"))]:
            for name, schema in new[holder].items():
                place = f"#/components/{holder}/{_escaped(name)}"
                if name in old.get(holder, {}):
                    yield from self._schema(old[holder][name], schema, place, self._ways(place))
                elif holder != "schemas":
                    yield _change(place, "the rule is new")

    def _paths(self, old: Node, new: Node, holder: str) -> Iterator[Change]:
        for path, item in old.items():
            place = f"{holder}/{_escaped(path)}"
            if path not in new:
                yield _change(place, "it was removed")
                continue
            for method in [method for method in METHODS if method in item]:
                if method in new[path]:
                    yield from self._operation(item, new[path], method, place)
                else:
                    yield _change(
                        f"{place}/{method}",
                        "the operation was removed",
                        item[method]["operationId"],
                    )

    def _ways(self, place: str) -> str:
        """Tell whether a schema is sent, read, or both; both, where nothing leads to it."""
        return f"{'sent ' * (place in self._sent)}{'read' * (place in self._read)}" or "sent read"

    def _operation(
        self, old_item: Node, new_item: Node, method: str, place: str
    ) -> Iterator[Change]:
        old, new = old_item[method], new_item[method]
        place = f"{place}/{method}"
        if old["operationId"] != new["operationId"]:
            yield _change(place, f"it is now called {new['operationId']}", old["operationId"])
        if _bare(old.get("security", self._old.get("security"))) != _bare(
            new.get("security", self._new.get("security"))
        ):
            yield _change(f"{place}/security", "other credentials are needed", new["operationId"])
        sent, read = ("sent", "read") if place.startswith("#/paths/") else ("read", "sent")
        yield from self._parameters(old_item, new_item, method, place)
        one, other = (
            self._at(self._old, old.get("requestBody")),
            self._at(self._new, new.get("requestBody")),
        )
        if one is None and other is not None and other.get("required"):
            yield _change(f"{place}/requestBody", "a body is now required", new["operationId"])
        elif one is not None and other is None:
            yield _change(f"{place}/requestBody", "the body was removed", new["operationId"])
        elif one is not None and other is not None:
            if other.get("required") and not one.get("required"):
                yield _change(f"{place}/requestBody", "a body is now required", new["operationId"])
            yield from self._contents(one, other, f"{place}/requestBody", sent)
        for status, answer in old["responses"].items():
            below = f"{place}/responses/{status}"
            if status not in new["responses"]:
                yield _change(below, "the status was removed", str(status))
                continue
            one, other = self._at(self._old, answer), self._at(self._new, new["responses"][status])
            yield from self._contents(one, other, below, read)
            for name in one.get("headers", {}).keys() - other.get("headers", {}).keys():
                yield _change(f"{below}/headers/{name}", "the header was removed", name)

    def _parameters(
        self, old_item: Node, new_item: Node, method: str, place: str
    ) -> Iterator[Change]:
        both: list[dict[tuple[str, str], Node]] = []
        for spec, item in ((self._old, old_item), (self._new, new_item)):
            given = [
                self._at(spec, one)
                for one in [*item.get("parameters", []), *item[method].get("parameters", [])]
            ]
            both.append({(one["in"], one["name"]): one for one in given})
        old, new = both
        for (where, name), parameter in old.items():
            if (where, name) not in new:
                yield _change(
                    f"{place}/parameters/{name}", f"the {where} parameter was removed", name
                )
            else:
                one, other = parameter.get("schema", {}), new[where, name].get("schema", {})
                yield from self._schema(one, other, f"{place}/parameters/{name}", "sent")
        for (where, name), parameter in new.items():
            if parameter.get("required") and not old.get((where, name), {}).get("required"):
                yield _change(
                    f"{place}/parameters/{name}", f"the {where} parameter is now required", name
                )

    def _contents(self, old: Node, new: Node, place: str, way: str) -> Iterator[Change]:
        for kind, media in old.get("content", {}).items():
            below = f"{place}/content/{_escaped(kind)}"
            if kind in new.get("content", {}):
                yield from self._schema(
                    media.get("schema", {}), new["content"][kind].get("schema", {}), below, way
                )
            else:
                yield _change(below, "the content type was removed", kind)

    @staticmethod
    def _at(spec: Node, node: Any) -> Any:
        return _look_up(spec, node["$ref"]) if isinstance(node, dict) and "$ref" in node else node

    def _schema(self, old: Any, new: Any, place: str, way: str) -> Iterator[Change]:
        if not isinstance(old, dict) or not isinstance(new, dict):
            if _bare(old) != _bare(new):
                yield _change(place, "it was changed")
            return
        before, after = _kinds(old), _kinds(new)
        if (
            "sent" in way
            and (less := (before or {"every type"}) - (after or {"every type"}))
            and after
        ):
            yield _change(place, f"it no longer takes {', '.join(sorted(less))}")
        if (
            "read" in way
            and (more := (after or {"every type"}) - (before or {"every type"}))
            and before
        ):
            yield _change(place, f"it may now be {', '.join(sorted(more))}")
        values, allowed = _values(old), _values(new)
        for value in values if allowed else ():
            if value not in allowed:
                yield _change(place, f"the value {value} was removed", value)
        if allowed and not values and "sent" in way:
            yield _change(place, f"it now takes only {', '.join(allowed)}")
        if "sent" in way:
            yield from _narrowed(old, new, place)
        yield from self._properties(old, new, place, way)
        if "items" in old and "items" in new:
            yield from self._schema(old["items"], new["items"], f"{place}/items", way)

    def _properties(self, old: Node, new: Node, place: str, way: str) -> Iterator[Change]:
        required, requires = set(old.get("required", [])), set(new.get("required", []))
        for name in sorted(requires - required) if "sent" in way else ():
            yield _change(
                f"{place}/properties/{_escaped(name)}", "the property is now required", name
            )
        for name in sorted(required - requires) if "read" in way else ():
            if name in new.get("properties", {}):
                yield _change(
                    f"{place}/properties/{_escaped(name)}", "the property may now be missing", name
                )
        for name, schema in old.get("properties", {}).items():
            below = f"{place}/properties/{_escaped(name)}"
            if name in new.get("properties", {}):
                yield from self._schema(schema, new["properties"][name], below, way)
            elif "/x-" not in place:  # a rule that is gone forbids nothing
                yield _change(below, "the property was removed", name)
        for name in (
            new.get("properties", {}).keys() - old.get("properties", {}).keys()
            if "/x-" in place
            else ()
        ):
            yield _change(f"{place}/properties/{_escaped(name)}", "the rule is new", name)


def _change(place: str, what: str, name: str = "") -> Change:
    return Change(
        "spec", place, what, name or _unescaped(place.removesuffix("/items").rpartition("/")[2])
    )


def _narrowed(old: Node, new: Node, place: str) -> Iterator[Change]:
    """Name each limit that is new or tighter, or that is another one."""
    for limit in (*UPPER, *LOWER):
        if limit in new:
            tighter = limit not in old or (
                new[limit] < old[limit] if limit in UPPER else new[limit] > old[limit]
            )
            if tighter:
                yield _change(
                    place, f"{limit} is now {new[limit]}, and was {old.get(limit, 'not there')}"
                )
    for limit in OTHER_LIMITS:
        if (
            limit in new
            and new[limit] not in (True, {})
            and _bare(new[limit]) != _bare(old.get(limit))
        ):
            yield _change(
                place,
                f"{limit} is now {_bare(new[limit])}, and was {_bare(old.get(limit, 'not there'))}",
            )
    for condition in CONDITIONS:
        if condition in new and _bare(new[condition]) != _bare(old.get(condition)):
            yield _change(place, f"the condition `{condition}` was changed and may refuse more")


def _kinds(schema: Node) -> set[str]:
    """Give what a value may be: types, constants and other schemas."""
    if "$ref" in schema:
        return {str(schema["$ref"]).rpartition("/")[2]}
    found: set[str] = set()
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found |= _kinds(one)
    types = schema.get("type", [])
    found |= {*types} if isinstance(types, list) else {types}
    return found | ({"integer"} if "number" in found else set())


def _values(schema: Node) -> list[str]:
    """Give the only values that are allowed, or nothing where all are."""
    return [
        str(value) for value in schema.get("enum", [schema["const"]] if "const" in schema else [])
    ]


def _bare(node: object) -> str:
    """Write a part without the words that only explain it."""

    def strip(node: object) -> object:
        if isinstance(node, dict):
            return {str(key): strip(value) for key, value in node.items() if key not in WORDS}
        return [strip(one) for one in node] if isinstance(node, list) else node

    return json.dumps(strip(node), sort_keys=True)


def _bodies(spec: Node, *, sent: bool) -> Iterator[object]:
    """Give what is sent, or what is read; a webhook's body is read."""
    for part in ("paths", "webhooks"):
        for item in spec.get(part, {}).values():
            for operation in (value for name, value in item.items() if name in METHODS):
                asked = [
                    item.get("parameters"),
                    operation.get("parameters"),
                    operation.get("requestBody"),
                ]
                yield from asked if (part == "paths") is sent else [operation.get("responses")]


def _reached(spec: Node, nodes: Iterator[object]) -> set[str]:
    """Give the places that references lead to from here."""
    found: set[str] = set()
    todo = [*nodes]
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference not in found:
                found.add(reference)
                todo.append(_look_up(spec, reference))
            todo += [value for key, value in node.items() if key not in WORDS]
        elif isinstance(node, list):
            todo += node
    return found


def _look_up(spec: Node, pointer: str) -> Any:
    node: Any = spec
    for part in pointer.removeprefix("#/").split("/"):
        node = node[_unescaped(part)]
    return node


def _escaped(name: object) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
