"""Media: the calls that upload and download files."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from ecall_client.api.media import get_media, upload_media
from ecall_client.operations import OperationResponse
from ecall_client.tables import MediaUploadResultSpec
from ecall_client.types import File
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._contents import check_id, check_media_type
from ecall_facade._error_factory import unreadable
from ecall_facade._parsing import read_id
from ecall_facade._uploads import Upload
from ecall_facade.results import Media


def upload_call(upload: Upload, chunks: Iterable[bytes] | AsyncIterable[bytes]) -> Call[Media]:
    """Return the call that uploads a file.

    Args:
        upload: The file.
        chunks: Its content, for a sync or an async client.

    Raises:
        InvalidMedia: Its media type cannot be a header.
    """
    if upload.content_type is not None:
        check_media_type(upload.content_type)

    def read(response: OperationResponse) -> Media:
        media_id = read_id(upload_media.parse_success(response).media_id)
        if media_id is None:
            problem = f"the response has no {MediaUploadResultSpec.media_id}"
            raise unreadable(problem, response, Effect.UPLOAD)
        return Media(
            media_id,
            upload.content_type,
            upload.done,
            request_id=request_id_of(response),
            content=response.content,
        )

    file = File(payload=chunks, file_name=upload.name, mime_type=upload.content_type)
    request = upload_media.build_request(body=file)
    headers: dict[str, str] = {}
    if upload.size is not None and request.content is not None:
        headers["Content-Length"] = str(upload.size)
    return Call(
        Effect.UPLOAD,
        request,
        read,
        headers=headers,
        # A stream of unknown length can be read only once.
        is_repeatable=upload.size is not None,
        caller_errors=upload.caller_errors,
    )


def download_call(media_id: str) -> Call[OperationResponse]:
    """Return the call that opens a file for reading."""
    check_id(media_id, "media_id")

    def read(response: OperationResponse) -> OperationResponse:
        if response.status_code in {204, 205}:  # an empty file would replace one that is there
            raise unreadable("it contains no file", response, Effect.READ)
        return response

    return Call(
        Effect.READ,
        get_media.build_request(media_id=media_id),
        read,
        # So that the length that the service names is that of the file.
        headers={"Accept-Encoding": "identity"},
        is_json=False,
    )
