"""The bench of loading: the loop that it is compared with reads the same accounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leverline.evidence.bench import load_bench
from leverline.evidence.bench.million_accounts import drawn_tables
from leverline.ground.errors import UsageError
from leverline.margin.reading_accounts import read_accounts, write_accounts


def test_the_loop_reads_the_same_and_a_difference_is_seen(tmp_path: Path) -> None:
    """The ratio would compare the reading of accounts with something easier."""
    path = tmp_path / "accounts.csv"
    write_accounts(drawn_tables(400).book, path)
    held = read_accounts(path)
    load_bench.check(held, path)
    wrong = held.book.amount.copy()
    wrong[7] *= 1.0 + 1e-12
    with pytest.raises(AssertionError):
        load_bench.check(replace(held, book=replace(held.book, amount=wrong)), path)
    pools = replace(held.book.pools, account=held.book.pools.account[::-1])
    with pytest.raises(UsageError):
        load_bench.check(replace(held, book=replace(held.book, pools=pools)), path)
