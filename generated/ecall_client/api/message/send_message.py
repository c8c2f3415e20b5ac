from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.api_version import ApiVersion
from ...models.error import Error
from ...models.message_request import MessageRequest
from ...models.message_result import MessageResult
from ...operations import OperationRequest, OperationResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_api_version, Unset):
        headers["X-API-Version"] = str(x_api_version)

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/message",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Error | MessageResult:
    if response.status_code == 400:
        response_400 = Error.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Error.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Error.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = Error.from_dict(response.json())

        return response_404

    if response.status_code == 413:
        response_413 = Error.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Error.from_dict(response.json())

        return response_415

    if response.status_code == 429:
        response_429 = Error.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = Error.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Error.from_dict(response.json())

        return response_503

    if 200 <= response.status_code <= 299:
        response_2xx = MessageResult.from_dict(response.json())

        return response_2xx

    response_default = Error.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Error | MessageResult]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageResult]:
    """Send one message, to one recipient or to many.

     Hands one message over for delivery. `to` names one recipient, `toList` many; the answer holds
    `messageId` or `messageIdList` accordingly. The answer says that the message was accepted, not that
    it was delivered.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageRequest): One message, to one recipient (`to`) or to many (`toList`).

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageResult]
    """

    kwargs = _get_kwargs(
        body=body,
        x_api_version=x_api_version,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageResult | None:
    """Send one message, to one recipient or to many.

     Hands one message over for delivery. `to` names one recipient, `toList` many; the answer holds
    `messageId` or `messageIdList` accordingly. The answer says that the message was accepted, not that
    it was delivered.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageRequest): One message, to one recipient (`to`) or to many (`toList`).

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageResult
    """

    return sync_detailed(
        client=client,
        body=body,
        x_api_version=x_api_version,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageResult]:
    """Send one message, to one recipient or to many.

     Hands one message over for delivery. `to` names one recipient, `toList` many; the answer holds
    `messageId` or `messageIdList` accordingly. The answer says that the message was accepted, not that
    it was delivered.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageRequest): One message, to one recipient (`to`) or to many (`toList`).

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageResult]
    """

    kwargs = _get_kwargs(
        body=body,
        x_api_version=x_api_version,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageResult | None:
    """Send one message, to one recipient or to many.

     Hands one message over for delivery. `to` names one recipient, `toList` many; the answer holds
    `messageId` or `messageIdList` accordingly. The answer says that the message was accepted, not that
    it was delivered.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageRequest): One message, to one recipient (`to`) or to many (`toList`).

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageResult
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            x_api_version=x_api_version,
        )
    ).parsed


def build_request(
    *,
    body: MessageRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> OperationRequest:
    """Return the request of this operation, without sending it."""
    keywords = _get_kwargs(
        body=body,
        x_api_version=x_api_version,
    )
    return OperationRequest.from_keywords("send_message", keywords)


def parse_success(response: OperationResponse) -> MessageResult:
    """Return what a response with a 2xx status says."""
    response_2xx = MessageResult.from_dict(response.json())

    return response_2xx
