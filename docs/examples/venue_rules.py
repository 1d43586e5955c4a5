"""Venues' own worked figures, step by step: a deduction, two positions in one wallet, open interest, a liquidation."""

from dataclasses import replace
from fractions import Fraction

from leverline.margin.brackets import Bracket, Brackets
from leverline.margin.rulebooks import aave_v3_0, aave_v3_3, binance_usdm, dydx_v4
from leverline.margin.rulebooks.aave_v3 import Collateral, Holding, Position
from leverline.margin.rulebooks.binance_usdm import OtherContract, liquidation_price, shown_price

WALLET = Fraction("1535443.01")  # USDT
ETH = {"quantity": Fraction("3683.979"), "entry": Fraction("1456.84")}
BTC = {"quantity": Fraction("109.488"), "entry": Fraction("32481.98")}
ETH_TIER = Bracket(Fraction(2_000_000), Fraction("0.1"), Fraction(135_365))
FLOORS = [Fraction(floor) for floor in (0, 50_000, 250_000, 1_000_000, 10_000_000)]
BTC_TABLE = Brackets.from_rates(FLOORS, [Fraction(rate) for rate in ("0.004", "0.005", "0.01", "0.025", "0.05")])
BTC_TIER = BTC_TABLE.rows[3]


def flat(tier):
    """The same tier as engines read it that take the rate from the whole notional."""
    return replace(tier, deduction=Fraction(0))


print("1. a tier with its deduction: ETH alone on the wallet")
price = liquidation_price(WALLET, **ETH, bracket=ETH_TIER)
early = liquidation_price(WALLET, **ETH, bracket=flat(ETH_TIER))
for name, at in (("as the venue has it", price), ("without the deduction", early)):
    notional = ETH["quantity"] * at
    print(f"{name:<22} {float(shown_price(at)):>10,.2f}  notional {float(notional):>12,.2f}  equity "
          f"{float(WALLET + ETH['quantity'] * (at - ETH['entry'])):>10,.2f}  required "
          f"{float(notional * ETH_TIER.rate - ETH_TIER.deduction):>10,.2f}")

print("\n2. a whole table: BTC alone on the wallet")
for row in BTC_TABLE.rows:
    print(f"from {float(row.floor):>10,.0f}: rate {float(row.rate):.1%}, deduction {float(row.deduction):>10,.2f}")
price = binance_usdm.liquidation_price_in_table(WALLET, **BTC, brackets=BTC_TABLE)
early = liquidation_price(WALLET, **BTC, bracket=flat(BTC_TIER))
print(f"as the venue has it {float(shown_price(price)):,.2f}, without the deduction {float(shown_price(early)):,.2f}")

print("\n3. two positions in one wallet")
own = Bracket(Fraction(0), Fraction("0.004"), Fraction(0))
for name, others in (("alone", ()), ("beside one that needs 4", (OtherContract(Fraction(4), Fraction(0)),))):
    print(f"1 unit at 100 on 5, {name}: {float(liquidation_price(5, Fraction(1), 100, own, others)):.2f}")


def beside(position, tier, mark):
    """What a position of the same wallet brings, at its own mark."""
    size, value = position["quantity"], position["quantity"] * mark
    return OtherContract(value * tier.rate - tier.deduction, size * (mark - position["entry"]))


eth, btc = beside(ETH, ETH_TIER, Fraction("1335.18")), beside(BTC, BTC_TIER, Fraction("31967.27"))
for name, mine, tier, other in (("BTC", BTC, BTC_TIER, eth), ("ETH", ETH, ETH_TIER, btc)):
    price = liquidation_price(WALLET, **mine, bracket=tier, others=[other])
    blind = liquidation_price(WALLET, **mine, bracket=tier, others=[replace(other, maintenance_margin=Fraction(0))])
    print(f"{name}: the other needs {float(other.maintenance_margin):,.2f} and has made "
          f"{float(other.unrealized_profit):,.2f}: {float(shown_price(price)):,.2f}; "
          f"its need left out: {float(shown_price(blind)):,.2f}")

print("\n4. open interest: what 100,000 USDC of notional need on dYdX, mid tier")
MILLION = 10**12  # quote quantums
tier = dydx_v4.LiquidityTier(50_000, 600_000, open_interest_lower=40 * MILLION, open_interest_upper=100 * MILLION)
for millions in (30, 40, 55, 70, 85, 100, 120):
    needed = dydx_v4.initial_margin(MILLION // 10, tier, millions * MILLION)
    kept = dydx_v4.maintenance_margin(MILLION // 10, tier)
    print(f"{millions:>4} million open: initial {needed / 1e6:>10,.2f}, leverage {100_000 / (needed / 1e6):>5.2f}, "
          f"maintenance {kept / 1e6:,.2f}")

print("\n5. an Aave position through its liquidation")
weth = Collateral("WETH", 10 * 10**18, 10**18, 2_000 * 10**8, 8_000, 8_250, 10_500, 1_000)
position = Position((weth,), (Holding("USDC", 16_000 * 10**6, 10**6, 10**8),))
print(f"at 2,000: health factor {aave_v3_0.account_state(position).health_factor / 1e18}")
position = replace(position, collateral=(replace(weth, price=1_900 * 10**8),))
print(f"at 1,900: health factor {aave_v3_0.account_state(position).health_factor / 1e18}")
taken, left = aave_v3_0.liquidate(position, "WETH", "USDC")
state = aave_v3_0.account_state(left)
print(f"repaid {taken.debt_repaid / 1e6:,.2f} USDC; seized {taken.collateral_seized / 1e18:.7f} WETH: "
      f"{taken.to_liquidator / 1e18:.7f} to the liquidator, {taken.protocol_fee / 1e18:.7f} to the protocol")
print(f"left: {left.collateral[0].amount / 1e18:.7f} WETH against {left.debt[0].amount / 1e6:,.2f} USDC, "
      f"health factor {state.health_factor / 1e18:.6f}, net {(state.collateral_value - state.debt_value) / 1e8:,.2f}")
print(f"v3.6 takes the same: {aave_v3_3.liquidate(position, 'WETH', 'USDC').taken == taken}")
