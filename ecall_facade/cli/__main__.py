"""`python -m ecall_facade.cli` is `ecall`, for where scripts are not on the PATH."""

from ecall_facade.cli import main

main()
