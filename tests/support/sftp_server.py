"""An SFTP server, asyncssh's, in a process of its own; run as a program it is that process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve_sftp"]


@contextlib.contextmanager
def serve_sftp(directory: str) -> Iterator[str]:
    """Serve a directory for the user ``user`` with the password ``password``; yields ``sftp://...`` of its root."""
    from tools.bound_process import bound_command  # which the server's process does not find

    process = subprocess.Popen(bound_command([sys.executable, __file__, directory]), stdout=subprocess.PIPE, text=True)
    try:
        with process.stdout as said:  # type: ignore[union-attr]
            port = said.readline()
        if not port:
            raise AssertionError(f"the SFTP server ended with status {process.wait()} before it listened")
        yield f"sftp://user:password@127.0.0.1:{int(port)}"
    finally:
        process.terminate()
        process.wait(20)


def _serve(directory: str) -> None:
    """Serve until the process is ended."""
    import asyncio

    import asyncssh

    class OneUser(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("user", "password")

    async def serve() -> None:
        server = await asyncssh.create_server(
            OneUser,
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=directory),
        )
        print(server.get_port(), flush=True)
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    _serve(sys.argv[1])
