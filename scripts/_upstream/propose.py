"""The text that would correct the spec, where the pages know better."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from .documents import METHODS, Document, Place, ancestors, pointer, tokens, without_version
from .findings import Finding, Findings
from .fragments import ANNOTATIONS, essence
from .shapes import component, read
from .yaml_text import Edit, Text

EDITED: Final = {"properties", "parameters", "headers"}
"""A member of these is written anew as a whole; of larger things, only what changes."""
BEHIND_EVIDENCE: Final = ("items", "anyOf", "oneOf", "schema", "content")
STATUS_WORDS: Final = {
    "2": "It went well.",
    "4": "The request is refused.",
    "5": "The service failed.",
}


class Proposals:
    """Puts what the pages know into a copy of the spec, and remembers which parts of its text that changes."""

    def __init__(self, findings: Findings, text: str, source: Callable[[str], str]) -> None:
        self._findings = findings
        self._theirs = findings.theirs
        self._text = Text(text)
        self._source = source  # of a place of theirs, as evidence writes it
        self._spec: dict[str, Any] = copy.deepcopy(findings.ours.data)
        # The service ignores the letter case of names, and the generated code needs one spelling for all of the spec.
        schemas = self._spec["components"]["schemas"].values()
        self._spelled = Counter(name for schema in schemas for name in schema.get("properties", {}))
        self._before = {
            f"/components/schemas{pointer(name)}" for name in self._spec["components"]["schemas"]
        }
        self._names: dict[str, str] = {}

    def edits(self, found: list[Finding]) -> list[list[Edit]]:
        """Give the edits for each difference, as they are once all of them are known."""
        touched: list[set[str]] = []
        for finding in found:
            correct = getattr(self, f"_{finding.kind.replace('-', '_')}", None)
            known = next(
                part
                for part in ancestors(finding.at)
                if self._findings.ours.at(part).value is not None
            )
            places = correct(finding) if correct and self._is_there(known) else []
            touched.append({self._text.block(at) for at in places})
        # What another correction writes anew as a whole, or takes out with what is around it, is part of that.
        everything = {at for places in touched for at in places if self._is_there(at)}
        outermost = {
            at: next(over for over in reversed(list(ancestors(at))) if over in everything)
            for at in everything
        }
        written = {
            at: self._text.write(at, self._value(at), self._names.get(at))
            for at in set(outermost.values())
        }
        return [
            [written[at] for at in sorted({outermost[at] for at in places & everything})]
            for places in touched
        ]

    def _is_there(self, at: str) -> bool:
        try:
            self._value(at)
        except (KeyError, IndexError, TypeError):
            return False
        return True

    def _value(self, at: str) -> Any:
        value: Any = self._spec
        for key in tokens(at):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def _evidence(self, place: str) -> dict[str, str]:
        return {"level": "documented", "source": self._source(place)}

    def _changed(self, at: str, keys: list[str], source: str) -> list[str]:
        """Renew the evidence of what was changed, and tell which text that makes new."""
        carrier = next(
            around for around in ancestors(at) if "x-evidence" in (self._dict(around) or {})
        )
        holder = self._value(carrier)
        holder["x-evidence"] = self._evidence(source)
        for key in [key for key in holder if key in BEHIND_EVIDENCE or key == "x-evidence"]:
            holder[key] = holder.pop(key)
        is_small = tokens(carrier)[-2:-1] != [] and tokens(carrier)[-2] in EDITED
        if is_small or (component(carrier) and "properties" not in holder):
            return [carrier]
        return [*(f"{at}/{key}" for key in keys), f"{carrier}/x-evidence"]

    def _dict(self, at: str) -> dict[str, Any] | None:
        value = self._value(at) if self._is_there(at) else None
        return value if isinstance(value, dict) else None

    def _put(self, at: str, value: Any) -> list[str]:
        """Add a member to a mapping or, with `-`, to a list; make what is to hold it."""
        *around, key = tokens(at)
        holder: Any = self._spec
        for number, part in enumerate(around):
            if isinstance(holder, dict):
                holder.setdefault(part, [] if key == "-" and number == len(around) - 1 else {})
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if not isinstance(holder, list):
            holder[key] = value
            return [at]
        if essence(value) not in (known := [essence(item) for item in holder]):
            holder.append(value)
        position = known.index(essence(value)) if essence(value) in known else len(holder) - 1
        return [at.removesuffix("-") + str(position)]

    # The corrections of each kind. Each gives the places in the spec whose text is new.

    def _property_missing_ours(self, finding: Finding) -> list[str]:
        theirs = str(finding.theirs)
        name = self._spelling(theirs)
        owner = component(finding.at) or tokens(finding.at)[-1]
        places, made = self._schema(finding.source, f"{owner}{_capital(name)}")
        touched = places + self._put(f"{finding.at}/properties{pointer(name)}", made)
        holder = self._theirs.at(finding.source.pointer.rpartition("/properties/")[0])
        if theirs in (holder.value or {}).get("required", []):
            self._require(finding.at, name, needed=True)
            touched += self._changed(finding.at, ["required"], finding.where)
        return touched

    def _required(self, finding: Finding) -> list[str]:
        at, _, name = finding.at.rpartition("/properties/")
        self._require(at, tokens(f"/{name}")[0], needed=finding.theirs)
        return self._changed(at, ["required"], finding.where)

    def _require(self, at: str, name: str, *, needed: bool) -> None:
        names = [one for one in self._value(at).get("required", []) if one != name]
        self._value(at)["required"] = [*names, name] if needed else names

    def _spelling(self, name: str) -> str:
        return next((known for known in self._spelled if known.lower() == name.lower()), name)

    def _property_case(self, finding: Finding) -> list[str]:
        at, _, name = finding.at.rpartition("/properties/")
        if self._spelled[name] > 1:  # the others would have to follow
            return []
        schema = self._value(at)
        if name in schema.get("required", []):
            schema["required"][schema["required"].index(name)] = finding.theirs
        touched = [f"{at}/required"] if finding.theirs in schema.get("required", []) else []
        self._names[finding.at] = finding.theirs
        self._value(finding.at)["x-evidence"] = self._evidence(finding.where)
        return [*touched, finding.at]

    def _limit(self, finding: Finding) -> list[str]:
        if finding.theirs is None:
            return []
        at, _, key = finding.at.rpartition("/")
        self._value(at)[key] = finding.theirs
        return self._changed(at, [key], finding.where)

    _pattern = _format = _default = _limit

    def _type(self, finding: Finding) -> list[str]:
        keys = tokens(finding.at)
        name = _body_name(keys) if "content" in keys else "".join(map(_capital, keys[2:]))
        places, made = self._schema(finding.source, name)
        schema = self._value(finding.at)
        kept = {key: schema[key] for key in ("description",) if key in schema}
        evidence = {"x-evidence": schema["x-evidence"]} if "x-evidence" in schema else {}
        made.pop("x-evidence")
        schema.clear()
        schema.update(made | kept | evidence)
        if "$ref" in made and kept:  # a reference has its own description
            schema.pop("description")
        return places + self._changed(finding.at, list(schema), finding.where)

    def _nullable(self, finding: Finding) -> list[str]:
        schema = self._value(finding.at)
        if not finding.theirs:
            if isinstance(schema.get("type"), list):
                schema["type"] = [kind for kind in schema["type"] if kind != "null"]
                schema["type"] = schema["type"][0] if len(schema["type"]) == 1 else schema["type"]
                return self._changed(finding.at, ["type"], finding.where)
            members = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
            schema["anyOf"] = members
            if len(members) == 1 and "$ref" in members[0]:
                del schema["anyOf"]
                schema.update(members[0])
        elif isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
            return self._changed(finding.at, ["type"], finding.where)
        elif "anyOf" in schema or "$ref" in schema:
            first = [{"$ref": schema.pop("$ref")}] if "$ref" in schema else schema["anyOf"]
            schema["anyOf"] = [*first, {"type": "null"}]
        return self._changed(finding.at, ["anyOf"], finding.where)

    def _enum(self, finding: Finding) -> list[str]:
        if finding.theirs is None:
            return []
        self._set_values(self._value(finding.at), list(finding.theirs))
        return self._changed(finding.at, ["enum"], finding.where)

    def _enum_value_missing_ours(self, finding: Finding) -> list[str]:
        schema = self._value(finding.at)
        self._set_values(schema, [*schema.get("enum", [schema.get("const")]), finding.theirs])
        return self._changed(finding.at, ["enum", "x-enum-varnames"], finding.where)

    def _enum_case(self, finding: Finding) -> list[str]:
        schema = self._value(finding.at)
        if "enum" not in schema:
            return self._const(finding)
        values = [finding.theirs if value == finding.ours else value for value in schema["enum"]]
        self._set_values(schema, values)
        return self._changed(finding.at, ["enum", "x-enum-varnames"], finding.where)

    def _const(self, finding: Finding) -> list[str]:
        schema = self._value(finding.at)
        schema["const"] = schema["default"] = finding.theirs
        return self._changed(finding.at, ["const", "default"], finding.where)

    @staticmethod
    def _set_values(schema: dict[str, Any], values: list[Any]) -> None:
        names = dict(zip(schema.get("enum", []), schema.get("x-enum-varnames", []), strict=False))
        schema.pop("const", None)
        schema["enum"] = values
        if all(isinstance(value, str) for value in values):
            schema["x-enum-varnames"] = [
                names.get(value) or _variable_name(value) for value in values
            ]

    def _additional_properties(self, finding: Finding) -> list[str]:
        if not isinstance(finding.theirs, bool):
            return []
        self._value(finding.at)["additionalProperties"] = finding.theirs
        return self._changed(finding.at, ["additionalProperties"], finding.where)

    def _variant_missing_ours(self, finding: Finding) -> list[str]:
        schema = self._value(finding.at)
        key = next((key for key in ("oneOf", "anyOf") if key in schema), None)
        if key is None:
            return []
        places, made = self._schema(
            finding.source, f"{component(finding.at) or ''}{_capital(str(finding.theirs))}"
        )
        if "$ref" not in made:
            made.pop("x-evidence")
        else:
            made = {"$ref": made["$ref"]}
        touched = places + self._put(f"{finding.at}/{key}/-", made)
        mapping = schema.get("discriminator", {}).get("mapping")
        if mapping is not None and "$ref" in made:
            tag = schema["discriminator"]["propertyName"]
            told = read(self._theirs, finding.source).properties.get(tag)
            values = read(self._theirs, told).enum if told else None
            if values:
                touched += self._put(
                    f"{finding.at}/discriminator/mapping{pointer(str(values[0]))}", made["$ref"]
                )
        return touched

    def _parameter_required(self, finding: Finding) -> list[str]:
        self._value(finding.at)["required"] = finding.theirs
        return self._changed(finding.at, ["required"], finding.where)

    _request_body_required = _header_required = _parameter_required

    def _parameter_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._parameter(finding.source)
        return places + self._put(f"{finding.at}/parameters/-", made)

    def _header_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._header(finding.source)
        return places + self._put(f"{finding.at}/headers{pointer(finding.theirs)}", made)

    def _status_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._response(finding.source, str(finding.theirs))
        return places + self._put(f"{finding.at}/responses{pointer(finding.theirs)}", made)

    def _media_type_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._media(finding.source)
        self._put(f"{finding.at}/content{pointer(finding.theirs)}", made)
        return places + self._changed(
            finding.at, [f"content{pointer(finding.theirs)}"], finding.where
        )

    def _request_body_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._body(finding.source)
        return places + self._put(f"{finding.at}/requestBody", made)

    def _method_missing_ours(self, finding: Finding) -> list[str]:
        places, made = self._operation(finding.source, finding.theirs)
        # What is in the path is called as in the spec, whatever the pages call it.
        others = [
            one for item in self._value(finding.at).values() for one in item.get("parameters", [])
        ]
        in_path = {one["name"]: one for one in others if one.get("in") == "path"}
        more = [one for one in made.get("parameters", []) if one["in"] != "path"]
        if parameters := [*copy.deepcopy(list(in_path.values())), *more]:
            responses = made.pop("responses")
            made |= {"parameters": parameters, "responses": responses}
        return places + self._put(f"{finding.at}{pointer(finding.theirs)}", made)

    def _path_missing_ours(self, finding: Finding) -> list[str]:
        path = without_version(finding.theirs)
        places: list[str] = []
        item: dict[str, Any] = {}
        for method in METHODS:
            operation = finding.source.child(method)
            if operation.value is not None:
                more, item[method] = self._operation(operation, method)
                places += more
        return places + self._put(f"{finding.at}{pointer(path)}", item)

    _webhook_missing_ours = _path_missing_ours

    def _schema_missing_ours(self, finding: Finding) -> list[str]:
        return self._component(finding.source)

    def _security_scheme_missing_ours(self, finding: Finding) -> list[str]:
        scheme = self._theirs.follow(finding.source, "security")
        value = {
            key: item
            for key, item in (scheme.value if scheme else {}).items()
            if not key.startswith("x-")
        }
        name = tokens(finding.source.pointer)[-1]
        made = {**value, "x-evidence": self._evidence(finding.where)}
        return self._put(f"/components/securitySchemes{pointer(name)}", made)

    def _server_missing_ours(self, finding: Finding) -> list[str]:
        return self._put(
            "/servers/-", {"url": finding.theirs, "x-evidence": self._evidence(finding.where)}
        )

    # What the pages say, in the form of the spec: evidence on everything, enums and objects under names of their own.

    def _schema(self, place: Place, name: str) -> tuple[list[str], dict[str, Any]]:
        """Give a schema, and the places of the named ones that it needs and that are new."""
        value = place.value if isinstance(place.value, dict) else {}
        places: list[str] = []
        made: dict[str, Any] = {}
        if "$ref" in value and (target := self._theirs.target(place, "schema")):
            places = self._component(target) if component(target.pointer) else []
            made["$ref"] = (
                f"#/components/schemas/{self._our_name(component(target.pointer) or name)}"
            )
        elif len(
            values := [one for one in value.get("enum", []) if one is not None]
        ) > 1 or value.get("properties"):
            places = self._named(place, name)
            made["$ref"] = f"#/components/schemas/{self._our_name(name)}"
        else:
            made |= self._plain(value)
            for key in ("items", "additionalProperties"):
                if isinstance(value.get(key), dict):
                    more, inner = self._schema(place.child(key), f"{name}Item")
                    inner.pop("x-evidence")
                    places, made[key] = places + more, inner
            for key in ("oneOf", "anyOf", "allOf"):
                for number, member in place.children(key).items():
                    more, inner = self._schema(member, f"{name}{number}")
                    inner.pop("x-evidence")
                    places += more
                    made.setdefault(key, []).append(inner)
            if values:
                made["const"] = values[0]
                del made["enum"]
            if "const" in made:
                implied = read(self._theirs, place).type or "string"
                made = {"type": implied, **made, "default": made["const"]}
        # What has a name of its own is taken over without null, which is then written where it is used.
        if (
            made
            and read(self._theirs, place).nullable
            and not read(Document(self._spec), Place("", made)).nullable
        ):
            if isinstance(made.get("type"), str):
                made["type"] = [made["type"], "null"]
            else:
                made = {"anyOf": [made, {"type": "null"}]}
        if description := _words(value):
            made.setdefault("description", description)
        return places, {**made, "x-evidence": self._evidence(place.pointer)}

    @staticmethod
    def _plain(value: dict[str, Any]) -> dict[str, Any]:
        dropped = ANNOTATIONS | {
            "nullable",
            "items",
            "oneOf",
            "anyOf",
            "allOf",
            "discriminator",
            "properties",
        }
        made = {
            key: item
            for key, item in value.items()
            if key not in dropped and not key.startswith("x-")
        }
        if isinstance(value.get("additionalProperties"), dict):
            del made["additionalProperties"]
        if (
            "array" in value.get("type", "")
            and not isinstance(value.get("items"), dict)
            and "prefixItems" not in made
        ):
            made["items"] = {}  # the generator wants to be told
        return made

    def _our_name(self, name: str) -> str:
        return self._findings.names.get(name, name)

    def _component(self, place: Place) -> list[str]:
        """Take a named schema over, unless we have it."""
        name = component(place.pointer)
        return self._named(place, name) if name else []

    def _named(self, place: Place, name: str) -> list[str]:
        at = f"/components/schemas{pointer(self._our_name(name))}"
        if self._dict(at) is not None:
            return [at] if at not in self._before else []
        self._value("/components/schemas")[self._our_name(name)] = made = dict[str, Any]()
        shape = read(self._theirs, place)
        places = [at]
        if shape.properties:
            made |= {"type": "object"}
            if description := _words(place.value):
                made["description"] = description
            made["x-evidence"] = self._evidence(place.pointer)
            if shape.required:
                made["required"] = [
                    self._spelling(key) for key in shape.properties if key in shape.required
                ]
            if shape.extra is not None and shape.extra.value is False:
                made["additionalProperties"] = False
            made["properties"] = {}
            for key, below in shape.properties.items():
                more, inner = self._schema(below, f"{name}{_capital(key)}")
                made["properties"][self._spelling(key)] = inner
                places += more
        elif len(shape.enum or []) > 1:
            made |= {"type": shape.type or "string"}
            if description := _words(place.value):
                made["description"] = description
            self._set_values(made, list(shape.enum or []))
            made["x-evidence"] = self._evidence(place.pointer)
        else:
            more, inner = self._schema(place, f"{name}Value")
            made |= inner
            places += more
        return places

    def _parameter(self, place: Place) -> tuple[list[str], dict[str, Any]]:
        found = self._theirs.follow(place, "parameter") or place
        made = {key: found.value[key] for key in ("name", "in")} | {
            "required": bool(found.value.get("required"))
        }
        places, more = self._header(found)
        return places, {**made, **more, "required": made["required"]}

    def _header(self, place: Place) -> tuple[list[str], dict[str, Any]]:
        found = self._theirs.follow(place, "header") or place
        schema = found.child("schema")
        name = "".join(
            map(_capital, re.split(r"\W+", found.value.get("name", tokens(place.pointer)[-1])))
        )
        places, inner = self._schema(
            schema if schema.value is not None else Place(schema.pointer, {"type": "string"}), name
        )
        inner.pop("x-evidence")
        words = _words(found.value) or inner.pop("description", None) or "Not described."
        inner.pop("description", None)
        return places, {
            "description": words, "required": bool(found.value.get("required")),
            "x-evidence": self._evidence(place.pointer), "schema": inner,
        }  # fmt: skip

    def _media(self, place: Place) -> tuple[list[str], dict[str, Any]]:
        schema = place.child("schema")
        if schema.value is None:
            return [], {"schema": {}}
        places, made = self._schema(schema, _body_name(tokens(place.pointer)))
        made.pop("x-evidence")
        return places, {"schema": made}

    def _content(self, place: Place) -> tuple[list[str], dict[str, Any]]:
        places: list[str] = []
        content: dict[str, Any] = {}
        for kind, below in place.children("content").items():
            more, content[kind] = self._media(below)
            places += more
        return places, content

    def _body(self, place: Place) -> tuple[list[str], dict[str, Any]]:
        found = self._theirs.follow(place, "body") or place
        places, content = self._content(found)
        needed = bool(found.value.get("required"))
        return places, {
            "required": needed,
            "x-evidence": self._evidence(place.pointer),
            "content": content,
        }

    def _response(self, place: Place, status: str) -> tuple[list[str], dict[str, Any]]:
        found = self._theirs.follow(place, "response") or place
        made: dict[str, Any] = {
            "description": _words(found.value) or STATUS_WORDS.get(status[0], "Not described.")
        }
        places: list[str] = []
        for name, header in found.children("headers").items():
            more, made.setdefault("headers", {})[name] = self._header(header)
            places += more
        made["x-evidence"] = self._evidence(place.pointer)
        more, content = self._content(found)
        return places + more, {**made, **({"content": content} if content else {})}

    def _operation(self, place: Place, method: str) -> tuple[list[str], dict[str, Any]]:
        value = place.value
        words = [method, *re.findall(r"[^\W_]+", without_version(tokens(place.pointer)[1]))]
        named = value.get("operationId")
        made: dict[str, Any] = {
            "operationId": named
            if isinstance(named, str)
            else words[0] + "".join(map(_capital, words[1:])),
            "tags": [tag for tag in value.get("tags", []) if isinstance(tag, str)] or ["Message"],
            "summary": value["summary"]
            if isinstance(value.get("summary"), str)
            else "Not described.",
            "x-evidence": self._evidence(place.pointer),
        }
        places: list[str] = []
        for spot in place.children("parameters").values():
            if self._theirs.follow(spot, "parameter") is None:
                continue
            more, parameter = self._parameter(spot)
            places += more
            made.setdefault("parameters", []).append(parameter)
        if value.get("requestBody") is not None:
            more, made["requestBody"] = self._body(place.child("requestBody"))
            places += more
        made["responses"] = {}
        for status, below in place.children("responses").items():
            more, made["responses"][status] = self._response(below, status)
            places += more
        return places, made


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _body_name(keys: list[str]) -> str:
    """Name a body that has no name, after its operation or its component."""
    words = re.findall(
        r"[^\W_]+", f"{keys[2]} {without_version(keys[1])}" if keys[0] == "paths" else keys[2]
    )
    status = keys[4] if "responses" in keys[3:4] else ""
    ending = "Request" if "requestBody" in keys or "requestBodies" in keys else f"Result{status}"
    return "".join(map(_capital, words)) + ending


def _words(value: Any) -> str:
    """Give the first paragraph of a description, on one line."""
    said = value.get("description") if isinstance(value, dict) else None
    return " ".join(said.strip().split("\n\n")[0].split()) if isinstance(said, str) else ""


def _variable_name(value: str) -> str:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", value).strip("_").upper()
    return name if name[:1].isalpha() else f"V{name}"
