"""Files that messages carry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade._async._session import AsyncSession
from ecall_facade._call import request_id_of
from ecall_facade._downloads import Target, write_in_thread, writing_in_thread
from ecall_facade._error_factory import interrupted_download
from ecall_facade._files import download_call, upload_call
from ecall_facade._transports.trust import Trust
from ecall_facade._uploads import AsyncChunks, Progress, Source, open_upload_in_thread
from ecall_facade.results import Media


class AsyncMediaStream:
    """The chunks of a file that is being downloaded.

    Attributes:
        request_id: The service's `x-f24-request-id`.
        content_type: The media type of the file, or None if it is not known.
        size: In bytes, or None if it is not known.
    """

    request_id: str | None
    content_type: str | None
    size: int | None

    def __init__(self, received: OperationResponse, http: httpx.Response, trust: Trust) -> None:
        self._received = received
        self._http = http
        self._trust = trust
        headers = received.headers
        self.request_id = request_id_of(received)
        self.content_type = headers.get("content-type")
        length = headers.get("content-length", "")
        is_exact = length.isdecimal() and "content-encoding" not in headers
        self.size = int(length) if is_exact else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._http.aiter_bytes():
                yield chunk
        except Exception as error:
            if not self._trust.is_own(error):
                raise
            raise interrupted_download(error, self._received) from None


class AsyncMediaFiles:
    """Files that messages carry."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def upload(
        self,
        source: Source,
        *,
        content_type: str | None = None,
        on_progress: Progress | None = None,
    ) -> Media:
        """Upload a file in chunks; path and form of the upload are inferred.

        Args:
            source: A path, bytes, or an open binary file, which is not closed.
            content_type: The media type; by default guessed from the name of the file.
            on_progress: Called with the bytes done and the total, which is None for a stream of unknown
                length. If the upload is tried again, the bytes done start again at 0.

        Raises:
            InvalidMedia: The file cannot be read; raised before anything is sent.
            ECallError: As `sms.send` raises; an upload texts nobody, so `may_have_been_sent` is False.
        """
        upload = await open_upload_in_thread(source, content_type, on_progress)
        return await self._session.run(upload_call(upload, AsyncChunks(upload)))

    @asynccontextmanager
    async def stream(self, media_id: str) -> AsyncGenerator[AsyncMediaStream, None]:
        """Open a file for reading, as a context manager; the path is inferred.

        Args:
            media_id: As the upload returned it, or an inbound message named it.

        Yields:
            The chunks, as they come.

        Raises:
            NotFound: The service knows no such file.
            ServiceUnreachable: No response came, or the download broke off.
            UnreadableResponse: The response contains no file.
            APIError: The service refused the request, or failed.
        """
        async with self._session.open(download_call(media_id)) as (received, http):
            yield AsyncMediaStream(received, http, self._session.connections.trust)

    async def download(
        self, media_id: str, to: Target, *, on_progress: Progress | None = None
    ) -> Media:
        """Download a file in chunks.

        Args:
            media_id: As the upload returned it, or an inbound message named it.
            to: A path, which is written completely or not at all, or an open binary file.
            on_progress: Called with the bytes done and the total, which is None if it is not known.

        Raises:
            InvalidMedia: `to` cannot be written.
            OSError: The disk failed.
            ECallError: As `stream` raises.
        """
        done = 0
        async with writing_in_thread(to) as file, self.stream(media_id) as chunks:
            async for chunk in chunks:
                await write_in_thread(file, chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(done, chunks.size)
        return Media(media_id, chunks.content_type, done, request_id=chunks.request_id)
