"""Send a list on many machines with Procrastinate, whose queue is in the PostgreSQL of the ledger.

Once: make the tables of the queue (BULK_DATABASE is as in psql: host=… dbname=… user=…).

    procrastinate --app bulk_procrastinate.app schema --apply

Workers, on each machine, in this folder (ECALL_USERNAME, ECALL_PASSWORD and ECALL_SENDER set as well):

    procrastinate --app bulk_procrastinate.app worker --concurrency 4

The list, on any machine; again and again, if workers may have been lost:

    python bulk_procrastinate.py people.csv
"""

import os
import sys
from functools import cache
from pathlib import Path

from procrastinate import App, PsycopgConnector, RetryStrategy

from ecall_facade import ECall
from ecall_facade.bulk import Ledger, LedgerError, read_messages

app = App(connector=PsycopgConnector(conninfo=os.environ["BULK_DATABASE"]))


@cache
def ledger() -> Ledger:
    return Ledger(os.environ["ECALL_LEDGER"])


@cache
def ecall() -> ECall:
    return ECall()


@app.task(name="send_chunk", retry=RetryStrategy(wait=30, retry_exceptions={LedgerError}))
def send_chunk(job_id: int, chunk: int) -> None:
    report = ledger().send_chunk(ecall(), job_id, chunk, concurrency=10)
    if report.retry_in is not None:  # the service asks for a pause
        later = send_chunk.configure(schedule_in={"seconds": int(report.retry_in) + 1})
        later.defer(job_id=job_id, chunk=chunk)


def main() -> None:
    path = Path(sys.argv[1])
    job = ledger().job(path.name, read_messages(path), chunk_size=100)
    with app.open():
        chunks = job.enqueue(lambda job_id, chunk: send_chunk.defer(job_id=job_id, chunk=chunk))
    print(f"{chunks} chunks are queued; {job.counts()}")


if __name__ == "__main__":
    main()
