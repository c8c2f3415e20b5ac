"""The docs site builds without a warning, has every public name, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import typing
import zlib
from pathlib import Path

import pytest
from _programs import run_program

import ecall_facade
from ecall_facade import AsyncECall, ECall

ROOT = Path(__file__).parents[2]
PROGRAMS = {"ecall_facade.cli", "ecall_facade.sandbox.demo"}  # run, not imported


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a warning, as for a link that leads nowhere, is a failure."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {"NO_MKDOCS_2_WARNING": "1"}
    run_program(*command, "--site-dir", folder, folder=ROOT, environment=environment)
    return folder


def public_modules() -> list[str]:
    found = pkgutil.walk_packages(ecall_facade.__path__, "ecall_facade.")
    names = ["ecall_facade", *(module.name for module in found)]
    return [
        name
        for name in names
        if name not in PROGRAMS and not any(part.startswith("_") for part in name.split("."))
    ]


@pytest.fixture(scope="module")
def documented(site: Path) -> set[str]:
    """The names in the inventory of the site, which is what other projects' sites link to."""
    content = (site / "objects.inv").read_bytes()
    lines = zlib.decompress(content.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ")[0] for line in lines}


def test_public_modules_are_found() -> None:
    assert {"ecall_facade.errors", "ecall_facade.bulk.celery"} <= set(public_modules())


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_in_the_api_reference(documented: set[str], module: str) -> None:
    names = importlib.import_module(module).__all__
    expected = {f"{module}.{name}" for name in names if not name.startswith("pytest_")}
    assert expected - documented == set()


@pytest.mark.parametrize("client", [ECall, AsyncECall])
def test_every_method_of_a_client_is_in_the_api_reference(
    documented: set[str], client: type[ECall | AsyncECall]
) -> None:
    expected = {
        f"{owner.__module__}.{owner.__qualname__}.{name}"
        for kind in (client, *typing.get_type_hints(client).values())
        for owner in kind.__mro__[:-1]
        if owner.__module__.startswith("ecall_facade.")
        for name in vars(owner)
        if not name.startswith("_")
    }
    assert len(expected) > 10
    assert expected - documented == set()


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=\"([^\"]*)", text)
        assert [url for url in loaded if re.match(r"(https?:)?//", url)] == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet
