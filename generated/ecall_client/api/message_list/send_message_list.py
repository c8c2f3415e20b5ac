from http import HTTPStatus
from typing import Any

import httpx

from ...client import AuthenticatedClient, Client
from ...models.api_version import ApiVersion
from ...models.error import Error
from ...models.message_list_request import MessageListRequest
from ...models.message_list_result import MessageListResult
from ...operations import OperationRequest, OperationResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_api_version, Unset):
        headers["X-API-Version"] = str(x_api_version)

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/messagelist",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Error | MessageListResult:
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
        response_2xx = MessageListResult.from_dict(response.json())

        return response_2xx

    response_default = Error.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Error | MessageListResult]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageListResult]:
    """Send a list of different messages.

     Hands many different messages over in one request. Some of them failing does not fail the call: the
    answer holds, for each message, an id or an error. The operation is documented, its path is
    inferred.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageListRequest): Many different messages.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageListResult]
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
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageListResult | None:
    """Send a list of different messages.

     Hands many different messages over in one request. Some of them failing does not fail the call: the
    answer holds, for each message, an id or an error. The operation is documented, its path is
    inferred.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageListRequest): Many different messages.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageListResult
    """

    return sync_detailed(
        client=client,
        body=body,
        x_api_version=x_api_version,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageListResult]:
    """Send a list of different messages.

     Hands many different messages over in one request. Some of them failing does not fail the call: the
    answer holds, for each message, an id or an error. The operation is documented, its path is
    inferred.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageListRequest): Many different messages.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageListResult]
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
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageListResult | None:
    """Send a list of different messages.

     Hands many different messages over in one request. Some of them failing does not fail the call: the
    answer holds, for each message, an id or an error. The operation is documented, its path is
    inferred.

    Args:
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.
        body (MessageListRequest): Many different messages.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageListResult
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
    body: MessageListRequest,
    x_api_version: ApiVersion | Unset = UNSET,
) -> OperationRequest:
    """Return the request of this operation, without sending it."""
    keywords = _get_kwargs(
        body=body,
        x_api_version=x_api_version,
    )
    return OperationRequest.from_keywords("send_message_list", keywords)


def parse_success(response: OperationResponse) -> MessageListResult:
    """Return what a response with a 2xx status says."""
    response_2xx = MessageListResult.from_dict(response.json())

    return response_2xx
