"""Every preset of the engine by name: each module of this folder that has ``presets`` brings its own."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from leverline.ground.errors import UsageError, require
from leverline.margin import presets as folder
from leverline.margin.presets.engine_preset import EnginePreset
from leverline.margin.rules import VenueRules

_NONE = {
    "crvusd": "it sells a loan's collateral band by band as the price falls through them, so what a loan holds depends "
              "on the way of the price, and no weight of collateral says when it is unsafe",
    "flat": "flat rates belong to an instrument, and no venue's figures stand with them; a limit book carries them",
    "aave-risk-steward": "a risk steward's rules bound changes of figures; no account is margined by them",
}
"""Rulebooks that no rules of the engine express, and why."""


@cache
def all_presets() -> dict[str, EnginePreset]:
    """Presets by name, alphabetically."""
    found: dict[str, EnginePreset] = {}
    for module in pkgutil.iter_modules(folder.__path__):
        brought = importlib.import_module(f"{folder.__name__}.{module.name}")
        if hasattr(brought, "presets"):
            for name, preset in brought.presets().items():
                require(name == preset.rules.name and name not in found, "a preset's name is its own", got=name)
                found[name] = preset
    return dict(sorted(found.items()))


def preset_names() -> tuple[str, ...]:
    """Names that :func:`venue_rules` takes."""
    return tuple(all_presets())


def preset_named(name: str) -> EnginePreset:
    """One preset with what it leaves out; refuses a name that none has, saying why or which are near."""
    found = all_presets()
    if name in found:
        return found[name]
    if name in _NONE:
        raise UsageError(f"venue {name!r} has no preset: {_NONE[name]}",
                         remedy=f"see its rule in words: leverline venues {name}")
    near = [known for known in found if known.startswith(f"{name}-")]
    if near:
        raise UsageError(f"no venue preset is named {name!r}, but some begin with it",
                         remedy=f"choose one of {', '.join(near)}")
    raise UsageError(f"no venue preset is named {name!r}", remedy=f"choose one of {', '.join(found)}")


def venue_rules(name: str) -> VenueRules:
    """Rules of the preset ``name``; refuses as :func:`preset_named` does."""
    return preset_named(name).rules
