"""What every description of a file looks like, and the one that formats other than bars share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Protocol

from leverline.market.bars import Finding
from leverline.market.times import iso
from leverline.model.provenance import DataFile


class Report(Protocol):
    """What a description of one format answers, whichever format it is."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the numbers has to know."""

    @property
    def refused(self) -> tuple[str, ...]:
        """Why the reader of the format would not take the input; empty where it would."""

    @property
    def clean(self) -> bool:
        """True where nothing was refused, odd or warned of."""

    def columns(self) -> tuple[str, ...]:
        """Headings of :meth:`rows`."""

    def rows(self) -> list[tuple[str, ...]]:
        """One line of text a symbol."""

    def first_findings(self, per_rule: int = 5) -> list[tuple[str, ...]]:
        """Rule, file, symbol, time and detail of the first cases of each rule."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: no NaN, times ISO 8601 with Z."""


@dataclass(frozen=True, slots=True)
class SymbolLine:
    """One symbol: how many rows, what the format measures of it, and how often each rule struck."""

    symbol: str
    rows: int
    measured: Mapping[str, str | int | float | None]  # times are ISO 8601 with Z; the same keys for every symbol
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FormatReport:
    """A description of one format. ``timed`` says whether a finding has a time (exchange brackets have none)."""

    format: str
    files: tuple[DataFile, ...]
    symbols: tuple[SymbolLine, ...]
    rules: tuple[str, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    refused: tuple[str, ...]
    timed: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """How often each rule struck, over all symbols."""
        return {rule: sum(line.counts.get(rule, 0) for line in self.symbols) for rule in self.rules}

    @property
    def clean(self) -> bool:
        """True where nothing was refused, odd or warned of."""
        return not (self.refused or self.warnings or any(self.counts.values()))

    def columns(self) -> tuple[str, ...]:
        """Headings of :meth:`rows`: a column for every rule that struck."""
        measured = self.symbols[0].measured if self.symbols else ()
        return ("symbol", "rows", *(name.replace("_", " ") for name in measured), *self._struck())

    def rows(self) -> list[tuple[str, ...]]:
        """One line of text a symbol."""
        return [(line.symbol, str(line.rows), *map(_cell, line.measured.values()),
                 *(str(line.counts.get(rule, 0)) for rule in self._struck())) for line in self.symbols]

    def first_findings(self, per_rule: int = 5) -> list[tuple[str, ...]]:
        """Rule, file, symbol, time and detail of the first cases of each rule, as text."""
        firsts = (islice((f for f in self.findings if f.rule == rule), per_rule) for rule in self._struck())
        return [(f.rule, f.file, f.symbol, iso(f.ts) if self.timed else "", f.detail) for kept in firsts for f in kept]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: no NaN, times ISO 8601 with Z."""
        return {
            "format": self.format,
            "files": [f.model_dump(mode="json") for f in self.files],
            "rows": sum(line.rows for line in self.symbols),
            "symbols": [{"symbol": line.symbol, "rows": line.rows, **line.measured,
                         "counts": {rule: line.counts.get(rule, 0) for rule in self.rules}} for line in self.symbols],
            "counts": self.counts,
            "findings": [{**asdict(f), "ts": iso(f.ts) if self.timed else None} for f in self.findings],
            "warnings": list(self.warnings),
            "refused": list(self.refused),
            "clean": self.clean,
        }

    def _struck(self) -> list[str]:
        return [rule for rule, number in self.counts.items() if number]


def _cell(value: str | float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
