"""`scripts/release`: what keeps a commit or a package from being released. slow/test_packaging.py makes real builds."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import _packages
import _release_checks
from _packages import Packages, Unfit
from ecall_facade import __version__

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.once

CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-27

### Added

- Something new.

## [1.1.0] - 2026-10-01

- Something old.
"""


def test_the_version_is_read_from_its_one_place() -> None:
    assert _release_checks.read_version(ROOT) == __version__


@pytest.mark.parametrize("version", ["1.2.0", "1.2.0rc1", "1.1.1", "2.0.0"])
def test_a_version_above_the_last_one_can_be_released(version: str) -> None:
    _release_checks.check_version(version, ["1.0.0", "1.1.0"])


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1.0.9", "below 1.1.0"),
        ("1.1.0rc1", "below 1.1.0"),
        ("1.2.0.dev1", "not the version of a release"),
        ("1.2.0+local", "not the version of a release"),
        ("1.02.0", "not the version of a release"),
        ("next", "not a version"),
    ],
)
def test_a_version_that_cannot_be_released_is_refused(version: str, reason: str) -> None:
    with pytest.raises(Unfit, match=reason):
        _release_checks.check_version(version, ["1.0.0", "1.1.0"])


def test_the_notes_of_a_release_are_its_entry_in_the_changelog() -> None:
    assert _release_checks.read_notes(CHANGELOG, "1.2.0") == "### Added\n\n- Something new."


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[1.2.0] - 2026-11-27", "[1.2.0]", "no heading like"),
        ("[1.2.0] - 2026-11-27", "[1.2.0] - 2026-11-31", "not a date"),
        ("[1.2.0]", "[1.2.1]", "no heading like"),
        ("- Something new.", "", "says nothing about 1.2.0"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Not moved.\n", "still has entries"),
    ],
)
def test_a_changelog_without_an_entry_for_the_version_is_refused(
    old: str, new: str, reason: str
) -> None:
    assert old in CHANGELOG
    with pytest.raises(Unfit, match=reason):
        _release_checks.read_notes(CHANGELOG.replace(old, new), "1.2.0")


def git(repository: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(
        ["git", *author, "-c", "commit.gpgsign=false", *arguments],
        cwd=repository,
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("first", encoding="utf-8")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


@needs_git
@pytest.mark.parametrize("tags", [[], ["v1.2.0"], ["nightly"], ["v1.2.0", "nightly"]])
def test_a_clean_commit_can_be_released_before_it_has_its_tag_and_after(
    repository: Path, tags: list[str]
) -> None:
    for tag in tags:
        git(repository, "tag", tag)
    assert _release_checks.check_commit(repository, "1.2.0") is None


@needs_git
def test_a_release_is_compared_with_the_one_before_and_not_with_its_own_tag(
    repository: Path,
) -> None:
    for version in ("1.9.0", "1.10.0", "1.11.0"):
        git(repository, "commit", "--quiet", "--allow-empty", "--message", version)
        git(repository, "tag", f"v{version}")
    assert _release_checks.check_commit(repository, "1.11.0") == "v1.10.0"


@needs_git
def test_a_commit_with_the_tag_of_another_version_is_refused(repository: Path) -> None:
    git(repository, "tag", "v1.3.0")
    with pytest.raises(Unfit, match=r"names this commit, whose version is 1\.2\.0"):
        _release_checks.check_commit(repository, "1.2.0")


@needs_git
def test_a_version_whose_tag_is_on_another_commit_is_refused(repository: Path) -> None:
    git(repository, "tag", "v1.2.0")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Second")
    with pytest.raises(Unfit, match="the tag of another commit"):
        _release_checks.check_commit(repository, "1.2.0")


@needs_git
def test_a_version_below_a_tag_is_refused(repository: Path) -> None:
    git(repository, "tag", "v1.3.0")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Second")
    with pytest.raises(Unfit, match=r"below 1\.3\.0"):
        _release_checks.check_commit(repository, "1.2.0")


@needs_git
@pytest.mark.parametrize("name", ["file", "new"])
def test_a_tree_with_changes_is_refused(repository: Path, name: str) -> None:
    (repository / name).write_text("changed", encoding="utf-8")
    with pytest.raises(Unfit, match="not committed"):
        _release_checks.check_commit(repository, "1.2.0")


@pytest.mark.parametrize(
    ("markdown", "dead"),
    [
        ("[x](https://example.org/x)", []),
        ("# A part\n\n[x](#a-part)", []),
        ("[x](#another-part)", ["#another-part"]),
        ("[x](docs/x.md)", ["docs/x.md"]),
        ("![x](docs/x.png)", ["docs/x.png"]),
        ("[x](http://example.org)", ["http://example.org"]),
    ],
)
def test_links_of_the_readme_that_would_be_dead_on_pypi_are_found(
    markdown: str, dead: list[str]
) -> None:
    pytest.importorskip("comrak", reason="the renderer is in the main environment")
    assert _packages.dead_links(markdown) == dead


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    """A wheel and an sdist that hold what they have to, with nothing in the files."""
    info = "ecall_facade-1.0.dist-info"
    made = Packages(
        tmp_path / "ecall_facade-1.0.tar.gz", tmp_path / "ecall_facade-1.0-py3-none-any.whl"
    )
    source = _packages.project_files()
    with zipfile.ZipFile(made.wheel, "w") as wheel:
        for name in sorted(source):
            if name.startswith(("ecall_facade/", "generated/ecall_client/")):
                wheel.writestr(name.removeprefix("generated/"), "")
        for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"):
            wheel.writestr(f"{info}/{name}", "")
    with tarfile.open(made.sdist, "w:gz") as sdist:
        for name in sorted({*source, "PKG-INFO"}):
            if not name.startswith(_packages.NOT_IN_SDIST):
                sdist.addfile(tarfile.TarInfo(f"ecall_facade-1.0/{name}"))
    return made


in_repository = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="only git knows what belongs to the project"
)


@in_repository
def test_packages_that_hold_what_git_has_are_accepted(packages: Packages) -> None:
    _packages.check_contents(packages)


@in_repository
def test_a_wheel_with_a_file_too_much_is_refused(packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel, "a") as wheel:
        wheel.writestr("ecall_facade/secret.env", "")
    with pytest.raises(Unfit, match=r"whl: ecall_facade/secret\.env is too much"):
        _packages.check_contents(packages)


@in_repository
def test_a_wheel_that_names_a_folder_of_this_machine_is_refused(packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel, "r") as wheel:
        names = wheel.namelist()
    with zipfile.ZipFile(packages.wheel, "w") as wheel:
        for name in names:
            wheel.writestr(name, str(ROOT) if name == "ecall_facade/errors.py" else "")
    with pytest.raises(Unfit, match=r"folder of this machine: ecall_facade/errors\.py"):
        _packages.check_contents(packages)


@in_repository
def test_an_sdist_without_a_file_of_the_project_is_refused(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as sdist:
        members = [member for member in sdist if not member.name.endswith("/README.md")]
    with tarfile.open(packages.sdist, "w:gz") as sdist:
        for member in members:
            sdist.addfile(member)
    with pytest.raises(Unfit, match=r"tar\.gz: README\.md is missing"):
        _packages.check_contents(packages)


def test_each_extra_has_a_program_that_tries_it() -> None:
    import _smoke

    assert set(_smoke.CHECKS) == set(_packages.extras())
