"""What lies in a directory of checkpoints, on any filesystem."""

from recordfs import get_file_system
from recordfs.checkpoint import CheckpointReader

__all__ = ["names_in", "values_of", "write_files"]


def names_in(directory):
    """The names in a directory, sorted."""
    return sorted(get_file_system(directory).get_children(directory))


def values_of(prefix):
    """The tensors of a checkpoint as lists."""
    with CheckpointReader(prefix) as reader:
        return {name: array.tolist() for name, array in reader.items()}


def write_files(directory, names):
    """Write files of four bytes, and the directories above them."""
    file_system = get_file_system(directory)
    for name in names:
        path = f"{directory}/{name}"
        file_system.recursively_create_dir(path.rpartition("/")[0])
        with file_system.new_writable_file(path) as file:
            file.append(b"data")
