from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.api_version import ApiVersion
from ...models.error import Error
from ...models.message_list_status_result import MessageListStatusResult
from ...operations import OperationRequest, OperationResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    message_list_id: str,
    *,
    x_api_version: ApiVersion | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_api_version, Unset):
        headers["X-API-Version"] = str(x_api_version)

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/messagelist/{message_list_id}".format(
            message_list_id=quote(str(message_list_id), safe=""),
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Error | MessageListStatusResult:
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
        response_2xx = MessageListStatusResult.from_dict(response.json())

        return response_2xx

    response_default = Error.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Error | MessageListStatusResult]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    message_list_id: str,
    *,
    client: AuthenticatedClient | Client,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageListStatusResult]:
    """Tell how far the messages of a list have come.

     The delivery status of all messages of a list. The operation is documented, its path is inferred.

    Args:
        message_list_id (str):
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageListStatusResult]
    """

    kwargs = _get_kwargs(
        message_list_id=message_list_id,
        x_api_version=x_api_version,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    message_list_id: str,
    *,
    client: AuthenticatedClient | Client,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageListStatusResult | None:
    """Tell how far the messages of a list have come.

     The delivery status of all messages of a list. The operation is documented, its path is inferred.

    Args:
        message_list_id (str):
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageListStatusResult
    """

    return sync_detailed(
        message_list_id=message_list_id,
        client=client,
        x_api_version=x_api_version,
    ).parsed


async def asyncio_detailed(
    message_list_id: str,
    *,
    client: AuthenticatedClient | Client,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Response[Error | MessageListStatusResult]:
    """Tell how far the messages of a list have come.

     The delivery status of all messages of a list. The operation is documented, its path is inferred.

    Args:
        message_list_id (str):
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Error | MessageListStatusResult]
    """

    kwargs = _get_kwargs(
        message_list_id=message_list_id,
        x_api_version=x_api_version,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    message_list_id: str,
    *,
    client: AuthenticatedClient | Client,
    x_api_version: ApiVersion | Unset = UNSET,
) -> Error | MessageListStatusResult | None:
    """Tell how far the messages of a list have come.

     The delivery status of all messages of a list. The operation is documented, its path is inferred.

    Args:
        message_list_id (str):
        x_api_version (ApiVersion | Unset): A version of the API, as the header writes it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Error | MessageListStatusResult
    """

    return (
        await asyncio_detailed(
            message_list_id=message_list_id,
            client=client,
            x_api_version=x_api_version,
        )
    ).parsed


def build_request(
    message_list_id: str,
    *,
    x_api_version: ApiVersion | Unset = UNSET,
) -> OperationRequest:
    """Return the request of this operation, without sending it."""
    keywords = _get_kwargs(
        message_list_id=message_list_id,
        x_api_version=x_api_version,
    )
    return OperationRequest.from_keywords("get_message_list_status", keywords)


def parse_success(response: OperationResponse) -> MessageListStatusResult:
    """Return what a response with a 2xx status says."""
    response_2xx = MessageListStatusResult.from_dict(response.json())

    return response_2xx
