# Made by scripts/unasync from ecall_facade/_async/__init__.py; change that file.

"""The sync client."""
