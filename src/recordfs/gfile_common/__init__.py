"""Python file objects over the filesystem contract: what ``gfile.GFile`` and ``file_io.FileIO`` have in common."""

from recordfs.gfile_common.file_object import FileObject

__all__ = ["FileObject"]
