"""One-time codes by SMS for django-two-factor-auth, whose users log in with a password and a code.

Put this file beside `manage.py`, set ECALL_USERNAME, ECALL_PASSWORD and ECALL_SENDER, and add to the settings:

    INSTALLED_APPS += ["two_factor.plugins.phonenumber"]
    TWO_FACTOR_SMS_GATEWAY = "two_factor_gateway.ECallGateway"

If it is not certain that a code was sent, the login goes on: the form is shown, and the person enters the code that
came, asks for another one, or uses a backup token. Nothing is sent again by itself.
"""

import logging
from functools import cache
from typing import Protocol

from django.utils.translation import gettext as _

from ecall_facade import ECall, ECallError, UsageError

logger = logging.getLogger(__name__)


class Number(Protocol):
    """A number as django-phonenumber-field has it."""

    as_e164: str


class Device(Protocol):
    """What is used of two_factor.plugins.phonenumber.models.PhoneDevice."""

    pk: int | None  # None while a person is adding the device
    number: Number


@cache
def ecall() -> ECall:
    """Return the client of this process, which serves all its threads."""
    return ECall(timeout=(5, 10))  # a person is waiting


class ECallGateway:
    """A gateway of django-two-factor-auth."""

    def send_sms(self, device: Device, token: str) -> None:
        """Send a code."""
        text = _("Your code is {token}").format(token=token)
        try:
            ecall().sms.send(device.number.as_e164, text, page_limit=1)
        except UsageError:
            raise  # the settings are wrong, and every login would fail
        except ECallError as error:
            # An error page here would take the way to the backup tokens as well.
            outcome = "may have been sent" if error.may_have_been_sent else "was not sent"
            logger.error("The code for device %s %s: %s", device.pk, outcome, error)  # noqa: TRY400 - a traceback has the token

    def make_call(self, device: Device, token: str) -> None:
        """Refuse: leave TWO_FACTOR_CALL_GATEWAY out of the settings."""
        raise NotImplementedError("eCall's REST API makes no phone calls")
