"""A program that never outlives the process that started it, however that ends: Ctrl-C, a crash, SIGKILL.

    subprocess.Popen(bound_command(["weed", "mini"]))

The system kills it then. Run as a program, this file asks for that and becomes the other program, which keeps the
number of its process. What that starts itself has to look after itself.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bound_command"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def bound_command(command: Sequence[str]) -> list[str]:
    """Return a command that runs another, which is killed when the thread that starts it ends.

    So start it in the main thread, or in one that waits for it: the system counts the thread for the parent.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _become(starter: int, command: list[str]) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != starter:
        sys.exit("the process that started this one has ended")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and would hand that on
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
