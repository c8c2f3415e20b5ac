"""The subcommands of `ecall`, each of which is loaded when it is called."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = [*collect_submodules("ecall_facade.cli"), "ecall_facade.sandbox.demo"]
