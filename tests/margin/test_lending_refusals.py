"""Calls that the venues' contracts refuse, and what they move at the edges; figures read off their bytecode."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leverline.margin.fixed_point import WAD, VenueRefusesError
from leverline.margin.rulebooks import aave_v3_0, aave_v3_3, aave_v3_7, morpho_blue
from leverline.margin.rulebooks.aave_v3 import Collateral, Holding, Position
from leverline.margin.rulebooks.morpho_blue import Borrowed, incentive_factor

CRUMBS = Position(
    (Collateral("EURS", 744, 100, 144_503_112, 2_935, 5_150, 10_462, 2_095),),
    (Holding("WETH", 16_816_034_110_243, 10**18, 84_270_717_655), Holding("USDC", 1_922_688, 10**6, 287_618_988)),
)
LOAN = (10 * WAD, 17 * 10**15, Borrowed(17_009_166_600, 17 * 10**15), 1_700 * 10**24)
"""A Morpho loan whose price has fallen: collateral, borrow shares, market, price; LLTV 86 %."""
INCENTIVE = incentive_factor(86 * WAD // 100)
CRUMBS_OF_DEBT = Position(
    (
        Collateral("WBTC", 1_928, 10**8, 17_133_489_588, 323, 5_410, 10_594, 283),
        Collateral("LINK", 871_894_994_693_622_373, 10**18, 29_409_608, 32, 1_262, 17_461, 8_240),
    ),
    (Holding("USDC", 3, 10**6, 6_563_325_593_752),),
)


def test_a_liquidation_that_pays_the_liquidator_nothing_reverts() -> None:
    """A liquidator bot would send calls that fail on the chain."""
    with pytest.raises(VenueRefusesError, match="pay the liquidator nothing"):
        aave_v3_0.liquidate(CRUMBS, "EURS", "WETH", 4_119_506_253_024)


@pytest.mark.parametrize("liquidate", [aave_v3_3.liquidate, aave_v3_7.liquidate])
def test_a_liquidation_that_repays_nothing_reverts_while_collateral_is_left(
    liquidate: Callable[[Position, str, str], object]
) -> None:
    """The collateral that is worth less than the smallest unit of debt would seem free to take."""
    with pytest.raises(VenueRefusesError, match="burn no debt"):
        liquidate(CRUMBS_OF_DEBT, "WBTC", "USDC")


def test_a_reserve_that_is_no_collateral_cannot_be_seized() -> None:
    """An asset that counts for nothing in the account's health would be taken from it."""
    held = Position((Collateral("UNI", 10**18, 10**18, 10**9, 0, 0, 10_500, 0), *CRUMBS.collateral), CRUMBS.debt)
    with pytest.raises(VenueRefusesError, match="liquidation threshold is 0"):
        aave_v3_0.liquidate(held, "UNI", "USDC")


def test_a_morpho_liquidator_may_name_the_debt_instead_of_the_collateral() -> None:
    """Whoever repays a chosen debt would be promised another amount of collateral than Morpho pays."""
    done = morpho_blue.liquidate_shares(*LOAN, 17 * 10**15 // 3, INCENTIVE)
    assert (done.seized, done.repaid_assets, done.bad_debt_assets) == (3_481_347_291_176_470_588, 5_669_722_200, 0)


def test_morpho_debt_without_collateral_is_lost_at_once() -> None:
    """Lenders would count on a claim that Morpho has taken off their books."""
    done = morpho_blue.liquidate(*LOAN, 10 * WAD, INCENTIVE)
    assert (done.repaid_assets, done.bad_debt_assets) == (16_286_000_002, 723_166_598)


def test_morpho_refuses_to_take_more_than_there_is() -> None:
    """A liquidator bot would send calls that fail on the chain."""
    with pytest.raises(VenueRefusesError, match="at most the debt"):
        morpho_blue.liquidate_shares(*LOAN, 17 * 10**15, INCENTIVE)
    for seized in (0, 10 * WAD + 1):
        with pytest.raises(VenueRefusesError, match="a part of the collateral"):
            morpho_blue.liquidate(*LOAN, seized, INCENTIVE)
