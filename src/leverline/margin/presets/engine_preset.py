"""What a preset of the engine is, and the typed way from a rulebook's figures to it.

A figure stands once, in its rulebook with its date and source. Here it is only read and put into a slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.rulebooks.description import Preset, RulebookDescription
from leverline.margin.rules import AssetRules, MarketRules, VenueRules


@dataclass(frozen=True, slots=True)
class EnginePreset:
    """Rules of one venue as the engine reads them.

    Attributes
    ----------
    rulebook : str
        Name of the rulebook that states the venue's own arithmetic and these figures.
    rules : VenueRules
    left_out : tuple of str
        What of the venue's rule the engine does not carry, or what the figures do not cover; one sentence each.
    """

    rulebook: str
    rules: VenueRules
    left_out: tuple[str, ...]


class Figures:
    """The figures of one preset of a rulebook, by type; refuses a figure that is not there or of another type."""

    def __init__(self, rulebook: RulebookDescription, name: str) -> None:
        found = [preset for preset in rulebook.presets if preset.name == name]
        require(len(found) == 1, f"rulebook {rulebook.name} has the preset once", got=name)
        self.preset: Preset = found[0]

    def number(self, key: str) -> float:
        """One number."""
        value = self.preset.figures.get(key)
        require(isinstance(value, int | float), f"figure {key} of preset {self.preset.name} is a number", got=value)
        return float(value)  # type: ignore[arg-type]  # the check above

    def numbers(self, key: str) -> tuple[float, ...]:
        """A column of numbers."""
        return tuple(float(value) for value in self._column(key))

    def names(self, key: str) -> tuple[str, ...]:
        """A column of names."""
        return tuple(str(value) for value in self._column(key))

    def _column(self, key: str) -> Sequence[str | float]:
        value = self.preset.figures.get(key)
        require(isinstance(value, list | tuple), f"figure {key} of preset {self.preset.name} is a column", got=value)
        return value  # type: ignore[return-value]  # the check above; figures are JSON values


def engine_preset(
    name: str, rulebook: RulebookDescription, settlement: str, used: Sequence[Figures], left_out: Sequence[str], *,
    markets: Mapping[str, MarketRules] | None = None, assets: Mapping[str, AssetRules] | None = None,
    strict_prices: bool = False,
) -> EnginePreset:
    """A preset out of the figures ``used``: dated by the oldest of them, with all their sources."""
    rules = VenueRules(
        name=name, settlement=settlement, markets=markets or {}, assets=assets or {}, strict_prices=strict_prices,
        as_of=min(figures.preset.as_of for figures in used),
        source="; ".join(dict.fromkeys(figures.preset.source.where for figures in used)),
    )
    return EnginePreset(rulebook.name, rules, tuple(left_out))
