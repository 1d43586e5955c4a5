"""The load line: an immutable, versioned document of every limit a venue holds its accounts to.

``id`` is the SHA-256 of the canonical JSON (sorted keys, no spaces, no ``id``), so a book cannot change unseen.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from leverline.ground.display import DisplayTable, ShownAsTables, number_text, percent_text
from leverline.ground.errors import refuse
from leverline.ground.files import write_text
from leverline.model.collateral import AssetLimits
from leverline.model.instrument import Kind, Payoff
from leverline.model.provenance import Provenance
from leverline.model.quantities import UNITS_PER_ONE, Instant, Noun, Rate, Units
from leverline.model.venue import VenueLimits

SCHEMA = "leverline.limitbook/1"


class Basis(StrEnum):
    """How a number came about."""

    MEASURED = "measured"
    ASSUMED = "assumed"
    DEFAULTED = "defaulted"


class Tier(Noun):
    """Limits for position notional in (``notional_floor``, ``notional_cap``]; the last cap may be open (None).

    Initial margin is ``notional * initial_margin_rate``; maintenance margin is
    ``notional * maintenance_margin_rate - maintenance_deduction``, continuous across tiers.
    """

    notional_floor: Units
    notional_cap: Units | None
    max_leverage: Annotated[float, Field(gt=0)]
    initial_margin_rate: Annotated[float, Field(gt=0)]
    maintenance_margin_rate: Annotated[float, Field(gt=0)]
    maintenance_deduction: Units


class InstrumentLimits(Noun):
    """Everything the book says of one instrument; None is unset."""

    kind: Kind | None = None
    payoff: Payoff = Payoff.LINEAR
    contract_size: float = 1.0
    tick: float | None = None
    lot: float | None = None
    tiers: tuple[Tier, ...]
    binding_side: Literal["long", "short"] | None = None
    position_cap: Units | None = None
    open_interest_cap: Units | None = None
    price_band: Rate | None = None
    liquidation_fee_rate: Rate | None = None
    fees: dict[str, Annotated[float, Field(gt=-1)]] | None = None  # below zero: a rebate
    funding: dict[str, float] | None = None
    account_classes: dict[str, Annotated[float, Field(ge=1)]] | None = None  # class to its highest leverage here
    owner_share_cap: Rate | None = None  # of the market's open interest
    open_interest_growth_cap: Rate | None = None  # relative, a day
    profit_collateral_cap: Units | None = None  # unrealised profit that counts as collateral at most

    @model_validator(mode="after")
    def _tiers_join(self) -> Self:
        if not self.tiers:
            raise ValueError("an instrument has at least one tier")
        if self.tiers[0].notional_floor != 0 or self.tiers[0].maintenance_deduction != 0:
            raise ValueError("the first tier starts at notional 0 with deduction 0")
        for lower, upper in pairwise(self.tiers):
            if lower.notional_cap != upper.notional_floor:
                raise ValueError("a tier starts where the one below ends")
            if upper.initial_margin_rate < lower.initial_margin_rate:
                raise ValueError("initial margin rates never fall with size")
            if upper.maintenance_margin_rate < lower.maintenance_margin_rate:
                raise ValueError("maintenance is convex: marginal rates never fall with size")
        for tier in self.tiers:
            if tier.notional_cap is not None and tier.notional_cap <= tier.notional_floor:
                raise ValueError("a tier ends above its floor")
            if tier.maintenance_margin_rate > tier.initial_margin_rate and tier.maintenance_deduction == 0:
                raise ValueError("initial margin covers maintenance margin")
        return self


class Explanation(Noun):
    """Why a number stands where it stands.

    ``sensitivity`` maps a driver (such as ``confidence``, ``horizon``, ``volatility``, ``depth``) to the relative
    change of the number when that driver moves as the key says.
    """

    binding: str
    basis: Basis
    sensitivity: dict[str, float | None] = Field(default_factory=dict)


class Override(Noun):
    """A number set by hand: which (JSON pointer), by whom, why, until when, and what the model said."""

    pointer: str
    who: str
    why: str
    until: Instant
    calibrated: float | str | None


class LimitBook(Noun, ShownAsTables):
    """One version of all limits. Build with :meth:`of`, which seals it with its id."""

    schema_: Literal["leverline.limitbook/1"] = Field(default="leverline.limitbook/1", alias="schema")
    id: str
    as_of: Instant
    settlement: str
    instruments: dict[str, InstrumentLimits]
    collateral: dict[str, AssetLimits] = Field(default_factory=dict)
    venue: VenueLimits = VenueLimits()
    explanations: dict[str, Explanation] = Field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    challenges: str | None = None
    provenance: Provenance

    @classmethod
    def of(cls, **fields: Any) -> LimitBook:
        """Seal ``fields`` into a book: validate, then set ``id`` to the hash of the content."""
        draft = cls(id="", **fields)
        return draft.model_copy(update={"id": draft.content_hash()})

    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON without ``id``."""
        document = self.model_dump(mode="json", by_alias=True)
        del document["id"]
        return hashlib.sha256(canonical_json(document).encode()).hexdigest()

    def to_json(self) -> str:
        """The document as indented JSON, one newline at its end."""
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """One row a market and tier; amounts in the settlement currency."""
        rows = [
            (symbol if k == 0 else "", _amount(tier.notional_floor), _amount(tier.notional_cap),
             f"{tier.max_leverage:g}x", percent_text(tier.initial_margin_rate),
             percent_text(tier.maintenance_margin_rate), _amount(tier.maintenance_deduction))
            for symbol, limits in self.instruments.items() for k, tier in enumerate(limits.tiers)
        ]
        columns = ("market", "above", "up to", "leverage", "initial", "maintenance", "deduction")
        caption = f"Leverage limits as of {self.as_of:%Y-%m-%d %H:%M} UTC, {self.settlement} (book {self.id[:12]})"
        return (DisplayTable(caption, columns, rows),)

    def write(self, path: Path) -> None:
        """Write the document atomically."""
        write_text(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> LimitBook:
        """Read and verify a file; as :meth:`from_json`."""
        try:
            content = path.read_bytes()
        except OSError as error:
            refuse(f"cannot be read: {error.strerror}", file=str(path))
        return cls.from_json(content, file=str(path))

    @classmethod
    def from_json(cls, content: str | bytes, *, file: str | None = None) -> LimitBook:
        """Verify a document; refuse (exit 2) what is malformed or does not match its own id."""
        try:
            book = cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            pointer = "/" + "/".join(str(part) for part in first["loc"])
            refuse(f"{pointer}: {first['msg']}", file=file, remedy=f"a book follows schema {SCHEMA}")
        if book.id != book.content_hash():
            refuse("the id does not match the content: the file was edited", file=file,
                   remedy="calibrate again, or record the change as an override")
        return book


def canonical_json(document: object) -> str:
    """Sorted keys, no spaces, UTF-8, no NaN: equal content gives equal text."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _amount(units: int | None) -> str:
    """Ledger units for readers; no bound where there are none."""
    return "any size" if units is None else number_text(units / UNITS_PER_ONE)


def units(amount: float) -> int:
    """Ledger units of an ``amount`` in the settlement currency, rounded down (against the account)."""
    return int(amount * UNITS_PER_ONE)


def pointer(*parts: str | int) -> str:
    """JSON pointer (RFC 6901) to a place in a book."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
