"""Venues' own figures about liquidation and insurance through ``Venue.apply``, not only through the rulebook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest

from leverline.enforce.bankruptcy import BankruptcyPrice, FillablePrice, OracleMinusFee
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.effects import Deleveraged, FundMovement, LiquidationClosed, LiquidationOrder, LossShared
from leverline.enforce.events import Deposit, Fill, FundInsurance, LiquidationFill, OpenPool, OracleUpdate, PoolKey
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE, PRESETS
from leverline.enforce.sizing import Portion, WholePool
from leverline.enforce.state import VenueState
from leverline.enforce.terms import TierTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.margin.rulebooks.drift_v2_liquidation import funding_payment
from leverline.model.accounts import Mode
from tests.enforce.worlds import ANN, BOB, BTC, CAT, World, kinds, market

GOLDEN = Path(__file__).parents[1] / "golden"
PPM = 10**6
POOL = PoolKey("liquidated")
LOT = {"BTC": 10_000, "ETH": 10_000}  # base quantums: 1e-4 BTC at ticks of 0.01, 1e-5 ETH at ticks of 0.1
TICKS = {"BTC": 100, "ETH": 10}  # a dollar
PLAIN = replace(LEVERLINE, size=WholePool(), closing_stages=())

REPRODUCED = {
    "dydx-bankruptcy": "the limit of the order", "dydx-fillable": "the limit of the order",
    "dydx-insurance": "what the fund receives or pays", "dydx-partial": "the notional of the order",
    "dydx-adl": "who is closed, for how much", "dydx-acctliq": "whether an order goes out",
    "binance-isoliq": "the price at which the order goes out",
    "binance-liqprice": "the price at which the order goes out",
    "hyperliquid-isoliq": "the price at which the order goes out",
    "drift-socialloss": "what each holder bears; of deposits' interest there is none here",
}
"""Families of this file, and which answer of the venue is held against the figure."""

NOT_HERE = {
    "dydx-isliq": "bare figures without an account", "dydx-riskcmp": "ranks two accounts; the venue goes by number",
    "dydx-ifvalid": "bare figures; the venue reserves what stands behind an order instead",
    "dydx-transition": "judges trades of an account; the venue's rule for reductions is its own",
    "dydx-acctrisk": "a margin figure, held by the margin floor", "dydx-subticks": "a unit conversion",
    "bybit-bankruptcy": "an inverse contract; the ledger carries linear ones only",
    "okx-partial": "the rule of about 2020; the preset follows the present one",
    "bitmex-adl": "scores without accounts; held with the deleveraging policies",
    "drift-perpiffee": "Drift's fee formula; the venue's penalty is the limit book's",
    "drift-liquidate": "closes by Drift's fees and scaled weights; the venue's size follows its share of time only",
    "drift-basetocover": "as drift-liquidate", "drift-liqfee": "as drift-perpiffee",
    "drift-maxpct": "bare figures; the staged size calls the same function",
    "drift-bankruptcy": "pays through an AMM's fee pool, which is not a stage here",
    "drift-liabtransfer": "spot borrows are not carried", "drift-assettransfer": "spot borrows are not carried",
    "drift-liabimplied": "spot borrows are not carried", "drift-spotiffee": "spot borrows are not carried",
    "drift-swapband": "spot borrows are not carried",
    "synthetix-liq": "flags and keeper rewards are not carried", "synthetix-window": "no throughput window by skew",
    "synthetix-windowseq": "no throughput window by skew",
    "gmx-liquidation": "a pool's fees and price impact decide; the venue's margin does not carry them",
    "gmx-adl": "switched on by the pool's profit, not by a bankrupt account",
}
"""Families about liquidation, insurance or deleveraging that the venue does not reproduce, and why."""

FINER_THAN_A_TICK = {"dydx-bankruptcy-12", "dydx-bankruptcy-13"}  # quote of a part, rounded below a tick of a lot
BELOW_A_TICK = {"dydx-insurance-13"}  # a fill at no price


def cases(file: str, family: str) -> list[Any]:
    rows = json.loads((GOLDEN / f"{file}.json").read_text())["cases"]
    return [pytest.param(c["inputs"], c["expected"], id=c["id"]) for c in rows if c["id"].rsplit("-", 1)[0] == family
            and c["id"] not in FINER_THAN_A_TICK | BELOW_A_TICK]


def dydx_world(policies: VenuePolicies, initial_ppm: int, fraction_ppm: int, penalty_ppm: int = 0) -> World:
    rates = {"initial_ppm": initial_ppm, "maintenance_ppm": initial_ppm * fraction_ppm // PPM,
             "penalty_ppm": penalty_ppm, "value": 1}
    world = World.of(policies, market("BTC", **rates), market("ETH", **rates))
    world.must(FundInsurance("", 10**12))
    return world


def hold(world: World, key: PoolKey, usdc: int, positions: Sequence[dict[str, Any]]) -> None:
    """A pool with net ``usdc`` (cash less cost) and positions, opened away from the oracle so that it can pay."""
    world.must(OpenPool(key, key.account, Mode.CROSS))
    cost = 0
    trades = []
    for row in positions:
        lots = row["base_quantums"] // LOT[row["market"]]
        oracle = row.get("oracle_price", 50_000) * TICKS[row["market"]]
        price = oracle * 13 // 10 if lots > 0 else oracle * 7 // 10
        cost += lots * price
        trades.append((row["market"], lots, price))
    if usdc + cost > 0:
        world.must(Deposit(key, "USDT", usdc + cost))
    for name, lots, price in trades:
        buyer, seller = (key, OUTSIDE_MARKET) if lots > 0 else (OUTSIDE_MARKET, key)
        world.must(Fill(name, buyer, seller, abs(lots), price))
    pool = world.venue.state.number[key]
    assert world.venue.state.ledger.cash[pool] - sum(world.venue.state.positions.cost[pool].values()) == usdc


def orders(world: World, prices: dict[str, int]) -> dict[str, LiquidationOrder]:
    """Orders after the oracle spoke of every market."""
    found: dict[str, LiquidationOrder] = {}
    for name, price in prices.items():
        effects = world.must(OracleUpdate(name, "oracle", price * TICKS[name], 0, 0))
        found |= {e.market: e for e in effects if isinstance(e, LiquidationOrder)}
    return found


def liquidated(policies: VenuePolicies, inputs: dict[str, Any], penalty_ppm: int = 0) -> tuple[World, dict[str, Any]]:
    rows = inputs["positions"]
    world = dydx_world(policies, rows[0]["initial_margin_ppm"], rows[0]["maintenance_fraction_ppm"], penalty_ppm)
    hold(world, POOL, inputs["usdc"], rows)
    return world, orders(world, {row["market"]: row["oracle_price"] for row in rows})


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-bankruptcy"))
def test_dydx_bankruptcy_price(inputs: Any, expected: Any) -> None:
    """An order at another price than the chain's would use the fund where the chain does not."""
    _, found = liquidated(replace(PLAIN, price=BankruptcyPrice()), inputs)
    name = inputs["close_market"]
    lots = Fraction(-inputs["delta_base_quantums"], LOT[name])
    assert found[name].limit * lots == expected["bankruptcy_quote_quantums"]


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-fillable"))
def test_dydx_fillable_price(inputs: Any, expected: Any) -> None:
    """A limit off the chain's would be filled, or refused, where the chain does otherwise."""
    price = FillablePrice(inputs["bankruptcy_adjustment_ppm"], inputs["spread_to_mmr_ratio_ppm"])
    _, found = liquidated(replace(PLAIN, price=price), inputs)
    name = inputs["close_market"]
    exact = Fraction(*expected["fillable_price"]) * LOT[name]
    assert found[name].limit == (ceil(exact) if found[name].lots > 0 else floor(exact))


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-insurance"))
def test_dydx_insurance_delta(inputs: Any, expected: Any) -> None:
    """A fund that takes or pays another sum than the chain's is another fund."""
    policies = replace(PLAIN, price=OracleMinusFee(200_000))
    world, found = liquidated(policies, inputs, inputs["max_liquidation_fee_ppm"])
    before = world.fund()
    price = Fraction(inputs["fill_price_subticks"]) * Fraction(10) ** inputs["quantum_conversion_exponent"] * LOT["BTC"]
    assert price.denominator == 1
    effects = world.must(LiquidationFill(found["BTC"].order, OUTSIDE_MARKET,
                                         inputs["fill_base_quantums"] // LOT["BTC"], int(price)))
    assert world.fund() - before == expected["insurance_fund_delta"]
    paid = [e.amount for e in effects if isinstance(e, FundMovement)]
    assert paid == [delta for delta in [expected["insurance_fund_delta"]] if delta]
    closed = next(e for e in effects if isinstance(e, LiquidationClosed))
    assert closed.penalty == max(0, expected["insurance_fund_delta"])


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-partial"))
def test_dydx_portion(inputs: Any, expected: Any) -> None:
    """A block that takes more than its portion moves the market by itself."""
    size = Portion(inputs["max_position_portion_liquidated_ppm"], inputs["min_position_notional_liquidated"])
    world = dydx_world(replace(PLAIN, size=size), 20_000, 600_000)
    lots = inputs["position_notional"] // (50_000 * TICKS["BTC"])
    hold(world, POOL, -inputs["position_notional"] + 1, [{"market": "BTC", "base_quantums": lots * LOT["BTC"]}])
    found = orders(world, {"BTC": 50_000})
    assert found["BTC"].lots * 50_000 * TICKS["BTC"] == expected["max_notional"]


@dataclass(frozen=True)
class InOrder:
    """Candidates as they come: the chain's tests force the order that its random start gives."""

    promises_order: bool = False
    promises_continuity: bool = False

    def allot(self, state: VenueState, name: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        rows, left = [], abs(need)
        for pool in winners:
            lots = min(left, abs(state.positions.lots[pool][name]))
            rows.append((pool, lots))
            left -= lots
        return rows


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-adl"))
def test_dydx_deleveraging(inputs: Any, expected: Any) -> None:
    """Who is closed, for how much and at what price is all that a winner will ask."""
    policies = replace(PLAIN, patience_ns=0, closing_stages=(Deleveraging(InOrder()),))
    world = dydx_world(policies, inputs["initial_margin_ppm"], inputs["maintenance_fraction_ppm"])
    hold(world, POOL, inputs["liquidated"]["usdc"], inputs["liquidated"]["positions"])
    for row in inputs["candidates_in_order"]:
        for position in row["positions"]:
            position["oracle_price"] = inputs["oracle"][position["market"]]
        hold(world, PoolKey(row["id"]), 200_000 * PPM if row["usdc"] is None else row["usdc"], row["positions"])
    world.must(OracleUpdate("ETH", "oracle", inputs["oracle"]["ETH"] * TICKS["ETH"], 0, 0))
    effects = world.must(OracleUpdate("BTC", "oracle", inputs["oracle"]["BTC"] * TICKS["BTC"], 0, 0))
    fills = [[e.pool.account, e.lots * LOT["BTC"]] for e in effects if isinstance(e, Deleveraged)]
    assert fills == expected["fills"]
    assert {name: world.cash(PoolKey(name)) for name in expected["final_usdc"]} == expected["final_usdc"]


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-dydx-v4", "dydx-acctliq"))
def test_dydx_liquidatable(inputs: Any, expected: Any) -> None:
    """An account that the chain leaves alone must not be sold, nor one that it sells be kept."""
    if not inputs["positions"]:
        world = dydx_world(PLAIN, 200_000, 500_000)
        world.open(POOL, max(0, inputs["usdc"]))
        assert world.must(OracleUpdate("BTC", "oracle", 5_000_000, 0, 0)) == ()
        return
    for row in inputs["positions"]:
        row.setdefault("initial_margin_ppm", 200_000)
        row.setdefault("maintenance_fraction_ppm", 500_000)
        row.setdefault("oracle_price", 50_000)
    _, found = liquidated(PLAIN, inputs)
    assert bool(found) is expected["liquidatable"]


def orders_around(side: int, entry: Fraction, size: Fraction, margin: Fraction, tiers: tuple[TierTerms, ...],
                  price: Fraction, hair: Fraction) -> tuple[bool, bool]:
    """Whether an order goes out just before and just after ``price``: by the share ``hair`` of it and one tick."""
    lot = Fraction(1, size.limit_denominator(10**6).denominator)
    tick = Fraction(1, PPM) / lot
    answers = []
    for at in (price + side * (price * hair + tick), price - side * (price * hair + tick)):
        world = World.of(PLAIN, market("M", tiers=tiers, value=1, penalty_ppm=0))
        world.open(POOL, ceil(margin * PPM))
        buyer, seller = (POOL, OUTSIDE_MARKET) if side > 0 else (OUTSIDE_MARKET, POOL)
        world.must(Fill("M", buyer, seller, int(size / lot), round(entry / tick)))
        effects = world.must(OracleUpdate("M", "oracle", max(1, round(at / tick)), 0, 0))
        answers.append("LiquidationOrder" in kinds(effects))
    return answers[0], answers[1]


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-binance", "binance-isoliq"))
def test_binance_isolated_liquidation_price(inputs: Any, expected: Any) -> None:
    """A position sold before its printed price is sold against the venue's word; after it, at somebody's loss."""
    tiers = (TierTerms(0, 20_000, round(inputs["mmr"] * PPM), round(inputs["maintenance_amount"] * PPM)),)
    assert orders_around(-1 if inputs["is_short"] else 1, Fraction(inputs["entry"]), Fraction(str(inputs["size"])),
                         Fraction(inputs["isolated_margin"]), tiers, Fraction(expected["liquidation_price"]),
                         Fraction(1, 10**5)) == (False, True)


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-binance", "binance-liqprice"))
def test_binance_liquidation_price_beside_another_position(inputs: Any, expected: Any) -> None:
    """In cross margin the other position's loss and need bring liquidation nearer."""
    own, other = inputs["position"], inputs["other"]
    rows = [own] if other is None else [own, other]
    markets = [market(f"M{i}", value=10, penalty_ppm=0, tiers=(
        TierTerms(0, 200_000, round(row["mmr"] * PPM), round(row["cum"] * PPM)),)) for i, row in enumerate(rows)]
    found = []
    for cents in (1, -1):
        world = World.of(PLAIN, *markets)
        world.open(POOL, round(inputs["wallet_balance"] * PPM))
        for i, row in enumerate(rows):  # lots of 0.001 at ticks of 0.01
            world.must(Fill(f"M{i}", POOL, OUTSIDE_MARKET, round(row["size"] * 1000), round(row["entry"] * 100)))
        if other is not None:
            world.must(OracleUpdate("M1", "oracle", round(other["mark"] * 100), 0, 0))
        price = round(expected["liquidation_price"] * 100) + cents
        found.append("LiquidationOrder" in kinds(world.must(OracleUpdate("M0", "oracle", price, 0, 0))))
    assert found == [False, True]


@pytest.mark.parametrize(("inputs", "expected"), cases("perp-hyperliquid", "hyperliquid-isoliq"))
def test_hyperliquid_isolated_liquidation_price(inputs: Any, expected: Any) -> None:
    """The exchange's own liquidation prices of real positions."""
    tiers = (TierTerms(0, ceil(Fraction(PPM, inputs["max_leverage"])), ceil(Fraction(PPM, 2 * inputs["max_leverage"])),
                       0),)
    assert orders_around(inputs["side"], Fraction(str(inputs["entry_price"])), Fraction(str(inputs["size"])),
                         Fraction(str(inputs["isolated_margin"])), tiers, Fraction(str(expected["liquidation_price"])),
                         Fraction(2, 10**4)) == (False, True)


@pytest.mark.parametrize(("inputs", "expected"), [
    case for case in cases("perp-drift-v2", "drift-socialloss") if "loss" in case.values[0]])
def test_drift_socialised_loss(inputs: Any, expected: Any) -> None:
    """Holders who bear more or less than the funding index takes from them have bought into another venue.

    A lot is 1e-3 of the base. Ann sells 1,000 lots at the limit, 20 % below her entry, with half the money for it.
    """
    policies = replace(PRESETS["drift-v2"], size=WholePool(), price=OracleMinusFee(0))
    world = World.of(policies, market(BTC, penalty_ppm=0))
    loss, (long, short) = -inputs["loss"], (abs(inputs[side]) // 10**6 for side in ("base_long", "base_short"))
    world.open(ANN, 2_000 * 1_000 * 100 - loss)
    world.price(BTC, 10_000)
    for key, buyer, seller, lots in ((BOB, BOB, OUTSIDE_MARKET, long), (CAT, OUTSIDE_MARKET, CAT, short),
                                     (ANN, ANN, OUTSIDE_MARKET, 1_000)):
        if key != ANN:
            world.open(key, 10**12)
        world.trade(buyer, seller, lots, 10_000)
    order = next(e for e in world.price(BTC, 8_000) if isinstance(e, LiquidationOrder))
    effects = world.must(LiquidationFill(order.order, OUTSIDE_MARKET, order.lots, order.limit))
    borne = {e.pool: e.amount for e in effects if isinstance(e, LossShared)}
    assert sum(borne.values()) == loss
    for key, lots in ((BOB, long), (CAT, short)):
        payment = funding_payment(expected["cumulative_funding_rate_delta"], lots * 10**6)
        assert 0 <= payment - borne[key] <= lots // 1_000  # the index is rounded up, by less than a unit a base


def test_every_family_about_liquidation_has_its_answer() -> None:
    """A family that is neither reproduced nor explained is a gap that nobody sees."""
    words = ("liq", "insur", "bankrupt", "adl", "partial", "fillable", "window", "socialloss", "maxpct", "basetocover",
             "iffee", "ifvalid", "swapband", "transfer")
    found = {c["id"].rsplit("-", 1)[0] for file in sorted(GOLDEN.glob("perp-*.json"))
             for c in json.loads(file.read_text())["cases"]}
    about = {family for family in found if any(word in family.split("-", 1)[1] for word in words)}
    assert about - set(REPRODUCED) - set(NOT_HERE) == set()
