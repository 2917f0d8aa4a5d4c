"""Options: objects that keep those they were made with, refuse unknown ones and are pickled by them; and their key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["MadeFromOptions", "options_key"]


class MadeFromOptions:
    """What a filesystem is before it is one of files: options that a class names as keyword arguments.

    A class names its own and passes the rest up; what arrives here is unknown.

    Raises:
        InvalidArgumentError: An option is unknown.
    """

    _options: dict[str, Any]
    _arguments: tuple[Any, ...]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Remember the options, so that the instance can be made again in another process."""
        self = super().__new__(cls)
        self._options = options
        self._arguments = arguments
        return self

    def __init__(self, **options: object) -> None:
        if options:
            known = self.option_names()
            names = ", ".join(f"{name}{did_you_mean(name, known)}" for name in sorted(options))
            raise InvalidArgumentError(f"{type(self).__name__} does not know the option(s) {names}")

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the options that the class takes, as far as its constructors name them."""
        import inspect  # only after a mistake, because it is slow to import

        return [
            parameter.name
            for base in cls.__mro__
            if "__init__" in vars(base) and base is not object
            for parameter in inspect.signature(vars(base)["__init__"]).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self._options, self._arguments))

    @property
    def options(self) -> dict[str, Any]:
        """The options that the filesystem was made with, a copy."""
        return dict(self._options)


def _rebuild(cls: type[MadeFromOptions], options: dict[str, Any], arguments: tuple[Any, ...] = ()) -> MadeFromOptions:
    """Make a pickled object again."""
    return cls(*arguments, **options)


def options_key(options: Mapping[str, Any]) -> frozenset[tuple[str, object]] | None:
    """Return a key that is equal for equal options, or None where an option cannot be compared by value."""
    try:
        return frozenset((option, _frozen(value)) for option, value in options.items())
    except TypeError:
        return None


def _frozen(value: object) -> object:
    """Return something hashable that is equal for equal options, nested ones too.

    Raises:
        TypeError: There is no such thing.
    """
    if isinstance(value, dict):
        return dict, frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_frozen, value))
    hash(value)
    # True and 1 are equal, and may mean different things to a filesystem.
    return type(value), value
