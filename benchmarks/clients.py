"""The rows of the benchmark: how each library sends one message, by sync and by async code.

Each is used as its own documentation shows, with its default settings; only its base URL is pointed at the server on
loopback, and the docstring says how. This module imports no library before a client is made, as that is measured, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine

TYPE_CHECKING = False  # as in typing, which would have to be imported
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

USERNAME, PASSWORD = "benchmark", "not a secret"
SENDER, TEXT = "+41790000000", "Your code is 481 516"
MESSAGE, MEDIA = "/api/v2/message", "/api/v2/media"
BINARY = {"Content-Type": "application/octet-stream"}
CHUNK = 65536

# What each row installs, separated by spaces; constraints.txt, here and in the root, pins what that brings along.
REQUIREMENTS = {
    "httpx": "httpx==0.28.1",
    "requests": "requests==2.34.2",
    "aiohttp": "aiohttp==3.14.5",
    "ecall_facade": ".",
    "httpx-aiohttp": ". httpx-aiohttp==0.2.0 aiohttp==3.14.5",
    "twilio": "twilio==9.13.0",
    "vonage": "vonage==4.9.1",
    "sinch": "sinch==2.3.0",
    "telnyx": "telnyx==4.189.0",
    "infobip": "infobip-api-python-client==6.0.0",
    "plivo": "plivo==4.63.0",
}


class Client:
    """What a row can do; sync or async, and the files only where the library has such a call."""

    def __init__(self, send: Any, upload: Any = None, download: Any = None) -> None:
        self.send, self.upload, self.download = send, upload, download


def body(to: str) -> dict[str, object]:
    return {"channel": "Sms", "from": SENDER, "to": to, "content": {"type": "Text", "text": TEXT}}


def httpx_sync(url: str) -> Client:
    import httpx

    client = httpx.Client(base_url=url, auth=(USERNAME, PASSWORD), timeout=30)

    def send(to: str) -> str:
        response = client.post(MESSAGE, json=body(to))
        response.raise_for_status()
        return str(response.json()["messageId"])

    def upload(path: Path) -> None:
        with path.open("rb") as file:
            client.post(MEDIA, content=file, headers=BINARY).raise_for_status()

    def download(path: Path) -> None:
        with path.open("wb") as file, client.stream("GET", f"{MEDIA}/1") as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                file.write(chunk)

    return Client(send=send, upload=upload, download=download)


async def httpx_async(url: str) -> Client:
    import httpx

    client = httpx.AsyncClient(base_url=url, auth=(USERNAME, PASSWORD), timeout=30)

    async def send(to: str) -> str:
        response = await client.post(MESSAGE, json=body(to))
        response.raise_for_status()
        return str(response.json()["messageId"])

    async def upload(path: Path) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

        (await client.post(MEDIA, content=chunks(), headers=BINARY)).raise_for_status()

    async def download(path: Path) -> None:
        with path.open("wb") as file:
            async with client.stream("GET", f"{MEDIA}/1") as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes():
                    file.write(chunk)

    return Client(send=send, upload=upload, download=download)


def requests_sync(url: str) -> Client:
    import requests

    session = requests.Session()
    session.auth = (USERNAME, PASSWORD)

    def send(to: str) -> str:
        response = session.post(url + MESSAGE, json=body(to))
        response.raise_for_status()
        return str(response.json()["messageId"])

    def upload(path: Path) -> None:
        with path.open("rb") as file:
            session.post(url + MEDIA, data=file, headers=BINARY).raise_for_status()

    def download(path: Path) -> None:
        with path.open("wb") as file, session.get(f"{url}{MEDIA}/1", stream=True) as response:
            response.raise_for_status()
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)

    return Client(send=send, upload=upload, download=download)


async def aiohttp_async(url: str) -> Client:
    import aiohttp

    session = aiohttp.ClientSession(
        url, auth=aiohttp.BasicAuth(USERNAME, PASSWORD), raise_for_status=True
    )

    async def send(to: str) -> str:
        async with session.post(MESSAGE, json=body(to)) as response:
            return str((await response.json())["messageId"])

    async def upload(path: Path) -> None:
        with path.open("rb") as file:
            async with session.post(MEDIA, data=file, headers=BINARY):
                pass

    async def download(path: Path) -> None:
        with path.open("wb") as file:
            async with session.get(f"{MEDIA}/1") as response:
                async for chunk in response.content.iter_chunked(CHUNK):
                    file.write(chunk)

    return Client(send=send, upload=upload, download=download)


def ecall_facade_sync(url: str, **options: Any) -> Client:
    """The argument `base_url`."""
    from ecall_facade import ECall

    ecall = ECall(USERNAME, PASSWORD, base_url=url, sender=SENDER, **options)
    return Client(
        send=lambda to: ecall.sms.send(to, TEXT).message_id,
        upload=ecall.media.upload,
        download=lambda path: ecall.media.download("1", to=path),
    )


async def ecall_facade_async(url: str, **options: Any) -> Client:
    from ecall_facade import AsyncECall

    ecall = AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDER, **options)

    async def send(to: str) -> str:
        return (await ecall.sms.send(to, TEXT)).message_id

    return Client(
        send=send,
        upload=ecall.media.upload,
        download=lambda path: ecall.media.download("1", to=path),
    )


async def httpx_aiohttp_async(url: str) -> Client:
    """The argument `base_url`; it is the row above with `transport=AiohttpTransport()`."""
    from httpx_aiohttp import AiohttpTransport

    return await ecall_facade_async(url, transport=AiohttpTransport())


TWILIO_ACCOUNT = "AC" + 32 * "0"


def twilio_sync(url: str) -> Client:
    """The attribute `base_url` of the domain `client.api`."""
    from twilio.rest import Client as Twilio

    client = Twilio(TWILIO_ACCOUNT, PASSWORD)
    client.api.base_url = url
    return Client(send=lambda to: client.messages.create(to=to, from_=SENDER, body=TEXT).sid)


async def twilio_async(url: str) -> Client:
    from twilio.http.async_http_client import AsyncTwilioHttpClient
    from twilio.rest import Client as Twilio

    client = Twilio(TWILIO_ACCOUNT, PASSWORD, http_client=AsyncTwilioHttpClient())
    client.api.base_url = url

    async def send(to: str) -> str:
        return str((await client.messages.create_async(to=to, from_=SENDER, body=TEXT)).sid)

    return Client(send=send)


def vonage_sync(url: str) -> Client:
    """The option `api_host`; it always speaks TLS, so an adapter in its private session makes plain HTTP of that."""
    from vonage import Auth, HttpClientOptions, Vonage
    from vonage_messages import Sms

    client = Vonage(
        Auth(api_key=USERNAME, api_secret=PASSWORD),
        HttpClientOptions(api_host=url.partition("//")[2]),
    )
    session = client.http_client._session  # it offers no other way

    # A class that is known only when it runs, which mypy cannot follow.
    class Plainly(type(session.get_adapter("https://"))):  # type: ignore[misc]
        def send(self, request: Any, *args: Any, **keywords: Any) -> Any:
            request.url = request.url.replace("https:", "http:", 1)
            return super().send(request, *args, **keywords)

    session.get_adapter(
        "https://"
    ).__class__ = Plainly  # so that its pool and its retries stay what they are
    return Client(
        send=lambda to: (
            client.messages.send(Sms(to=to[1:], from_=SENDER[1:], text=TEXT)).message_uuid
        )
    )


def sinch_sync(url: str) -> Client:
    """The setting `configuration.sms_domain_with_service_plan_id`."""
    from sinch import SinchClient

    client = SinchClient(service_plan_id=USERNAME, sms_api_token=PASSWORD, sms_region="eu")
    client.configuration.sms_domain_with_service_plan_id = url
    return Client(send=lambda to: client.sms.batches.send_sms(to=[to], from_=SENDER, body=TEXT).id)


def telnyx_sync(url: str) -> Client:
    """The argument `base_url`."""
    from telnyx import Telnyx

    client = Telnyx(api_key=PASSWORD, base_url=f"{url}/v2")
    return Client(send=lambda to: client.messages.send(to=to, from_=SENDER, text=TEXT).data.id)


async def telnyx_async(url: str) -> Client:
    from telnyx import AsyncTelnyx

    client = AsyncTelnyx(api_key=PASSWORD, base_url=f"{url}/v2")

    async def send(to: str) -> str:
        return str((await client.messages.send(to=to, from_=SENDER, text=TEXT)).data.id)

    return Client(send=send)


def infobip_sync(url: str) -> Client:
    """The argument `host`."""
    from infobip_api_client.api.sms_api import SmsApi
    from infobip_api_client.api_client import ApiClient, Configuration
    from infobip_api_client.models import (
        SmsDestination,
        SmsMessage,
        SmsMessageContent,
        SmsRequest,
        SmsTextContent,
    )

    keys = {"api_key": {"APIKeyHeader": PASSWORD}, "api_key_prefix": {"APIKeyHeader": "App"}}
    api = SmsApi(ApiClient(Configuration(host=url, **keys)))

    def send(to: str) -> str:
        content = SmsMessageContent(actual_instance=SmsTextContent(text=TEXT))
        message = SmsMessage(sender=SENDER, destinations=[SmsDestination(to=to)], content=content)
        return str(
            api.send_sms_messages(sms_request=SmsRequest(messages=[message])).messages[0].message_id
        )

    return Client(send=send)


def plivo_sync(url: str) -> Client:
    """The constant `PLIVO_API_BASE_URI` of `plivo.rest.client`, which it reads again for each call."""
    import plivo

    plivo.rest.client.PLIVO_API_BASE_URI = f"{url}/v1/Account"
    client = plivo.RestClient("MA" + 18 * "0", PASSWORD)
    return Client(
        send=lambda to: client.messages.create(src=SENDER, dst=to, text=TEXT).message_uuid[0]
    )


SYNC: dict[str, Callable[[str], Client]] = {
    "httpx": httpx_sync,
    "requests": requests_sync,
    "ecall_facade": ecall_facade_sync,
    "twilio": twilio_sync,
    "vonage": vonage_sync,
    "sinch": sinch_sync,
    "telnyx": telnyx_sync,
    "infobip": infobip_sync,
    "plivo": plivo_sync,
}
ASYNC: dict[str, Callable[[str], Coroutine[Any, Any, Client]]] = {
    "httpx": httpx_async,
    "aiohttp": aiohttp_async,
    "ecall_facade": ecall_facade_async,
    "httpx-aiohttp": httpx_aiohttp_async,
    "twilio": twilio_async,
    "telnyx": telnyx_async,
}
MEDIA_ROWS = ("httpx", "requests", "aiohttp", "ecall_facade", "httpx-aiohttp")
