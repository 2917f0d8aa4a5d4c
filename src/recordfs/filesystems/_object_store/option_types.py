"""Options of the wrong type are refused when a filesystem is made: a string "false" is true to Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["check_option_types", "shown_options"]

_NAMES = {type(None): "None", bool: "bool (true or false)"}


def check_option_types(settings: Any) -> None:
    """Compare the fields of a named tuple with their annotations; texts must not be empty, numbers be above 0.

    Raises:
        InvalidArgumentError: An option is of the wrong type. Only a number's value is in the message: others may be
            secret.
    """
    for name, annotation in get_type_hints(type(settings)).items():
        value = getattr(settings, name)
        kinds = get_args(annotation) or (annotation,)
        taken = (*kinds, int) if float in kinds else kinds
        if not isinstance(value, taken) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join(_NAMES.get(kind, kind.__name__) for kind in kinds)
            raise InvalidArgumentError(f"the option {name} takes {expected}, found {type(value).__name__}")
        if value == "":
            raise InvalidArgumentError(f"the option {name} is empty; leave it out to have its default")
        if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0:
            raise InvalidArgumentError(f"the option {name} has to be above 0, found {value}")


def shown_options(settings: Any, hidden: Collection[str]) -> str:
    """Return a named tuple as its repr shows it: what differs from the defaults, and no value of the hidden fields."""
    shown = (
        f"{name}={'<hidden>' if name in hidden else value!r}"
        for name, value in zip(settings._fields, settings, strict=True)
        if value != settings._field_defaults[name]
    )
    return f"{type(settings).__name__}({', '.join(shown)})"
