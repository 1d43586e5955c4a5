"""The bench of the pre-trade check measures what it says. No timing is asserted."""

from __future__ import annotations

import pytest

from leverline.evidence.bench import pre_trade_bench


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_trade_bench, "ACCOUNTS", 300)
    monkeypatch.setattr(pre_trade_bench, "ORDERS", 200)


@pytest.mark.usefixtures("small")
def test_a_size_that_differs_by_a_millionth_is_not_timed() -> None:
    """A ratio could be had by stopping the search early."""
    case = pre_trade_bench.given()
    ours, theirs = pre_trade_bench.ours(case), pre_trade_bench.plain(case)
    pre_trade_bench.check(ours, theirs)
    short = [answer._replace(largest=answer.largest * (1.0 - 1e-6)) for answer in ours]
    with pytest.raises(AssertionError, match="largest"):
        pre_trade_bench.check(short, theirs)


@pytest.mark.usefixtures("small")
def test_the_orders_open_reduce_and_are_refused() -> None:
    """A bench of orders that are all alike would time one branch."""
    case = pre_trade_bench.given()
    answers = pre_trade_bench.ours(case)
    assert {answer.allowed for answer in answers} == {True, False}
    held = {symbol for symbol, position in case.view.positions.items() if position.now.quantity}
    against = [order for order in case.orders if order.symbol in held
               and order.quantity * case.view.positions[order.symbol].now.quantity < 0]
    assert against
