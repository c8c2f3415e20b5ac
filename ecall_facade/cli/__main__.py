"""Run `ecall` as `python -m ecall_facade.cli`, where scripts are not on the PATH."""

from ecall_facade.cli import main

main()
