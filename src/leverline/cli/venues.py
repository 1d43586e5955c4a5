"""``leverline venues``: the venues' rules in words, their presets and their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.cli import options
from leverline.cli.printing import emit_json, print_table, say

if TYPE_CHECKING:
    from leverline.margin.presets.engine_preset import EnginePreset
    from leverline.margin.rulebooks.description import Preset, RulebookDescription


def venues(
    name: Annotated[str | None, typer.Argument(help="One rulebook, such as binance-usdm; default: all.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the venues' rulebooks, or one with its rules, presets, sources and dates."""
    from leverline.margin.rulebooks.registry import all_rulebooks, rulebook_named

    if name is not None:
        book = rulebook_named(name)
        if as_json:
            emit_json(_as_json(book))
        else:
            _print_book(book)
        return
    books = all_rulebooks()
    if as_json:
        emit_json([_as_json(book) for book in books.values()])
        return
    print_table("rulebooks", ("name", "venue", "scope", "requirement", "presets", "check --venue"),
                [(b.name, b.venue, b.scope, b.rules.get("requirement", next(iter(b.rules.values()))), len(b.presets),
                  ", ".join(p.rules.name for p in _engine_presets(b)) or "-") for b in books.values()], align="llllrl")
    say("leverline venues NAME prints one with its sources and presets")


def _engine_presets(book: RulebookDescription) -> list[EnginePreset]:
    """The presets of the margin engine that rest on a rulebook."""
    from leverline.margin.presets.registry import all_presets

    return [preset for preset in all_presets().values() if preset.rulebook == book.name]


def _as_json(book: RulebookDescription) -> dict[str, object]:
    engine = [{"name": p.rules.name, "as_of": p.rules.as_of, "settlement": p.rules.settlement,
               "markets": list(p.rules.markets), "assets": list(p.rules.assets), "left_out": list(p.left_out)}
              for p in _engine_presets(book)]
    return {**asdict(book), "engine_presets": engine}


def _print_book(book: RulebookDescription) -> None:
    print_table(f"{book.venue} ({book.name}, {book.scope})", ("slot", "rule"),
                [*book.rules.items(), ("rounding", book.rounding)], align="ll")
    for caution in book.cautions:
        say(f"caution: {caution}")
    for source in book.sources:
        say(f"source: {source.where} ({source.read})")
    if book.families:
        say(f"held to the venue's figures by: {', '.join(book.families)}")
    for engine in _engine_presets(book):
        covered = ", ".join([*engine.rules.markets, *engine.rules.assets])
        say(f"check --venue {engine.rules.name}: {covered}; figures of {engine.rules.as_of}")
        for sentence in engine.left_out:
            say(f"  note: {sentence}")
    for preset in book.presets:
        say()
        _print_preset(preset)


def _print_preset(preset: Preset) -> None:
    """Columns where every figure is a list of one length, lines otherwise."""
    caption = f"as of {preset.as_of}; {preset.source.where} ({preset.source.read})"
    columns = [figure for figure in preset.figures.values() if isinstance(figure, Sequence | tuple)
               and not isinstance(figure, str)]
    if len(columns) == len(preset.figures) and len({len(column) for column in columns}) == 1:
        print_table(preset.name, tuple(preset.figures), list(zip(*columns, strict=True)), align="r" * len(columns),
                    caption=caption)
        return
    print_table(preset.name, ("figure", "value"), [(key, _words(value)) for key, value in preset.figures.items()],
                align="lr", caption=caption)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {inner}" for key, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
