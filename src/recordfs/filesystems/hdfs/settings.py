"""How HDFS is reached and how files are made on it: the options of HdfsFileSystem, with their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystems.hdfs.configuration import HadoopConfiguration

__all__ = ["RESERVED_FOR_FAILOVER", "Settings"]

RESERVED_FOR_FAILOVER = 0.7
"""The part of the time limit after which the native client stops to try again, so that it says why before the limit."""


SILENT_DATANODE_SECONDS = 20.0
"""After so long without a byte another datanode is asked. Hadoop's own 60 are long for a reader of single records, who
meets a frozen datanode again with each."""


class Settings(NamedTuple):
    """What the options of HdfsFileSystem decide.

    Attributes:
        config: Properties of a Hadoop client by name; they win over those of the files.
        config_dir: Where core-site.xml and hdfs-site.xml are; None for ``HADOOP_CONF_DIR``, then ``HADOOP_HOME``.
        webhdfs: ``http(s)://host:port`` of a namenode's web server or an HttpFS gateway; None for what the
            configuration says; False to do without.
        replication: Copies of each block of new files; None for the cluster's default.
        block_size: Bytes of a block of new files; None for the cluster's default.
        permission: Of new files, such as ``0o640``; the cluster's umask does not apply.
        namenode_timeout: Seconds that a request to the namenode may take.
        data_timeout: Seconds that one read, write or flush may take, with all that is tried again in it.
        lease_wait: Seconds to wait at most for a file that another writer holds, to append to it or to cut it. A dead
            writer's lease falls due 60 seconds after it was renewed last.
        take_over: The caller vouches that whoever holds such a file is dead: its lease is recovered at once.
        kerberos_principal: To log in as, with the keytab.
        kerberos_keytab: The file of that principal's keys.
        kerberos_cache: A ticket cache other than the environment's.
    """

    config: Mapping[str, str] = {}
    config_dir: str | None = None
    webhdfs: str | bool | None = None
    replication: int | None = None
    block_size: int | None = None
    permission: int = 0o644
    namenode_timeout: float = 60.0
    data_timeout: float = 180.0
    lease_wait: float = 75.0
    take_over: bool = False
    kerberos_principal: str | None = None
    kerberos_keytab: str | None = None
    kerberos_cache: str | None = None

    def checked(self) -> Settings:
        """Return itself, with plain types.

        Raises:
            InvalidArgumentError: Something in it can never work.
        """
        for name in ("replication", "block_size"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InvalidArgumentError(f"{name} has to be a whole number of at least 1, found {value!r}")
        for name in ("namenode_timeout", "data_timeout", "lease_wait"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 31:
                raise InvalidArgumentError(f"{name} has to be seconds, found {value!r}")
            if name != "lease_wait" and value <= 0:
                raise InvalidArgumentError(f"{name} has to be above 0: without a limit a call could hang for ever")
        if not 0 <= self.permission <= 0o1777:
            raise InvalidArgumentError(f"permission has to be bits such as 0o644, found {self.permission!r}")
        if isinstance(self.webhdfs, str) and not self.webhdfs.startswith(("http://", "https://")):
            raise InvalidArgumentError(
                f"webhdfs has to be http://host:port or https://host:port, found {self.webhdfs!r}"
            )
        if self.webhdfs is True:
            return self._replace(webhdfs=None).checked()
        if (self.kerberos_principal is None) != (self.kerberos_keytab is None):
            raise InvalidArgumentError("kerberos_principal and kerberos_keytab go together")
        return self._replace(config={str(name): str(value) for name, value in dict(self.config).items()})

    def native_properties(self, configuration: HadoopConfiguration, namenodes: int) -> dict[str, str]:
        """Return the properties that the native client gets on top of the files.

        Where nobody has set them: going on with the datanodes that are left when one dies and there is none to take
        its place, giving up on a namenode that refuses connections before the time limit is over, and asking another
        datanode soon where one is silent.
        """
        wanted = {
            "dfs.client.block.write.replace-datanode-on-failure.best-effort": "true",
            "dfs.client.failover.max.attempts": str(self._rounds() * max(1, namenodes)),
            "dfs.client.socket-timeout": str(max(1, int(1000 * min(SILENT_DATANODE_SECONDS, self.data_timeout)))),
        }
        unset = {name: value for name, value in wanted.items() if not configuration.has(name)}
        return {**unset, **self.config}

    def _rounds(self) -> int:
        """Return how often all namenodes are tried: the pauses are half a second doubled each time, at most 15 s."""
        rounds, spent, pause = 0, 0.0, 1.0
        while spent + 1.5 * pause <= self.namenode_timeout * RESERVED_FOR_FAILOVER:
            rounds, spent, pause = rounds + 1, spent + 1.5 * pause, min(15.0, 2 * pause)
        return rounds
