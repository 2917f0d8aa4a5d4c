"""The exit statuses of the command line, and which error means which."""

from recordfs.errors import InvalidArgumentError, InvalidContentError

__all__ = ["BROKEN_PIPE", "FAILED", "INTERRUPTED", "OK", "USAGE", "status_of"]

OK = 0
"""Everything was done, and all data that was looked at is sound."""

FAILED = 1
"""Something is missing, broken or not possible; one line on standard error says what."""

USAGE = 2
"""The command was called wrongly, and nothing was done."""

INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells count."""

BROKEN_PIPE = 141
"""The reader of standard output went away, as in ``recordfs cat x | head``: 128 and the number of SIGPIPE."""


def status_of(error: BaseException) -> int:
    """Return the exit status for an error: USAGE for an argument that can never be right, else FAILED.

    What is wrong in a file, or at some byte of it, is no fault of the command line's.
    """
    if not isinstance(error, InvalidArgumentError) or isinstance(error, InvalidContentError):
        return FAILED
    return USAGE if error.offset is None else FAILED
