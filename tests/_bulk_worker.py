"""The module that a Celery worker of the tests loads."""

from __future__ import annotations

import os

from celery import Celery

from ecall_facade.bulk.celery import register

app = Celery("ecall_tests", broker=os.environ["TEST_BROKER"])
app.conf.broker_connection_retry_on_startup = True
app.conf.broker_transport_options = {
    # Redis is looked through for tasks of dead workers every second, not every 100 seconds.
    "visibility_timeout": float(os.environ.get("TEST_VISIBILITY_TIMEOUT", "3")),
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
app.conf.task_soft_time_limit = float(os.environ.get("TEST_SOFT_LIMIT", "0")) or None
send_chunk = register(app, os.environ["TEST_LEDGER"], concurrency=10)
