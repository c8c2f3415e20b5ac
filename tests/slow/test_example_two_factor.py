"""examples/two_factor_gateway.py: people log in to a Django project with a password and a code by SMS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from _clients import E164
from _processes import environment, variables_of
from _programs import EXAMPLES, run_python, serve

from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

PASSWORD = "correct horse battery staple"
SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).parent
SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "site.db"}}
LOGIN_URL = "two_factor:login"
LOGIN_REDIRECT_URL = "/inside/"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
    "two_factor.plugins.phonenumber",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
TWO_FACTOR_SMS_GATEWAY = "two_factor_gateway.ECallGateway"
"""
URLS = """
from django.http import HttpResponse
from django.urls import include, path
from django_otp.decorators import otp_required
from two_factor.urls import urlpatterns as two_factor_urls

urlpatterns = [
    path("", include(two_factor_urls)),
    path("inside/", otp_required(lambda request: HttpResponse("You are inside"))),
]
"""
ADD_PEOPLE = """
from django.contrib.auth.models import User
from django_otp.plugins.otp_static.models import StaticDevice
from two_factor.plugins.phonenumber.models import PhoneDevice

for name, number in {people}.items():
    user = User.objects.create_user(name, password="{password}")
    PhoneDevice.objects.create(user=user, name="default", number=number, method="sms")
    tokens = StaticDevice.objects.create(user=user, name="backup")
    tokens.token_set.create(token="backup-" + name)
"""
PEOPLE = {
    "anna": E164,
    "cut": "+41790000902",  # accepted, then the connection is dropped
    "refused": "+41790000403",
}


@dataclass
class Site:
    url: str
    sandbox: Sandbox
    log: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a new Django project with the gateway, whose database has a user for each of PEOPLE."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "settings.py").write_text(SETTINGS)
    (folder / "urls.py").write_text(URLS)
    with Sandbox() as sandbox:
        variables = environment(
            folder,
            **variables_of(sandbox),
            DJANGO_SETTINGS_MODULE="settings",
            PYTHONPATH=f"{folder}:{EXAMPLES}",
        )
        people = ADD_PEOPLE.format(people=PEOPLE, password=PASSWORD)
        for command in (("check",), ("migrate", "-v0"), ("shell", "-c", people)):
            result = run_python("-m", "django", *command, folder=folder, environment=variables)
            assert result.returncode == 0, result.stderr
        log = folder / "server.log"
        with serve(
            *("django", "runserver", "--noreload", "127.0.0.1:0"),
            folder=folder,
            environment=variables,
            log=log,
        ) as url:
            yield Site(url, sandbox, log)


class Browser:
    """What a browser does with the pages of the login."""

    def __init__(self, site: Site) -> None:
        self._client = httpx.Client(
            base_url=site.url, follow_redirects=True, trust_env=False, timeout=60
        )
        self._page = self._client.get("/account/login/").text

    def close(self) -> None:
        self._client.close()

    def submit(self, **fields: str) -> httpx.Response:
        """Submit the form of the page with these fields beside its hidden ones."""
        inputs = [
            dict(re.findall(r'(\w+)="([^"]*)"', tag))
            for tag in re.findall("<input[^>]*>", self._page)
        ]
        hidden = {each["name"]: each["value"] for each in inputs if each.get("type") == "hidden"}
        response = self._client.post(
            "/account/login/",
            data={**hidden, **fields},
            headers={"Referer": f"{self._client.base_url}/account/login/"},
        )
        self._page = response.text
        return response

    def log_in(self, name: str) -> httpx.Response:
        """Submit name and password."""
        return self.submit(**{"auth-username": name, "auth-password": PASSWORD})


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    site.sandbox.clear()
    browser = Browser(site)
    yield browser
    browser.close()


def test_a_code_by_sms_lets_a_person_in(site: Site, browser: Browser) -> None:
    assert "token-otp_token" in browser.log_in("anna").text
    message = site.sandbox.wait_for(to=E164)
    found = re.fullmatch(r"Your code is (\d{6})", message.text or "")
    assert found
    assert "You are inside" in browser.submit(**{"token-otp_token": found[1]}).text
    assert len(site.sandbox.messages) == 1


def test_a_code_whose_outcome_is_unknown_was_sent_once_and_works(
    site: Site, browser: Browser
) -> None:
    page = browser.log_in("cut")
    assert (page.status_code, "token-otp_token" in page.text) == (200, True)
    (message,) = site.sandbox.messages
    code = (message.text or "").split()[-1]
    assert "You are inside" in browser.submit(**{"token-otp_token": code}).text
    said = site.log.read_text("utf-8")
    assert "may have been sent" in said
    assert code not in said


def test_a_code_that_was_not_sent_leaves_the_way_by_a_backup_token(
    site: Site, browser: Browser
) -> None:
    assert browser.log_in("refused").status_code == 200
    assert "backup-otp_token" in browser.submit(wizard_goto_step="backup").text
    answer = browser.submit(**{"backup-otp_token": "backup-refused"})
    assert "You are inside" in answer.text
    assert site.sandbox.messages == []
    said = site.log.read_text("utf-8")
    assert "was not sent" in said
    assert PEOPLE["refused"] not in said
