"""The sandbox's page and the demo's picture."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("ecall_facade.sandbox")
