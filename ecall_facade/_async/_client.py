"""The async client of eCall."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx

from ecall_client import models
from ecall_facade import _settings as settings
from ecall_facade._async._channels import AsyncRcs, AsyncSms, AsyncWhatsapp
from ecall_facade._async._media import AsyncMediaFiles
from ecall_facade._async._messages import AsyncMessages
from ecall_facade._async._session import AsyncSession
from ecall_facade._free_requests import free_call
from ecall_facade._json import JSON
from ecall_facade._messages import Composer
from ecall_facade._transports.connections import AsyncConnections
from ecall_facade.results import RawResponse


class AsyncECall:
    """A client of eCall.

    Arguments that are left out are read from the environment: `ECALL_USERNAME`, `ECALL_PASSWORD`,
    `ECALL_API_VERSION`, `ECALL_BASE_URL`, and the senders `ECALL_SENDER` (SMS),
    `ECALL_SENDER_WHATSAPP` and `ECALL_SENDER_RCS`.

    One client can be used by many threads and tasks. It sends at most 100 requests at a time; further
    ones wait.

    Args:
        username: The name of the account, or of an API sub-user (documented).
        password: The password that belongs to `username`.
        api_version: "v2" (default) or "v1" (documented); "2", "2.0", "1" and "1.0" are accepted as
            well.
        version_in: Where the version is stated: "path" (default) or "header" (documented).
        base_url: Default `https://rest.ecall.ch` (documented); plain http only for loopback hosts.
        sender: The sender of SMS, or a mapping from "sms", "whatsapp" and "rcs" to senders.
        region: The country in which numbers without a country code are read; default "CH".
        timeout: In seconds, or a (connect, read) pair; default (5, 30).
        retry: False switches all retries off; True (default) repeats only what cannot act twice.
        transport: An httpx transport to use instead of the connection pool. Unless it is httpx's own,
            a connection error raises `OutcomeUnknown`, because some transports raise one although the
            request was received.

    Raises:
        MissingCredentials: No username or no password.
        InvalidConfiguration: An argument or a setting of the environment cannot work.
    """

    sms: AsyncSms
    """Texts by SMS."""
    whatsapp: AsyncWhatsapp
    """Texts and media by WhatsApp."""
    rcs: AsyncRcs
    """Texts and media by RCS."""
    messages: AsyncMessages
    """Delivery status, and lists of messages."""
    media: AsyncMediaFiles
    """Files that messages carry."""

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        api_version: settings.ApiVersion | None = None,
        version_in: settings.VersionIn = "path",
        base_url: str | None = None,
        sender: settings.Senders | None = None,
        region: str = "CH",
        timeout: settings.Timeout = (5, 30),
        retry: bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        account = settings.Account.from_arguments(username, password, base_url)
        options = settings.make_options(
            None,
            api_version=api_version,
            version_in=version_in,
            sender=sender,
            region=region,
            timeout=timeout,
            retry=retry,
        )
        self._is_copy = False
        self._use(AsyncSession(account, options, AsyncConnections(account, transport)))

    def _use(self, session: AsyncSession) -> None:
        self._session = session
        options = session.options
        self.sms = AsyncSms(session, Composer(options, models.Channel.SMS))
        self.whatsapp = AsyncWhatsapp(session, Composer(options, models.Channel.WHATSAPP))
        self.rcs = AsyncRcs(session, Composer(options, models.Channel.RCS))
        self.messages = AsyncMessages(session)
        self.media = AsyncMediaFiles(session)

    @property
    def base_url(self) -> str:
        """Where requests go, such as `https://rest.ecall.ch`."""
        return self._session.account.base_url

    def with_options(
        self,
        *,
        api_version: settings.ApiVersion | None = None,
        version_in: settings.VersionIn | None = None,
        sender: settings.Senders | None = None,
        region: str | None = None,
        timeout: settings.Timeout | None = None,
        retry: bool | None = None,
    ) -> Self:
        """Return a copy of the client with other options.

        The copy shares the connections and never closes them. Credentials and `base_url` cannot be
        changed. The arguments are those of the client; what is left out stays as it is.

        Raises:
            InvalidConfiguration: An argument cannot work.
        """
        session = self._session
        options = settings.make_options(
            session.options,
            api_version=api_version,
            version_in=version_in,
            sender=sender,
            region=region,
            timeout=timeout,
            retry=retry,
        )
        copy = type(self).__new__(type(self))
        copy._is_copy = True
        copy._use(AsyncSession(session.account, options, session.connections))
        return copy

    async def request(self, method: str, path: str, *, json: JSON = None) -> RawResponse:
        """Send a request to any path of the service and return the raw response.

        An escape hatch for paths that this library gets wrong or does not know. Credentials, version,
        errors and retries are those of the other methods. Any method but GET, HEAD and OPTIONS is
        treated as a send to many recipients, which is not repeated after a 429.

        Args:
            method: Such as "GET".
            path: Begins with one slash, best without a version, as in "/api/message". httpx logs it at
                level INFO, so it should contain no numbers.
            json: The body.

        Raises:
            UsageError: The arguments cannot be sent.
            ECallError: As the other methods raise; a response that is not JSON is no error.
        """
        return await self._session.run(free_call(method, path, json))

    async def aclose(self) -> None:
        """Close the connections; a copy made by `with_options` leaves them open."""
        if not self._is_copy:
            await self._session.connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        options = self._session.options
        version = f"api_version={options.api_version!r}, version_in={options.version_in!r}"
        return f"{type(self).__name__}(base_url={self._session.account.base_url!r}, {version})"
