"""Parts on their way to an upload: sent in the background, kept until the store has acknowledged them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from recordfs.filesystems._object_store.bulk import submit

if TYPE_CHECKING:
    from concurrent.futures import Future

    from recordfs.filesystems.s3.upload import Upload

__all__ = ["Part", "PartQueue"]

PARTS_IN_FLIGHT = 2
"""Parts that may be on their way while more bytes are taken; a writer's memory is bounded by them."""


class Part:
    """A part that the store has not acknowledged yet.

    Attributes:
        body: Its bytes.
        upload: Where it goes; None until that is decided.
        number: Its number there.
        sending: The try that is under way; None if there is none.
    """

    def __init__(self, body: bytearray) -> None:
        self.body = body
        self.upload: Upload | None = None
        self.number = 0
        self.sending: Future[None] | None = None


class PartQueue:
    """The parts of one writer. Used by the writer's thread alone.

    Attributes:
        waiting: The parts that are not acknowledged, in the order of their bytes.
    """

    def __init__(self) -> None:
        self.waiting: list[Part] = []
        self._pool: ThreadPoolExecutor | None = None

    def start(self, upload: Upload) -> None:
        """Send what is not on its way; parts that go nowhere yet go to this upload."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT + 1, thread_name_prefix="recordfs-s3-part")
        for part in self.waiting:
            if part.upload is None:
                number = upload.next_number
                part.number, part.upload, upload.next_number = number, upload, number + 1
            if part.sending is None:
                part.sending = submit(self._pool, _send, part)

    def settle(self, leave: int) -> None:
        """Wait until at most ``leave`` parts are on their way.

        Raises:
            RecordFSError: A part failed. It is kept, and sent again by the next ``start`` or ``settle``.
        """
        while self.waiting:
            part = self.waiting[0]
            if part.upload is None:
                return
            if part.sending is None:
                _send(part)
            else:
                if len(self.waiting) <= leave and not part.sending.done():
                    return
                error = part.sending.exception()
                if error is not None:
                    part.sending = None
                    raise error
            self.waiting.pop(0)

    def wait(self) -> None:
        """Wait until nothing is on its way any more, whatever became of it."""
        wait([part.sending for part in self.waiting if part.sending is not None])

    def close(self) -> None:
        """Let go of the parts and of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self.waiting = []


def _send(part: Part) -> None:
    """Send one part; again it replaces under its number what was sent before."""
    upload = part.upload
    assert upload is not None
    if part.number == upload.first and upload.before:
        answer = upload.send(part.number, upload.before, part.body)
    else:
        answer = upload.send(part.number, part.body)
    upload.acknowledge(part.number, answer, len(part.body))
