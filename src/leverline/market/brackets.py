"""Leverage brackets as an exchange publishes them: facts about a venue, not limits of ours."""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import UsageError
from leverline.market.bars import Finding
from leverline.model.provenance import DataFile


@dataclass(frozen=True, slots=True)
class ExchangeBracket:
    """One bracket of one market; amounts are in ``currency``, rates are fractions.

    It holds for notionals from ``notional_floor`` to ``notional_cap`` (None is open); maintenance margin there is
    notional x ``maintenance_margin_rate`` - ``maintenance_deduction`` (the venue's ``cum``).
    """

    symbol: str
    tier: int  # from 1
    currency: str
    notional_floor: float
    notional_cap: float | None
    maintenance_margin_rate: float
    max_leverage: float
    maintenance_deduction: float


@dataclass(frozen=True, slots=True)
class ExchangeBrackets:
    """Brackets of every market of a venue, each market's from the first tier on without a hole.

    ``deduction_given`` is False where the source has no deductions and they follow from continuity.
    """

    rows: tuple[ExchangeBracket, ...]
    deduction_given: bool = True
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every market, in the order of the source."""
        return tuple(dict.fromkeys(row.symbol for row in self.rows))

    def by_symbol(self) -> dict[str, tuple[ExchangeBracket, ...]]:
        """Market -> its brackets, lowest notional first."""
        found: dict[str, list[ExchangeBracket]] = {}
        for row in self.rows:
            found.setdefault(row.symbol, []).append(row)
        return {symbol: tuple(rows) for symbol, rows in found.items()}

    def of(self, symbol: str) -> tuple[ExchangeBracket, ...]:
        """The brackets of one market; an unknown one is refused."""
        rows = tuple(row for row in self.rows if row.symbol == symbol)
        if not rows:
            raise UsageError(f"no brackets of {symbol}", remedy=f"there are {', '.join(self.symbols[:12])}")
        return rows
