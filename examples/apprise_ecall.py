"""Apprise's `ecall://` URLs: texts by SMS from every tool that notifies people through Apprise.

Put this file into a folder for plugins, and name the folder:

    apprise --plugin-path=plugins --body="web-1: disk is full" "ecall://user:password@ACME/+41791234567/0787654321"

The host is the sender, and the path has the recipients. Escape special characters, such as `@` as `%40`.
The option `region` is the country of numbers without a country code (default CH), and `base_url` a sandbox.
Apprise's own options work too. A text is cut to what fits into ten pages; `overflow=split` sends all of it.
With `retry=`, a recipient who may have got the text is left out, so that nobody gets it twice.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Apprise is typed in part only.

from typing import Any

from apprise import NotificationManager, NotifyBase, NotifyType, OverflowMode, PrivacyMode
from apprise.exception import AppriseImproperlyConfigured

from ecall_facade import ECall, ECallError, UsageError


class NotifyECall(NotifyBase):
    """Texts by SMS through eCall."""

    service_name = "eCall"
    service_url = "https://developer.ecall-messaging.com"
    secure_protocol = "ecall"
    title_maxlen = 0  # Apprise then puts the title before the text
    body_maxlen = 670  # ten pages, even if a character is not in the alphabet of SMS
    overflow_mode = OverflowMode.TRUNCATE
    request_rate_per_sec = 0
    templates = ("{schema}://{user}:{password}@{sender}/{targets}",)
    template_tokens = NotifyBase.template_tokens | {
        "user": {"name": "Username", "type": "string", "required": True},
        "password": {"name": "Password", "type": "string", "private": True, "required": True},
        "sender": {"name": "Sender", "type": "string", "required": True},
        "targets": {"name": "Recipients", "type": "list:string", "required": True},
    }
    template_args = NotifyBase.template_args | {
        "region": {"name": "Country of numbers", "type": "string", "default": "CH"},
        "base_url": {"name": "Address of the service", "type": "string"},
    }

    def __init__(
        self,
        sender: str,
        targets: list[str],
        region: str = "CH",
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sender, self.targets, self.region, self.base_url = sender, targets, region, base_url
        if not (self.user and self.password and sender and targets):
            raise AppriseImproperlyConfigured("ecall:// needs user, password, sender and recipient")
        try:
            self.open_client().close()
        except UsageError as error:
            raise AppriseImproperlyConfigured(str(error)) from error

    def open_client(self) -> ECall:
        """Return a client for the account of the URL."""
        return ECall(
            self.user,
            self.password,
            base_url=self.base_url,
            region=self.region,
            sender=self.sender,
        )

    def send(
        self,
        body: str,
        title: str = "",  # noqa: ARG002 - as Apprise calls it
        notify_type: NotifyType = NotifyType.INFO,  # noqa: ARG002
        **_: Any,
    ) -> bool:
        """Send a text to each recipient; return whether the service accepted all of them."""
        is_accepted = True
        with self.open_client() as ecall:
            for position, target in enumerate(self.targets, 1):
                if self.is_delivered(target):
                    continue
                try:
                    ecall.sms.send(target, body)
                except ECallError as error:
                    self.logger.warning("eCall, recipient %d: %s", position, error)
                    is_accepted = False
                    if not error.may_have_been_sent:
                        continue
                self.mark_delivered(target)
        return is_accepted

    def url(self, privacy: bool = False, *_: Any, **__: Any) -> str:
        """Return the URL; with `privacy`, without the password and with a part of each number."""
        options = {"region": self.region, **self.url_parameters(privacy=privacy)}
        if self.base_url:
            options["base_url"] = self.base_url
        user = self.pprint(self.user, privacy, safe="")
        password = self.pprint(self.password, privacy, mode=PrivacyMode.Secret, safe="")
        targets = [
            self.pprint(target, privacy, mode=PrivacyMode.Tail, safe="+") for target in self.targets
        ]
        return (
            f"ecall://{user}:{password}@{self.quote(self.sender, safe='')}/{'/'.join(targets)}"
            f"?{self.urlencode(options)}"
        )

    def __len__(self) -> int:
        return len(self.targets)

    @staticmethod
    def parse_url(url: str, *_: Any, **__: Any) -> dict[str, Any] | None:
        """Return the arguments of the class that a URL has; None if it is none."""
        found = NotifyBase.parse_url(url, verify_host=False)
        if found:
            options = found["qsd"]
            found["sender"] = NotifyBase.unquote(found["host"])
            found["targets"] = NotifyBase.split_path(found["fullpath"])
            found |= {name: options[name] for name in ("region", "base_url") if name in options}
        return found


NotificationManager().add(NotifyECall, url="ecall://", send_func=NotifyECall.send)
