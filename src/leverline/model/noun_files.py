"""Nouns that people write by hand: TOML files in, one validated noun out, or a refusal that names the key."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from leverline.ground.errors import refuse
from leverline.model.quantities import Noun

_N = TypeVar("_N", bound=Noun)


def shipped_noun(kind: type[_N], package: str, *path: str) -> _N:
    """The noun in a TOML file that ships inside ``package``."""
    text = resources.files(package).joinpath(*path).read_text(encoding="utf-8")
    return kind.model_validate(tomllib.loads(text))


def read_noun(kind: type[_N], path: Path, *, remedy: str) -> _N:
    """Read a TOML file; refuse (exit 2) what is no TOML, unknown keys, missing keys and values out of range."""
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", file=str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        refuse(f"is not TOML: {error}", file=str(path))
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        refuse(f"{key}: {first['msg']}", file=str(path), remedy=remedy)
