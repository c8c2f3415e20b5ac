"""The command `ecall`."""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA = {"cyclopts", "rich"}


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        from ecall_facade.cli._app import run
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            'ecall: the command needs cyclopts and rich: pip install "ecall-facade[cli]"\n'
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # while that loads; later ones are told by the command
        sys.stderr.write("ecall: Interrupted\n")
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))
