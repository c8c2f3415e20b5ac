"""Text the reminders of files, from cron, which mails what a program prints.

    MAILTO=office@example.ch
    */10 8-11 * * 1-5    python3 /srv/reminders/cron_reminders.py /srv/reminders/*.csv

A file has the columns `to`, `name` and `time`. Each line is sent once, however often this runs, even if it is killed or
runs twice at the same time: the ledger beside the file knows what was sent, so no lock is needed.
Give each file a name of its own: other lines under a known name are refused.
It prints nothing as long as all is well, and never a number or a text.

Exit codes: 0 all is well; 1 a person has to look at something; 2 a file cannot be used, and nothing of it was sent.
"""

import sys
from pathlib import Path

from ecall_facade import ECall, ECallError
from ecall_facade.bulk import InvalidMessages, Job, Ledger, SendReport, read_messages

TEXT = "{name}, see you tomorrow at {time}. Please call 044 123 45 67 if you cannot come."


def main() -> int:
    return max(map(remind, map(Path, sys.argv[1:])), default=0)


def remind(path: Path) -> int:
    """Send what is left of a file, print what is wrong, and return an exit code."""
    try:
        with ECall() as ecall, Ledger(path.with_suffix(".ledger.db")) as ledger:
            job = ledger.job(path.stem, read_messages(path, text=TEXT))
            troubles = find_troubles(job, job.send(ecall))
    except InvalidMessages as error:
        print(error)
        return 2
    except ECallError as error:
        troubles = [str(error)]
    for trouble in troubles:
        print(f"{path.name}: {trouble}")
    return 1 if troubles else 0


def find_troubles(job: Job, report: SendReport) -> list[str]:
    """Return what a person has to know: what was rejected in this run, and what is unknown so far."""
    troubles = [report.stopped.reason] if report.stopped else []
    if report.rejected:
        troubles += [f"Line {row.line} is rejected: {row.reason}" for row in job.rows("rejected")]
    unknown = [f"Line {row.line} may have been sent: {row.reason}" for row in job.rows("unknown")]
    if unknown:
        unknown.append("Find out, and say what to do about them: ecall bulk resolve --help")
    return troubles + unknown


if __name__ == "__main__":
    sys.exit(main())
