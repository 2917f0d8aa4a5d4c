"""GateFileSystem: local files whose writes wait until somebody lets them."""

import threading

from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile


class GateFileSystem(WrapperFileSystem):
    """A filesystem whose writes wait until the gate is open."""

    def __init__(self):
        super().__init__(PosixFileSystem())
        self.gate = threading.Event()

    def new_writable_file(self, path, **keywords):
        return GateFile(super().new_writable_file(path, **keywords), self.gate)


class GateFile(WrapperWritableFile):
    def __init__(self, file, gate):
        super().__init__(file)
        self._gate = gate

    def append(self, data):
        self._gate.wait()
        super().append(data)

    def append_parts(self, parts):
        self._gate.wait()
        super().append_parts(parts)
