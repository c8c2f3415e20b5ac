"""The command `ecall`."""

from __future__ import annotations

import sys

__all__ = ["main"]

_PACKAGES_OF_EXTRA = {"cyclopts", "rich"}


def main() -> None:
    """Run the command with the arguments of the process."""
    try:
        from ecall_facade.cli._app import run
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _PACKAGES_OF_EXTRA:
            raise
        sys.stderr.write(
            'ecall: cyclopts and rich are not installed; run: pip install "ecall-facade[cli]"\n'
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # while the imports run; later ones are handled by `run`
        sys.stderr.write("ecall: Interrupted\n")
        raise SystemExit(130) from None
    raise SystemExit(run(sys.argv[1:]))
