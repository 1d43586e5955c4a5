"""The page of ``check`` names the keys that its document has."""

from __future__ import annotations

import re

from leverline.margin.account_report import account_rows, document, position_rows
from leverline.margin.checking import AccountCheck, check_accounts
from leverline.margin.presets.registry import venue_rules
from leverline.margin.reading_accounts import read_accounts
from leverline.margin.reading_marks import read_marks
from tests.docs.tables import DOCS, names, page, section


def _check() -> AccountCheck:
    rules = {name: venue_rules(name) for name in ("binance-usdm", "aave-v3.6")}
    return check_accounts(read_accounts(DOCS / "examples" / "accounts.csv"), rules,
                          read_marks(DOCS / "examples" / "marks.csv").state, horizon_seconds=86_400.0)


def test_the_accounts_and_marks_that_ship_are_valued_whole() -> None:
    """The first command that a reader copies would end in an error."""
    found = _check()
    assert found.skipped == ()
    assert not found.below_maintenance.any()


def test_the_page_lists_every_column_of_accounts_and_positions() -> None:
    """Whoever reads a check with a program would meet keys that nobody told of."""
    text, found = page("verbs/check.md"), _check()
    assert names(text, "accounts") == account_rows(found).columns
    assert set(names(text, "positions")) == set(position_rows(found).columns)


def test_the_page_names_every_part_of_the_document() -> None:
    """Somebody would not learn that accounts were left out of the sums."""
    said = set(re.findall(r"`([a-z_]+)`", section(page("verbs/check.md"), "JSON").split("\n|")[0]))
    assert set(document(_check(), by="owner")) <= said
