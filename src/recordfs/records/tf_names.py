"""Names that TensorFlow accepts for operations, and TensorBoard for tags."""

from string import ascii_letters, digits

__all__ = ["make_valid_tf_name"]

_FIRST = frozenset(ascii_letters + digits + ".")
_REST = _FIRST | frozenset("_-/")


def make_valid_tf_name(name: str) -> str:
    """Return the nearest name that TensorFlow accepts: letters, digits and ``._-/``, beginning with none of ``_-/``.

    A name that begins with another character gets a dot in front. Each run of characters that are not allowed becomes
    one ``_``; at the end it vanishes. The results are those of tensorboardX 2.6's function of the same name.

    Raises:
        TypeError: ``name`` is not a str.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name has to be str, found {type(name).__name__}")
    if name[:1] not in _FIRST:
        name = "." + name
    return "_".join("".join(character if character in _REST else " " for character in name).split())
