"""Named spells of market stress, UTC dates, both ends included; public record, see the source of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime


@dataclass(frozen=True, slots=True)
class StressWindow:
    """A spell of days that everybody in the market remembers."""

    name: str
    first: date
    last: date

    @property
    def days(self) -> tuple[int, int]:
        """First and last day, counted from 1970-01-01."""
        epoch = date(1970, 1, 1)
        return (self.first - epoch).days, (self.last - epoch).days


STRESS_WINDOWS = (
    StressWindow("2017-18 bubble and burst", date(2017, 12, 1), date(2018, 2, 10)),
    StressWindow("November 2018 slide", date(2018, 11, 13), date(2018, 12, 7)),
    StressWindow("COVID crash", date(2020, 3, 8), date(2020, 3, 20)),
    StressWindow("May 2021 deleveraging", date(2021, 5, 12), date(2021, 5, 24)),
    StressWindow("Terra collapse", date(2022, 5, 7), date(2022, 5, 15)),
    StressWindow("Three Arrows and Celsius", date(2022, 6, 10), date(2022, 6, 20)),
    StressWindow("FTX collapse", date(2022, 11, 6), date(2022, 11, 15)),
    StressWindow("USDC depeg", date(2023, 3, 9), date(2023, 3, 13)),
    StressWindow("yen unwind", date(2024, 8, 1), date(2024, 8, 7)),
    StressWindow("December 2024 flush", date(2024, 12, 8), date(2024, 12, 10)),
    StressWindow("tariff sell-off", date(2025, 4, 2), date(2025, 4, 9)),
    StressWindow("10 October 2025", date(2025, 10, 9), date(2025, 10, 12)),
)


def day_number(day: int) -> str:
    """ISO date of a day counted from 1970-01-01."""
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
