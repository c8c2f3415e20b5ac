"""The differences between two descriptions: operations, what they take and answer, and what is around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from .documents import METHODS, Document, Place, pointer, tokens, without_version
from .findings import Finding, Findings, Severity, Side
from .schemas import Schemas

NO_PARAMETERS: Final = {"accept", "content-type", "authorization"}
"""Headers that OpenAPI says are to be ignored as parameters."""
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_WEBHOOK: Final = re.compile(r"(?i)/webhooks?/([^/{}]+)/?$")

Routes = dict[str, dict[str, list[Place]]]
"""The operations by route and method; a route of theirs may be there for each version."""


def compare(ours: Document, theirs: Document, *, incomplete: bool) -> Findings:
    """Find all differences."""
    return _Comparison(Findings(ours, theirs, incomplete)).run()


class _Comparison:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._ours, self._theirs = findings.ours, findings.theirs
        self._schemas = Schemas(findings)
        # Headers that hold for the whole service are often described in words and in no operation. Where no operation
        # of the pages names one, they do not contradict the spec.
        self._named = {name.lower() for name in _header_names(self._theirs)}

    def run(self) -> Findings:
        ours, theirs = _webhooks(self._ours), _webhooks(self._theirs)
        self._routes("webhook", ours, theirs)
        self._routes("path", _routes(self._ours), _routes(self._theirs))
        self._security_schemes()
        self._servers()
        self._named_schemas()
        return self._findings

    def _add(
        self, kind: str, where: str, ours: object, theirs: object, severity: Severity, at: str
    ) -> None:
        self._findings.add(Finding(kind, where, ours, theirs, severity, at))

    def _routes(self, kind: str, ours: Routes, theirs: Routes) -> None:
        """Match the operations. `kind` is that of a whole route: path or webhook."""
        for route, methods in theirs.items():
            for method, places in methods.items():
                for t in places:
                    if mine := ours.get(route, {}).get(method):
                        self._operation(kind, mine[0], t)
                    else:
                        name, place = self._unmatched(kind, route in ours, self._theirs, t)
                        around = (
                            next(iter(ours[route].values()))[0].pointer
                            if route in ours
                            else f"/{kind}s/"
                        )
                        finding = Finding(
                            f"{name}-missing-ours",
                            place.pointer,
                            None,
                            tokens(place.pointer)[-1],
                            "differs",
                        )
                        finding.at = around.rpartition("/")[0]
                        self._findings.add(finding, theirs=place)
        for route, methods in ours.items():
            for method, (o, *_) in methods.items():
                if method not in theirs.get(route, {}):
                    name, place = self._unmatched(kind, route in theirs, self._ours, o)
                    severity: Severity = self._findings.lacking(o)
                    if kind == "path":
                        severity = "info" if self._findings.incomplete else "breaking"
                    said, where = tokens(place.pointer)[-1], place.pointer
                    if route in theirs:
                        where = next(iter(theirs[route].values()))[0].pointer.rpartition("/")[
                            0
                        ] + pointer(method)
                    finding = Finding(
                        f"{name}-missing-theirs", where, said, None, severity, place.pointer
                    )
                    self._findings.add(finding, ours=place)

    @staticmethod
    def _unmatched(
        kind: str, is_known: bool, document: Document, operation: Place
    ) -> tuple[str, Place]:
        """Say what the other side has not: the method of a route that it knows, or the whole route."""
        return (
            ("method", operation)
            if is_known
            else (kind, document.at(operation.pointer.rpartition("/")[0]))
        )

    def _operation(self, kind: str, o: Place, t: Place) -> None:
        writes: Side = "response" if kind == "webhook" else "request"
        reads: Side = "request" if kind == "webhook" else "response"
        if kind == "path":
            self._path_case(o, t)
        self._parameters(o, t)
        self._body(o, t, writes)
        self._responses(o, t, reads)
        self._security(kind, o, t)

    def _path_case(self, o: Place, t: Place) -> None:
        mine, other = tokens(o.pointer)[1], tokens(t.pointer)[1]
        # Without the names of parameters, and from the right: a server may hold the beginning of theirs.
        ours, theirs = (
            _PLACEHOLDER.sub("{}", without_version(path)).rstrip("/") for path in (mine, other)
        )
        if not ours.endswith(theirs) and ours.lower().endswith(theirs.lower()):
            self._add("path-case", t.pointer.rpartition("/")[0], mine, other, "info", o.pointer)

    def _parameters(self, o: Place, t: Place) -> None:
        ours, theirs = _parameters(self._ours, o), _parameters(self._theirs, t)
        for key, place in theirs.items():
            name, needed = place.value["name"], bool(place.value.get("required"))
            if key not in ours:
                where = next(
                    spot.pointer
                    for spot in t.children("parameters").values()
                    if _is(self._theirs, spot, place)
                )
                finding = Finding(
                    "parameter-missing-ours",
                    where,
                    None,
                    name,
                    "breaking" if needed else "differs",
                    o.pointer,
                )
                self._findings.add(finding, theirs=place)
                continue
            mine = ours[key]
            if mine.value["name"] != name:
                self._add(
                    "parameter-name",
                    f"{place.pointer}/name",
                    mine.value["name"],
                    name,
                    "info",
                    mine.pointer,
                )
            if bool(mine.value.get("required")) != needed:
                severity: Severity = "breaking" if needed else "differs"
                self._add(
                    "parameter-required",
                    f"{place.pointer}/required",
                    not needed,
                    needed,
                    severity,
                    mine.pointer,
                )
            self._schema(mine, place, "request")
        for key, mine in ours.items():
            name, is_header = mine.value["name"], key[0] == "header"
            silent = (
                is_header and not mine.value.get("required") and name.lower() not in self._named
            )
            if key not in theirs and not silent:
                severity = self._findings.lacking(mine)
                finding = Finding(
                    "parameter-missing-theirs",
                    f"{t.pointer}/parameters/-",
                    name,
                    None,
                    severity,
                    mine.pointer,
                )
                self._findings.add(finding, ours=mine)

    def _schema(self, o: Place, t: Place, side: Side) -> None:
        mine, other = o.child("schema"), t.child("schema")
        if mine.value is not None and other.value is not None:
            self._schemas.compare(mine, other, side)

    def _body(self, o: Place, t: Place, side: Side) -> None:
        mine, other = o.child("requestBody"), t.child("requestBody")
        where = other.pointer
        if mine.value is None or other.value is None:
            if other.value is not None:
                finding = Finding(
                    "request-body-missing-ours", where, None, "a body", "breaking", o.pointer
                )
                self._findings.add(finding, theirs=other)
            elif mine.value is not None:
                finding = Finding(
                    "request-body-missing-theirs", where, "a body", None, "breaking", mine.pointer
                )
                self._findings.add(finding, ours=mine)
            return
        ours, theirs = self._ours.follow(mine, "body"), self._theirs.follow(other, "body")
        if ours is None or theirs is None:
            self._findings.covered_ours |= self._ours.uses(mine)
            return
        needed = bool(theirs.value.get("required"))
        if bool(ours.value.get("required")) != needed:
            severity: Severity = "breaking" if needed and side == "request" else "differs"
            self._add(
                "request-body-required",
                f"{theirs.pointer}/required",
                not needed,
                needed,
                severity,
                ours.pointer,
            )
        self._content(ours, theirs, side)

    def _content(self, o: Place, t: Place, side: Side) -> None:
        ours = {_media_type(name): place for name, place in o.children("content").items()}
        theirs = {_media_type(name): place for name, place in t.children("content").items()}
        lost: Severity = (
            "breaking" if not set(ours) & set(theirs) and ours and theirs else "differs"
        )
        for name, other in theirs.items():
            if name in ours:
                self._schema(ours[name], other, side)
            else:
                finding = Finding(
                    "media-type-missing-ours", other.pointer, None, name, lost, o.pointer
                )
                self._findings.add(finding, theirs=other)
        for name, mine in ours.items():
            if name not in theirs:
                where = f"{t.pointer}/content{pointer(name)}"
                severity: Severity = (
                    "breaking" if side == "request" else self._findings.lacking(mine)
                )
                finding = Finding(
                    "media-type-missing-theirs", where, name, None, severity, mine.pointer
                )
                self._findings.add(finding, ours=mine)

    def _responses(self, o: Place, t: Place, side: Side) -> None:
        ours, theirs = o.children("responses"), t.children("responses")
        for status, other in theirs.items():
            matching = [mine for code, mine in ours.items() if _covers(code, status)]
            if not matching:
                finding = Finding(
                    "status-missing-ours", other.pointer, None, status, "differs", o.pointer
                )
                self._findings.add(finding, theirs=other)
            for mine in matching:
                self._response(mine, other, side)
        for status, mine in ours.items():
            if not any(_covers(status, code) for code in theirs):
                found = self._ours.follow(mine, "response") or mine
                where = f"{t.pointer}/responses{pointer(status)}"
                severity = self._findings.lacking(found)
                finding = Finding(
                    "status-missing-theirs", where, status, None, severity, mine.pointer
                )
                self._findings.add(finding, ours=mine)

    def _response(self, o: Place, t: Place, side: Side) -> None:
        ours, theirs = self._ours.follow(o, "response"), self._theirs.follow(t, "response")
        if ours is None or theirs is None:
            self._findings.covered_ours |= self._ours.uses(o)
            return
        self._content(ours, theirs, side)
        mine = {name.lower(): (name, place) for name, place in ours.children("headers").items()}
        other = {name.lower(): (name, place) for name, place in theirs.children("headers").items()}
        for name in other.keys() - mine.keys() - {"content-type"}:
            said, place = other[name]
            finding = Finding(
                "header-missing-ours", place.pointer, None, said, "differs", ours.pointer
            )
            self._findings.add(finding, theirs=place)
        for name in mine.keys() - other.keys():
            said, place = mine[name]
            if name in self._named:
                found = self._ours.follow(place, "header") or place
                where = f"{theirs.pointer}/headers{pointer(said)}"
                severity = self._findings.lacking(found)
                self._add("header-missing-theirs", where, said, None, severity, place.pointer)
        for name in mine.keys() & other.keys():
            a, b = (
                self._ours.follow(mine[name][1], "header"),
                self._theirs.follow(other[name][1], "header"),
            )
            if a is not None and b is not None:
                needed = bool(b.value.get("required"))
                if bool(a.value.get("required")) != needed:
                    self._add(
                        "header-required",
                        f"{b.pointer}/required",
                        not needed,
                        needed,
                        "info",
                        a.pointer,
                    )
                self._schema(a, b, side)

    def _security(self, kind: str, o: Place, t: Place) -> None:
        mine, other = o.child("security"), t.child("security")
        if other.value is None and kind == "path":
            other = self._theirs.root.child("security")
        if other.value is None:  # the pages do not say
            return
        mine = mine if mine.value is not None else self._ours.root.child("security")
        said = [
            sorted(
                " + ".join(sorted(self._scheme(document, name) for name in one))
                for one in place.value or []
            )
            for document, place in ((self._ours, mine), (self._theirs, other))
        ]
        if said[0] != said[1]:
            self._add("security", other.pointer, said[0], said[1], "breaking", mine.pointer)

    def _scheme(self, document: Document, name: str) -> str:
        """Say what a scheme is, whatever it is called; one that is not described is taken for the other side's."""
        for one in (document, self._ours, self._theirs):
            if place := one.root.child("components").children("securitySchemes").get(name):
                return _signature(one, place)
        return name

    def _security_schemes(self) -> None:
        ours, theirs = (
            {
                _signature(document, place): place
                for place in document.root.child("components").children("securitySchemes").values()
            }
            for document in (self._ours, self._theirs)
        )
        for said in theirs.keys() - ours.keys():
            finding = Finding(
                "security-scheme-missing-ours", theirs[said].pointer, None, said, "differs"
            )
            self._findings.add(finding, theirs=theirs[said])
        for said in ours.keys() - theirs.keys() if theirs else ():
            place = ours[said]
            severity: Severity = "breaking"
            self._add(
                "security-scheme-missing-theirs", place.pointer, said, None, severity, place.pointer
            )

    def _servers(self) -> None:
        ours, theirs = (
            {
                _address(place.value["url"]): place
                for place in document.root.children("servers").values()
            }
            for document in (self._ours, self._theirs)
        )
        theirs.pop("", None)
        for address in theirs.keys() - ours.keys():
            self._findings.add(
                Finding(
                    "server-missing-ours",
                    theirs[address].pointer,
                    None,
                    address,
                    "differs",
                    "/servers",
                ),
                theirs=theirs[address],
            )
        for address in ours.keys() - theirs.keys() if theirs else ():
            self._add(
                "server-missing-theirs",
                "/servers/-",
                address,
                None,
                "breaking",
                ours[address].pointer,
            )

    def _named_schemas(self) -> None:
        """Compare what no operation of both led to, by name."""
        ours, theirs = (
            document.root.child("components").children("schemas")
            for document in (self._ours, self._theirs)
        )
        spelled = {name.lower(): name for name in ours}
        pairs = {name: spelled[name.lower()] for name in theirs if name.lower() in spelled}
        written = set[str]()
        for methods in _routes(self._ours).values():
            for operation, *_ in methods.values():
                written |= self._ours.uses(operation.child("requestBody"))
        for name, mine in pairs.items():
            side: Side = "request" if ours[mine].pointer in written else "response"
            self._schemas.compare(ours[mine], theirs[name], side)
        for name, place in theirs.items():
            known = self._schemas.seen_theirs | self._findings.covered_theirs
            if name not in pairs and place.pointer not in known:
                finding = Finding("schema-missing-ours", place.pointer, None, name, "differs")
                self._findings.add(finding, theirs=place)
        for name, place in ours.items():
            known = self._schemas.seen_ours | self._findings.covered_ours
            if name not in pairs.values() and place.pointer not in known:
                severity: Severity = (
                    "info" if self._findings.incomplete else self._findings.lacking(place)
                )
                self._findings.add(
                    Finding(
                        "schema-missing-theirs", place.pointer, name, None, severity, place.pointer
                    ),
                    ours=place,
                )


