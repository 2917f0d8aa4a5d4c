"""Every command's name and summary, so that help is printed without importing a command."""

from typing import NamedTuple

__all__ = ["COMMAND_GROUPS", "CommandEntry", "family_of", "find_command", "module_of"]


class CommandEntry(NamedTuple):
    """One command.

    Attributes:
        name: What the user types: a word, or two of which the first is that of a family of commands.
        summary: One line without a full stop, for ``recordfs --help``.
        module: Where it lives below ``recordfs.cli.commands``, if that is not its name with ``_`` for ``-`` and spaces.
    """

    name: str
    summary: str
    module: str = ""


COMMAND_GROUPS: dict[str, tuple[CommandEntry, ...]] = {
    "files, on any filesystem": (
        CommandEntry("ls", "list directories, or what patterns match"),
        CommandEntry("stat", "show size, time and kind of paths"),
        CommandEntry("cat", "write files to standard output"),
        CommandEntry("cp", "copy files and directories, also from one store to another"),
        CommandEntry("mv", "move files and directories, also from one store to another"),
        CommandEntry("rm", "delete files and directories"),
        CommandEntry("mkdir", "make directories"),
        CommandEntry("schemes", "list the schemes, and what serves each"),
        CommandEntry("doctor", "show what serves a path, and try it"),
    ),
    "record files": (
        CommandEntry("pack", "pack a folder of files into record files"),
        CommandEntry("unpack", "restore the files that pack put into record files"),
        CommandEntry("count", "count records"),
        CommandEntry("head", "show the first records"),
        CommandEntry("follow", "show records as they are written"),
        CommandEntry("verify", "check every record, and say where and how a file is broken"),
        CommandEntry("repair", "cut off a record that was never finished"),
        CommandEntry("salvage", "copy what is sound in a broken file to a new one"),
        CommandEntry("index", "write where each record lies, so that readers can jump"),
    ),
    "record files of tf.train.Example": (
        CommandEntry("schema", "show what features the records have"),
        CommandEntry("export", "write records as Parquet, JSON lines or npz"),
        CommandEntry("import", "write Parquet, JSON lines or npz as records", module="import_"),
    ),
    "checkpoints": (
        CommandEntry("checkpoint ls", "list the checkpoints of directories"),
        CommandEntry("checkpoint show", "show the tensors of a checkpoint: names, types, shapes, places"),
        CommandEntry("checkpoint cat", "print a tensor, or part of it"),
        CommandEntry("checkpoint verify", "check every tensor, and say which are broken"),
        CommandEntry("checkpoint diff", "say in which tensors two checkpoints differ, and by how much"),
        CommandEntry("checkpoint convert", "convert from and to safetensors, npz and other checkpoints"),
        CommandEntry("checkpoint merge", "make one checkpoint of several, without moving tensors"),
        CommandEntry("checkpoint prune", "delete old checkpoints, and what killed writers left"),
    ),
    "event files of TensorBoard": (
        CommandEntry("events ls", "list runs and tags, with the last point of each"),
        CommandEntry("events show", "show events one by one"),
        CommandEntry("events tail", "show values as they are written"),
        CommandEntry("events plot", "draw curves in the terminal"),
        CommandEntry("events export", "write scalars as CSV, JSON lines or Parquet"),
        CommandEntry("events index", "write indexes beside event files that have none"),
        CommandEntry("spool resume", "upload events that dead processes left on this machine"),
        CommandEntry("tensorboard", "open TensorBoard on log directories anywhere"),
    ),
    "for TensorFlow": (CommandEntry("mmap-pack", "write a memory-mapped package"),),
    "for the shell": (CommandEntry("completion", "print a script that lets the shell complete commands and options"),),
}


def family_of(word: str) -> list[CommandEntry]:
    """Return the commands of two words that begin with this one."""
    return [entry for entries in COMMAND_GROUPS.values() for entry in entries if entry.name.startswith(f"{word} ")]


def find_command(name: str) -> CommandEntry | None:
    """Return the command of that name, or None."""
    for entries in COMMAND_GROUPS.values():
        for entry in entries:
            if entry.name == name:
                return entry
    return None


def module_of(entry: CommandEntry) -> str:
    """Return the full name of a command's module."""
    return f"recordfs.cli.commands.{entry.module or entry.name.replace('-', '_').replace(' ', '_')}"
