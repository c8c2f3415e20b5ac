"""`ecall bulk`: many messages from a file, each at most once."""

from __future__ import annotations

from cyclopts import App

COMMANDS = {
    "check": "Check a file and show what would be sent; sends nothing.",
    "send": "Send the messages of a file, each at most once.",
    "show": "Show how many messages are in which state.",
    "track": "Ask for the delivery states of what was accepted.",
    "resolve": "Decide about messages whose outcome is unknown, or that were rejected.",
    "export": "Write all messages with their states to a CSV file, without the texts.",
    "forget": "Remove numbers and texts of finished jobs; states, counts and ids stay.",
}

app = App(
    name="bulk",
    help_epilogue="""\
A file (CSV, TSV, JSON lines, Excel, OpenDocument) names the recipient of each message in a column "to". The text is \
a template, or in a column "text". What became of each message is in a ledger, a file beside it: if `send` is \
interrupted or killed, the same line continues, and nobody is texted twice.

Examples:
  ecall bulk check people.csv --text "Hello {name}, see you tomorrow"
  ecall bulk send people.csv --text "Hello {name}, see you tomorrow" --yes
  ecall bulk show --ledger people.csv.ledger.db
""",
)
for _place, (_name, _summary) in enumerate(COMMANDS.items()):
    app.command(f"ecall_facade.cli._bulk_{_name}:app", name=_name, help=_summary, sort_key=_place)
