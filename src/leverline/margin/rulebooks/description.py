"""A rulebook described in words: what ``leverline venues`` prints, one ``RULEBOOK`` at the end of each venue's module.

The slots are those of a rulebook: requirement curve, collateral valuation, trigger, sizing, price policy, waterfall,
deleveraging. A slot that the venue has and the module does not state is left out of ``rules``, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from leverline.ground.errors import require

Scope = Literal["perpetuals", "lending"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule or a figure stands: a repository path, a page or a paper, and the date of the copy that was read."""

    where: str
    read: str  # ISO 8601 day or month: the commit's, the paper's, or when a page without a date was read

    def __post_init__(self) -> None:
        require(bool(self.where.strip()), "a source says where it stands", got=self.where)
        require(bool(self.read.strip()), "a source says when it was read", got=self.read)


@dataclass(frozen=True, slots=True)
class Preset:
    """One dated set of the venue's numbers. ``figures`` carry their unit in the key (``initial_margin_ppm``)."""

    name: str
    figures: Mapping[str, object]  # JSON values only: they are printed as they stand
    as_of: str  # ISO 8601 date from which the figures held
    source: Source

    def __post_init__(self) -> None:
        require(bool(self.figures), "a preset has figures", got=self.name)


@dataclass(frozen=True, slots=True)
class RulebookDescription:
    """A venue's rule, one sentence a slot, with sources and presets.

    Attributes
    ----------
    name : str
        What ``leverline venues NAME`` takes: lower case, words joined by a hyphen, with the version the venue states.
    venue : str
        The venue as it writes itself.
    scope : {"perpetuals", "lending"}
    rules : mapping of str to str
        Slot (``"requirement"``, ``"trigger"``, ``"liquidation price"``...) to the rule in words, formula included.
    rounding : str
        In which unit the venue counts and which way it rounds; for whom the rounding errs.
    sources : tuple of Source
        At least one.
    families : tuple of str
        Families of golden cases that hold the module to the venue.
    presets : tuple of Preset
    cautions : tuple of str
        What harms an account by design, or what the module leaves out.
    """

    name: str
    venue: str
    scope: Scope
    rules: Mapping[str, str]
    rounding: str
    sources: tuple[Source, ...]
    families: tuple[str, ...] = ()
    presets: tuple[Preset, ...] = ()
    cautions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(
            self.name == self.name.lower() and " " not in self.name,
            "a rulebook's name is lower case without spaces",
            got=self.name,
        )
        require(bool(self.rules), "a rulebook states at least one rule", got=self.name)
        require(bool(self.sources), "a rulebook names its source", got=self.name)
