# Made by scripts/unasync from ecall_facade/_async/_media.py; change that file.

"""Files that messages carry."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade._call import request_id_of
from ecall_facade._downloads import Target, write, writing
from ecall_facade._error_factory import interrupted_download
from ecall_facade._files import download_call, upload_call
from ecall_facade._sync._session import Session
from ecall_facade._transports.trust import Trust
from ecall_facade._uploads import Chunks, Progress, Source, open_upload
from ecall_facade.results import Media


class MediaStream:
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

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._http.iter_bytes():
                yield chunk
        except Exception as error:
            if not self._trust.is_own(error):
                raise
            raise interrupted_download(error, self._received) from None


class MediaFiles:
    """Files that messages carry."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def upload(
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
        upload = open_upload(source, content_type, on_progress)
        return self._session.run(upload_call(upload, Chunks(upload)))

    @contextmanager
    def stream(self, media_id: str) -> Generator[MediaStream, None]:
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
        with self._session.open(download_call(media_id)) as (received, http):
            yield MediaStream(received, http, self._session.connections.trust)

    def download(self, media_id: str, to: Target, *, on_progress: Progress | None = None) -> Media:
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
        with writing(to) as file, self.stream(media_id) as chunks:
            for chunk in chunks:
                write(file, chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(done, chunks.size)
        return Media(media_id, chunks.content_type, done, request_id=chunks.request_id)
