"""The page of a replay: complete, escaped, and without anything from elsewhere."""

from __future__ import annotations

from typing import Any

from leverline.report.replay_page import replay_page

ROW = {"closings": 3, "pools": 2, "notional": "1234567890", "penalty": "5000000"}
DOCUMENT: dict[str, Any] = {
    "schema": "leverline.replay/1", "book_id": "b00c", "settlement": "USD", "venue": "leverline", "events": 12,
    "rejected": {"halted": 1}, "ended_at": "2026-01-01T05:00:00Z",
    "solvency": {"solvent": False, "pools": 5, "open_pools": 4}, "margin_calls": 7, "liquidations": {"book": ROW},
    "refused_stages": [{"stage": "book", "reason": "not filled in time", "times": 2}],
    "deleveraged": {"closings": 1, "pools": 1, "notional": "7000000"},
    "bad_debt": {"total": "30000000", "paid_by_funds": "10000000", "shared": "20000000", "unpaid": "0"},
    "fund_path": [{"at": "2026-01-01T04:00:00Z", "market": "", "amount": "-10000000", "balance": "0",
                   "why": "pays for <script>ann</script>"}],
    "breaker_log": [], "state_hash": "5ea1", "notes": ["tick defaulted to 0.1"],
}


def test_the_page_says_how_it_ended() -> None:
    """A reader would not learn from the page that the venue failed, or by how much."""
    page = replay_page(DOCUMENT)
    for told in ("not solvent", "30.00", "funds paid 10.00, shared 20.00, unpaid 0.00", "1,234.57", "-10.00",
                 "not filled in time", "tick defaulted to 0.1", "5ea1", "b00c"):
        assert told in page, told


def test_an_account_cannot_write_into_the_page() -> None:
    """The name of an account would run as a script in the reader's browser."""
    page = replay_page(DOCUMENT)
    assert "<script" not in page
    assert "&lt;script&gt;ann" in page


def test_the_page_asks_the_network_for_nothing() -> None:
    """A reader would tell somebody else that the page was opened."""
    page = replay_page(DOCUMENT)
    assert "default-src 'none'" in page or "default-src &#x27;none&#x27;" in page
    assert not any(word in page for word in ("src=", "<link", "@import", "url("))
