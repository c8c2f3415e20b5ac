"""A first program with an installed ecall-facade: does what an extra is for, and fails where that does not work.

    python -I _smoke.py EXTRA     "" is for none; the sandbox to send through comes from the environment (ECALL_…)

It runs in environments that have nothing but the wheel and what it brings along.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path


def expect(condition: bool, what: str) -> None:
    if not condition:
        sys.exit(f"Expected: {what}")


def ecall(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sysconfig.get_path("scripts")) / ("ecall.exe" if os.name == "nt" else "ecall")
    return subprocess.run(
        [command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def core() -> None:
    import ecall_client
    from ecall_facade import ECall

    expect(Path(ecall_client.__file__).with_name("py.typed").exists(), "ecall_client is typed")
    with ECall() as client:
        sent = client.sms.send("079 123 45 67", "The package was installed")
        status = client.messages.wait(sent.message_id, timeout=60)
    expect(status.state == "Delivered", f"the message is delivered, not {status.state}")


def command_without_its_extra() -> None:
    done = ecall("--version")
    expect(done.returncode == 2, "ecall without its extra exits with 2")
    expect("pip install" in done.stderr, "ecall without its extra says what to install")


def command() -> None:
    from ecall_facade import __version__

    done = ecall("--version")
    expect(done.returncode == 0, f"ecall --version works: {done.stderr}")
    expect(__version__ in done.stdout, f"ecall --version is {__version__}, not {done.stdout}")
    done = ecall("send", "079 123 45 67", "The command was installed", "--sandbox", "--json")
    expect(done.returncode == 0, f"ecall send --sandbox works: {done.stdout}{done.stderr}")
    json.loads(done.stdout)


def sandbox() -> None:
    from ecall_facade import ECall
    from ecall_facade.sandbox import Sandbox

    with Sandbox() as own, ECall(**own.credentials) as client:
        client.sms.send("079 123 45 67", "The sandbox was installed")
        message = own.wait_for(to="079 123 45 67", text="was installed")
    expect(message.channel == "Sms", "the sandbox has the message")


def webhooks() -> None:
    from ecall_facade.webhooks import Receiver, WebhookApp

    WebhookApp(print, receiver=Receiver())


def bulk() -> None:
    from ecall_facade import ECall
    from ecall_facade.bulk import Ledger, read_messages

    with tempfile.TemporaryDirectory() as folder:
        people = Path(folder) / "people.csv"
        people.write_text("to;name\n079 123 45 67;Anna\n+41 78 765 43 21;Luca\n", encoding="utf-8")
        with Ledger(f"sqlite:///{folder}/ledger.db") as ledger, ECall() as client:
            job = ledger.job("first", read_messages(people, text="Hello {name}"))
            job.send(client)
            counts = job.counts()
    expect(counts["accepted"] == 2, f"both messages are accepted: {counts}")


def postgresql() -> None:
    import psycopg

    expect(psycopg.pq.__impl__ == "binary", "psycopg comes with its own libpq")


def celery() -> None:
    import ecall_facade.bulk.celery  # noqa: F401  # that it can be imported is the check


CHECKS: dict[str, tuple[Callable[[], None], ...]] = {
    "": (core, command_without_its_extra),
    "webhooks": (core, webhooks),
    "sandbox": (core, sandbox),
    "cli": (core, sandbox, command),
    "bulk": (core, bulk),
    "postgresql": (core, bulk, postgresql),
    "celery": (core, bulk, celery),
    "all": (core, webhooks, sandbox, command, bulk, postgresql, celery),
}

if __name__ == "__main__":
    for check in CHECKS[sys.argv[1]]:
        check()
