"""A Django project that sends texts, and stores their delivery reports and the replies.

    python manage.py migrate
    gunicorn --workers 2 "django.core.wsgi:get_wsgi_application()"
    python manage.py text "079 123 45 67" "Your bicycle is ready"

Set DJANGO_SETTINGS_MODULE=settings for Gunicorn, and ECALL_USERNAME, ECALL_PASSWORD and ECALL_SENDER for both.
Callbacks come to /ecall/, replies to /ecall/api/webhooks/receivedmessage: enter the latter in eCall's portal.
To try it with `ecall sandbox`, set what that prints, CALLBACK_SOURCES=127.0.0.1 and
CALLBACK_URL=http://127.0.0.1:8000/ecall/ for both.
"""

import os
from pathlib import Path

from ecall_facade.webhooks import DOCUMENTED_SOURCES

FOLDER = Path(os.environ.get("DATA_FOLDER", "."))

SECRET_KEY = os.environ.get("SECRET_KEY", "replace me")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "texts.urls"
INSTALLED_APPS = ["texts"]
TIME_ZONE = "Europe/Zurich"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"]},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "site.db",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},  # several processes write
    }
}
MANAGERS = [("Staff", "staff@example.ch")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"  # yours is SMTP
EMAIL_FILE_PATH = FOLDER / "mails"

# Where the service calls back, as the world sees it, and which of your proxies stand before Django.
ECALL_CALLBACK_URL = os.environ.get("CALLBACK_URL", "https://www.example.ch/ecall/")
ECALL_PROXIES = os.environ.get("CALLBACK_PROXIES", "").split()
ECALL_SOURCES = os.environ.get("CALLBACK_SOURCES", "").split() or DOCUMENTED_SOURCES
# Knows which callbacks were handled, for all processes: with several machines, a database in PostgreSQL.
ECALL_LEDGER = os.environ.get("ECALL_LEDGER", f"sqlite:///{FOLDER / 'callbacks.db'}")
