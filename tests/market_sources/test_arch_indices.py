"""The index tables, on a table of a few rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from leverline.ground.errors import MalformedInputError
from leverline.market.sources.arch_indices import SP500, read_index

_HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
_ROWS = "1/4/1999,1229.2,1248.8,1219.1,1228.1,1000,877000000\n1/5/1999,1228.1,1246.1,1228.1,1244.8,1000,775000000\n"


def _table(folder: Path, text: str) -> Path:
    path = folder / "sp500.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_a_trading_day_is_read_month_first_and_unadjusted(tmp_path: Path) -> None:
    """4 January would become 1 April, and the tail that of another series."""
    bars = read_index(SP500, _table(tmp_path, _HEADER + _ROWS))
    assert bars.symbols == ("SP500",)
    assert bars.ts.tolist() == [915_408_000 * 10**9, 915_494_400 * 10**9]
    assert bars.close.tolist() == [1228.1, 1244.8]
    assert bars.files[0].origin == SP500.origin


@pytest.mark.parametrize("text", [
    "Day,Close\n1,2\n",
    _HEADER + "4.1.1999,1,1,1,1,1,1\n",
    _HEADER + "1/4/1999,x,1,1,1,1,1\n",
])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    """A changed layout would be read as prices."""
    with pytest.raises(MalformedInputError, match="not the expected table"):
        read_index(SP500, _table(tmp_path, text))
