"""Send a list on many machines with Celery; docs/reference/bulk.md says what to know about it.

Workers, on each machine, in this folder (ECALL_USERNAME, ECALL_PASSWORD and ECALL_SENDER set as well):

    ECALL_LEDGER=postgresql+psycopg://… CELERY_BROKER=redis://… celery -A bulk_celery worker -c 4

The list, on any machine; again and again, if a broker may have lost something:

    ECALL_LEDGER=… CELERY_BROKER=… python bulk_celery.py people.csv
"""

import os
import sys
from pathlib import Path

from celery import Celery

from ecall_facade.bulk import Ledger, read_messages
from ecall_facade.bulk.celery import register

LEDGER = os.environ["ECALL_LEDGER"]

app = Celery("bulk", broker=os.environ.get("CELERY_BROKER", "redis://localhost:6379/0"))
app.conf.broker_connection_retry_on_startup = True
send_chunk = register(app, LEDGER, concurrency=10)


def main() -> None:
    path = Path(sys.argv[1])
    with Ledger(LEDGER) as ledger:
        job = ledger.job(path.name, read_messages(path), chunk_size=100)
        print(f"{job.enqueue(send_chunk)} chunks are queued; {job.counts()}")


if __name__ == "__main__":
    main()