def _routes(document: Document) -> Routes:
    """Give the operations by route."""
    servers = [place.value["url"] for place in document.root.children("servers").values()]
    prefix = _split(servers[0]).path.rstrip("/") if servers else ""
    routes: Routes = {}
    for path, item in document.root.children("paths").items():
        if not _WEBHOOK.search(path):
            route = _PLACEHOLDER.sub("{}", without_version(prefix + path)).rstrip("/").lower()
            _put(routes, route, item)
    return routes


def _webhooks(document: Document) -> Routes:
    """Give the webhooks by name, also those that are written as paths: the vendor names one by its path."""
    routes: Routes = {}
    for name, item in document.root.children("webhooks").items():
        _put(routes, name.lower(), item)
    for path, item in document.root.children("paths").items():
        if found := _WEBHOOK.search(path):
            _put(routes, found[1].lower(), item)
    return routes


def _put(routes: Routes, route: str, item: Place) -> None:
    for method, place in _operations(item).items():
        routes.setdefault(route, {}).setdefault(method, []).append(place)


def _operations(item: Place) -> dict[str, Place]:
    return {method: item.child(method) for method in METHODS if item.value.get(method) is not None}


def _parameters(document: Document, operation: Place) -> dict[tuple[str, str], Place]:
    """Give the parameters of an operation, those in the path by their position, as their names are not sent."""
    path = tokens(operation.pointer)[1]
    positions = {name: str(number) for number, name in enumerate(_PLACEHOLDER.findall(path))}
    found: dict[tuple[str, str], Place] = {}
    for spot in operation.children("parameters").values():
        place = document.follow(spot, "parameter")
        if place is not None:
            kind, name = place.value["in"], place.value["name"]
            key = (kind, positions.get(name, name) if kind == "path" else name.lower())
            if kind != "header" or name.lower() not in NO_PARAMETERS:
                found.setdefault(key, place)
    return found


def _is(document: Document, spot: Place, place: Place) -> bool:
    found = document.follow(spot, "parameter")
    return found is not None and found.pointer == place.pointer


def _header_names(document: Document) -> Iterator[str]:
    for section in ("paths", "webhooks"):
        for item in document.root.children(section).values():
            for operation in _operations(item).values():
                yield from (
                    name for kind, name in _parameters(document, operation) if kind == "header"
                )
                for spot in operation.children("responses").values():
                    if response := document.follow(spot, "response"):
                        yield from response.children("headers")


def _covers(code: str, other: str) -> bool:
    """Whether two statuses mean the same, or one is a range that holds the other."""
    a, b = code.upper(), other.upper()
    return a == b or ("XX" in (a[1:], b[1:]) and a[:1] == b[:1])


def _media_type(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def _signature(document: Document, place: Place) -> str:
    found = document.follow(place, "security")
    value = found.value if found else {}
    return " ".join(value[key] for key in ("type", "scheme", "in", "name") if key in value).lower()


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _address(url: str) -> str:
    parts = _split(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""
