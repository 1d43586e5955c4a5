"""A million accounts read from a file: seconds and peak memory, and how much a loop over the rows would take.

The full file is read once, in a process of its own, so that nothing else counts towards its memory. The ratio is taken
on a smaller book, because the loop over a million accounts would take most of a minute a round.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from leverline.evidence.bench.million_accounts import ACCOUNTS, drawn_tables
from leverline.evidence.bench.rows import BenchRow, interleaved
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.margin.reading_accounts import AccountInput, read_accounts, write_accounts

SMALL = 20_000
BASELINE = "csv.reader of Python, a dictionary of accounts, float() a cell"
ROWS = ("load", "load-parquet", "load-memory")
_MEGABYTE = 1e6
_CHILD = """
import resource, sys, time
from pathlib import Path
from leverline.margin.reading_accounts import read_accounts
started = time.process_time()
read = read_accounts(Path(sys.argv[1]))
used = time.process_time() - started
status = Path("/proc/self/status")  # where there is none, a peak that may be the parent's
peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 if status.exists() else \
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(used, peak)
"""


def rows() -> list[BenchRow]:
    """CPU seconds of a million accounts from CSV and from Parquet, and the peak memory of the process."""
    with tempfile.TemporaryDirectory() as folder:
        book = drawn_tables(ACCOUNTS).book
        whole = [Path(folder) / f"accounts{suffix}" for suffix in (".csv", ".parquet")]
        for path in whole:
            write_accounts(book, path)
        small = Path(folder) / "small.csv"
        write_accounts(drawn_tables(SMALL).book, small)
        check(read_accounts(small), small)
        ours, loop = interleaved(lambda: read_accounts(small), lambda: by_hand(small))
        (from_csv, memory), (from_parquet, _) = (_alone(path) for path in whole)
        size = {path.suffix[1:]: f"{path.stat().st_size / _MEGABYTE:.0f} MB" for path in whole}
    notes = {"accounts": ACCOUNTS, "positions": book.n_positions, "holdings": int(book.amount.size), **size,
             "ratio taken at": f"{SMALL} accounts"}
    return [
        BenchRow("load", from_csv, "CPU s", BASELINE, loop / ours, notes=notes),
        BenchRow("load-parquet", from_parquet, "CPU s"),
        BenchRow("load-memory", memory / _MEGABYTE, "MB, peak of reading the CSV"),
    ]


def by_hand(path: Path) -> tuple[list[str], FloatArray, FloatArray, FloatArray]:
    """Accounts in order of appearance, and their quantities, entry prices and amounts in the order of the rows."""
    accounts: dict[str, int] = {}
    positions: list[tuple[float, float]] = []
    amounts: list[float] = []
    with path.open(newline="", encoding="utf-8") as stream:
        cells = csv.reader(stream)
        place = {name: k for k, name in enumerate(next(cells))}
        account, symbol, quantity, price, amount = (place[n] for n in ("account", "symbol", "quantity", "entry_price",
                                                                       "amount"))
        for row in cells:
            accounts.setdefault(row[account], len(accounts))
            if row[symbol]:
                positions.append((float(row[quantity]), float(row[price])))
            else:
                amounts.append(float(row[amount]))
    held = np.array(positions)
    return list(accounts), held[:, 0], held[:, 1], np.array(amounts)


def check(held: AccountInput, path: Path) -> None:
    """Refuse to time a reading that says something else than the loop, row by row of the file."""
    accounts, quantity, price, amount = by_hand(path)
    book, positions, holdings = held.book, np.argsort(held.position_row), np.argsort(held.holding_row)
    require(list(book.pools.account) == accounts, "both readings find the same accounts")
    for ours, theirs in ((book.quantity[positions], quantity), (book.entry_price[positions], price),
                         (book.amount[holdings], amount)):
        np.testing.assert_array_equal(ours, theirs)


def _alone(path: Path) -> tuple[float, float]:
    """CPU seconds and bytes at the peak of reading ``path`` in a new process."""
    done = subprocess.run([sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True,  # noqa: S603
                          check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak
