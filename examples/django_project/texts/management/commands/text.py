"""`manage.py text NUMBER TEXT`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ecall_facade import ECallError

from ...sending import send  # noqa: TID252


class Command(BaseCommand):
    """The command."""

    help = "Send a text to one person"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what the command takes."""
        parser.add_argument("number")
        parser.add_argument("text")

    def handle(self, *_: Any, **options: Any) -> None:
        """Send the text."""
        try:
            text = send(options["number"], options["text"])
        except ECallError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Text {text.pk} is accepted")
