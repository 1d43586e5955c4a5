"""What every estimator here has in common: its constructor's arguments, stored as given, can be read back."""

from __future__ import annotations

import inspect


class Estimator:
    """A measure with a keyword-only constructor, ``fit(...) -> Self`` and results with a trailing underscore."""

    def get_params(self) -> dict[str, object]:
        """The constructor's arguments by name, for provenance."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"
