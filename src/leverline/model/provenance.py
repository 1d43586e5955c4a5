"""Where numbers came from."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from leverline.model.quantities import Instant, Noun


class DataFile(Noun):
    """One input: its name (never a machine path), SHA-256, origin and licence as far as they are known."""

    name: str
    sha256: str | None
    rows: int
    origin: str | None = None
    licence: str | None = None


class Provenance(Noun):
    """What a result was made from: enough to make it again."""

    software: str
    versions: dict[str, str]
    data: tuple[DataFile, ...]
    as_of: Instant
    appetite: dict[str, Any]
    estimators: dict[str, Any]
    seed: int | None = None
    quality: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
