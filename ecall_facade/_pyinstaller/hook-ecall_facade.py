"""The modules that `ecall_facade` and the generated models load on first use."""

from PyInstaller.utils.hooks import collect_submodules

# These are collected where a program imports them: they need packages of the extras, or are no part of programs.
_IMPORTED_BY_NAME = (
    "ecall_facade._pyinstaller",
    "ecall_facade.bulk",
    "ecall_facade.cli",
    "ecall_facade.pytest_plugin",
    "ecall_facade.sandbox",
    "ecall_facade.webhooks",
)

hiddenimports = collect_submodules(
    "ecall_facade", filter=lambda name: not name.startswith(_IMPORTED_BY_NAME)
) + collect_submodules("ecall_client")
