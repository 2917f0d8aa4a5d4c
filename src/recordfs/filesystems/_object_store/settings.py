"""What a store's options decide about reaching it: checked when a filesystem is made, shown without secrets.

Options of the wrong type are refused at once: a string "false" is true to Python.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, ClassVar, Self, get_args, get_type_hints

from recordfs.errors import InvalidArgumentError
from recordfs.filesystems._object_store.endpoint import checked_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BY_SDK", "StoreSettings", "first_given"]

BY_SDK = "the SDK's own configuration"
"""Where a value came from that nothing here decides."""

_NAMES = {type(None): "None", bool: "bool (true or false)"}


def first_given(option: str | None, name: str, variables: Iterable[str]) -> tuple[str | None, str]:
    """Return an option's value, or that of the first variable of the environment that has one, and where it was.

    Args:
        option: The option's value, or None.
        name: The option's name.
        variables: Which variables to look at.

    Returns:
        None and BY_SDK where there is none.
    """
    if option is not None:
        return option, f"option {name}"
    return next(((os.environ[one], one) for one in variables if os.environ.get(one)), (None, BY_SDK))


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings:
    """What the options of every object store decide; a backend adds its own. None asks the SDK's own chain.

    Attributes:
        endpoint_url: The store's address, with or without scheme; None for the environment, then the service's own.
        anonymous: Send no credentials, as public buckets take requests.
        max_attempts: How often a request is sent at most.
        connect_timeout: Seconds to connect.
        read_timeout: Seconds without an answer.
    """

    endpoint_url: str | None = None
    anonymous: bool = False
    max_attempts: int = 4
    connect_timeout: float = 10.0
    read_timeout: float = 30.0

    hidden: ClassVar[tuple[str, ...]] = ()
    """Fields whose values are never shown."""

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and without an answer."""
        return self.connect_timeout, self.read_timeout

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the options."""
        return [field.name for field in dataclasses.fields(cls)]

    def __repr__(self) -> str:
        """Show what differs from the defaults, and no secret."""
        shown = (
            f"{field.name}={'<hidden>' if field.name in self.hidden else repr(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def checked(self) -> Self:
        """Return itself. Texts must not be empty, numbers have to be above 0.

        Raises:
            InvalidArgumentError: Something in it can never work. Only a number's value is in the message: others may
                be secret.
        """
        hints = get_type_hints(type(self))
        for name in self.option_names():
            value, kinds = getattr(self, name), get_args(hints[name]) or (hints[name],)
            taken = (*kinds, int) if float in kinds else kinds
            if not isinstance(value, taken) or (isinstance(value, bool) and bool not in kinds):
                expected = " or ".join(_NAMES.get(kind, kind.__name__) for kind in kinds)
                raise InvalidArgumentError(f"the option {name} takes {expected}, found {type(value).__name__}")
            if value == "":
                raise InvalidArgumentError(f"the option {name} is empty; leave it out for its default")
            if name in self.hidden and isinstance(value, str) and not (value.isprintable() and value == value.strip()):
                raise InvalidArgumentError(
                    f"the option {name} begins or ends with a space, or has the end of a line in it: was it read from "
                    "a file? Take the white space off"
                )
            if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0:
                raise InvalidArgumentError(f"the option {name} has to be above 0, found {value}")
        return self

    def endpoint_from(self, variables: Iterable[str], scheme: str) -> tuple[str | None, str]:
        """Return the endpoint with its scheme, or None to let the SDK choose, and where it came from.

        Args:
            variables: Where in the environment it may stand.
            scheme: What it gets where it has none.

        Raises:
            InvalidArgumentError: It can be no endpoint.
        """
        endpoint, source = first_given(self.endpoint_url, "endpoint_url", variables)
        return None if endpoint is None else checked_endpoint(endpoint, source, scheme), source
