"""Drift v2 liquidation: how much, at which fee, who pays what remains.

Source: drift-labs/protocol-v2 (2026-04), programs/drift/src/math/liquidation.rs, controller/liquidation.rs. Base 1e-9,
quote and price 1e-6, ratios, weights and percentages 1e-4, fees and fee multipliers 1e-6, funding rates 1e-9.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import VenueRefusesError
from leverline.margin.rounding import ceil_div, truncated_div
from leverline.margin.rulebooks.description import RulebookDescription, Source
from leverline.margin.rulebooks.drift_v2 import (
    BASE,
    OPEN_ORDER_REQUIREMENT,
    PRICE,
    RATIO,
    base_value,
    liability_weight,
    unrealized_pnl,
    worst_case_base,
)
from leverline.margin.rulebooks.drift_v2_markets import PRESETS

FEE = 10**6
UINT64_MAX = 2**64 - 1
UINT128_MAX = 2**128 - 1
_RATIO_TO_FEE = FEE // RATIO
_SMALL = 50 * 10**6  # quote; below it liquidation is not staged
_GRACE_SLOTS = 1_500
_FUNDING_TO_QUOTE = 1_000
_MAX_FEE_MULTIPLE = 3


def liquidator_fee(base_fee: int, max_fee: int, slots_idle: int) -> int:
    """Grows by 0.01 bp a slot of idleness once 1,500 slots have passed, so that unpopular accounts find a buyer."""
    return base_fee if slots_idle < _GRACE_SLOTS else min(base_fee + slots_idle, max_fee)


def max_liquidator_fee(base_fee: int, maintenance_ratio: int) -> int:
    """Three times the base fee, at most the maintenance ratio."""
    return min(base_fee * _MAX_FEE_MULTIPLE, maintenance_ratio * _RATIO_TO_FEE)


def base_to_cover(shortage: int, ratio: int, fee: int, fund_fee: int, price: int, quote_price: int) -> int:
    """Base to close so that the freed requirement, less both fees, covers ``shortage`` (quote); all if fees eat it."""
    rate = ratio * _RATIO_TO_FEE
    if price == 0 or rate <= fee:
        return UINT64_MAX
    freed = price * quote_price // PRICE * (rate - fee) // FEE - price * fund_fee // FEE
    return UINT64_MAX if freed <= 0 else shortage * BASE // freed


def fund_fee_of_perp(shortage: int, base: int, ratio: int, fee: int, price: int, quote_price: int, max_fee: int) -> int:
    """What the insurance fund may take: 95% of what the requirement leaves after the liquidator and the shortage."""
    rate = ratio * _RATIO_TO_FEE
    if 0 in (price, quote_price, base) or rate <= fee:
        return 0
    needed = shortage * BASE // base * PRICE // (price * quote_price // PRICE)
    return min(max_fee, max(max(rate - fee, 0) - needed, 0) * 19 // 20)


def fund_fee_of_spot(shortage: int, tokens: int, asset: int, asset_multiplier: int, liability: int,
                     liability_multiplier: int, decimals: int, price: int, max_fee: int) -> int:
    """The same for a borrow, as a share of the liability's weighted value."""
    if asset >= liability or 0 in (price, tokens, liability_multiplier):
        return 0
    weighted = liability * _RATIO_TO_FEE
    left = max(weighted - asset * _RATIO_TO_FEE * asset_multiplier // liability_multiplier, 0)
    needed = shortage * int(10**decimals) // tokens * PRICE // price
    return min(max_fee, max(left - needed, 0) * FEE // weighted)


def liability_to_cover(shortage: int, asset: int, asset_multiplier: int, liability: int, liability_multiplier: int,
                       decimals: int, price: int, fund_fee: int) -> int:
    """Liability tokens to move to the liquidator so that ``shortage`` (quote) is covered; weights 1e-4."""
    weighted_asset = asset * 10 * asset_multiplier // liability_multiplier
    if weighted_asset >= liability * 10:
        return UINT128_MAX
    freed = price * (liability * 10 - weighted_asset) - price * fund_fee // FEE * liability * 10
    if freed <= 0:
        return UINT128_MAX
    scale_up, scale_down = _scales(decimals, 6)
    return shortage * scale_up * PRICE * RATIO * 10 // freed // scale_down


def liability_for_asset(asset_tokens: int, asset_multiplier: int, asset_decimals: int, asset_price: int,
                        liability_multiplier: int, liability_decimals: int, liability_price: int) -> int:
    """Liability tokens that ``asset_tokens`` pay for, up: the liquidator brings no less than the rule."""
    scale_up, scale_down = _scales(liability_decimals, asset_decimals)
    paid = asset_tokens * scale_up * asset_price * liability_multiplier
    return ceil_div(ceil_div(paid, liability_price * asset_multiplier), scale_down)


def asset_for_liability(asset_tokens: int, asset_multiplier: int, asset_decimals: int, asset_price: int,
                        liability_tokens: int, liability_multiplier: int, liability_decimals: int,
                        liability_price: int) -> int:
    """Asset tokens the liquidator receives; all of them if what would remain is worth less than 1 quote."""
    scale_up, scale_down = _scales(asset_decimals, liability_decimals)
    owed = liability_tokens * scale_up * liability_price * asset_multiplier
    transfer = max(owed // (asset_price * liability_multiplier) // scale_down, 1)
    dust = abs(asset_tokens - transfer) * asset_price // int(10**asset_decimals)
    return asset_tokens if dust < PRICE else transfer


def swap_is_fair(asset_tokens: int, liability_tokens: int, asset_decimals: int, liability_decimals: int,
                 asset_price: int, liability_price: int, asset_multiplier: int, liability_multiplier: int) -> bool:
    """A liquidator that swaps the account's assets may not do worse than the liquidation discount."""
    swapped = liability_tokens * PRICE // int(10**liability_decimals) * int(10**asset_decimals) // asset_tokens
    return swapped >= asset_price * PRICE * liability_multiplier // liability_price // asset_multiplier


def max_share(shortage: int, already_freed: int, slots: int, initial_share: int, duration: int) -> int:
    """Share (1e-4) of the shortage that may be liquidated now: grows with time; a small shortage goes at once."""
    if shortage < _SMALL:
        return RATIO
    freeable = min((slots * RATIO // duration if duration else RATIO) + initial_share, RATIO)
    allowed = max((shortage + already_freed) * freeable // RATIO - already_freed, 0)
    return allowed * RATIO // shortage


@dataclass(frozen=True, slots=True)
class PerpAccount:
    """An account with one perpetual position: base, quote entry, quote deposit, open orders (asks negative)."""

    base: int
    quote: int
    deposit: int
    open_bids: int
    open_asks: int
    orders: int


@dataclass(frozen=True, slots=True)
class PerpMarket:
    """Figures of one market and of the state that a liquidation reads."""

    price: int
    maintenance_ratio: int
    imf_factor: int
    base_fee: int
    max_fund_fee: int
    buffer_ratio: int
    initial_share: int
    duration: int
    step: int


@dataclass(frozen=True, slots=True)
class Liquidated:
    """The account after one call, what the liquidator took over, what the fund received."""

    account: PerpAccount
    liquidator_base: int
    liquidator_quote: int
    fund_fee: int
    margin_freed: int  # quote by which all calls of this liquidation have reduced the shortage
    goes_on: bool  # whether the account stays in liquidation; the next call is then told ``margin_freed``


def buffered_collateral(deposit: int, pnl: int, buffer_ratio: int) -> int:
    """Collateral an account must show to leave liquidation: a loss counts ``buffer_ratio`` (1e-4) more than itself."""
    return deposit + pnl + truncated_div(min(pnl, 0) * buffer_ratio, RATIO)


def perp_margin(account: PerpAccount, price: int, maintenance_ratio: int, imf_factor: int) -> tuple[int, int]:
    """(maintenance requirement, worst-case liability) with open orders, quote."""
    size = worst_case_base(account.base, account.open_bids, account.open_asks)
    liability = base_value(size, price)
    ratio = liability_weight(abs(size), imf_factor, maintenance_ratio)
    return liability * ratio // RATIO + account.orders * OPEN_ORDER_REQUIREMENT, liability


def liquidate_perp(account: PerpAccount, market: PerpMarket, max_base: int, slots: int,
                   already_freed: int | None = None) -> Liquidated:
    """One call: cancel orders, then move to the liquidator what covers the shortage over the buffered requirement.

    ``slots`` since the account entered liquidation, so 0 in the first call; ``already_freed`` is the ``margin_freed``
    of the call before, None in the first. Nothing moves if the account is safe: at its requirement before liquidation,
    at the buffered one inside it. ``max_base`` is what the liquidator takes at most, cut to whole steps.
    """
    before, freed = shortage(account, market), already_freed or 0
    is_safe = _is_maintained(account, market) if already_freed is None else before <= 0
    if is_safe:
        return Liquidated(account, 0, 0, 0, freed, goes_on=False)
    bare = PerpAccount(account.base, account.quote, account.deposit, 0, 0, 0)
    remaining = shortage(bare, market)
    freed += max(before - abs(remaining), 0)  # the venue measures the distance, a surplus counts back
    if remaining <= 0 or account.base == 0:
        return Liquidated(bare, 0, 0, 0, freed, goes_on=remaining > 0)
    if max_base < market.step:
        raise VenueRefusesError("a liquidator takes at least one step of the position")
    return _close(bare, market, remaining, max_base // market.step * market.step, slots, freed)


def shortage(account: PerpAccount, market: PerpMarket) -> int:
    """What buffered collateral lacks to the buffered requirement, quote; negative where it is more than that."""
    pnl = unrealized_pnl(account.base, account.quote, market.price)
    margin, liability = perp_margin(account, market.price, market.maintenance_ratio, market.imf_factor)
    buffered = buffered_collateral(account.deposit, pnl, market.buffer_ratio)
    return margin + liability * market.buffer_ratio // RATIO - buffered


def _is_maintained(account: PerpAccount, market: PerpMarket) -> bool:
    margin, _ = perp_margin(account, market.price, market.maintenance_ratio, market.imf_factor)
    return account.deposit + unrealized_pnl(account.base, account.quote, market.price) >= margin


def _close(account: PerpAccount, market: PerpMarket, lacking: int, max_base: int, slots: int, freed: int,
           ) -> Liquidated:
    """Transfer base at the oracle price less fees, as much of what covers ``lacking`` as time has freed."""
    size = abs(account.base)
    ratio = liability_weight(size, market.imf_factor, market.maintenance_ratio) + market.buffer_ratio
    fee = liquidator_fee(market.base_fee, max_liquidator_fee(market.base_fee, market.maintenance_ratio), slots)
    fund_rate = fund_fee_of_perp(lacking, size, ratio, fee, market.price, PRICE, market.max_fund_fee)
    cover = ceil_div(base_to_cover(lacking, ratio, fee, fund_rate, market.price, PRICE), market.step) * market.step
    allowed = cover * max_share(lacking, freed, slots, market.initial_share, market.duration) // RATIO
    if allowed == 0:
        return Liquidated(account, 0, 0, 0, freed, goes_on=True)
    least = 0 if base_value(size, market.price) > _SMALL else size
    closed = ceil_div(min(size, max_base, max(allowed, least)), market.step) * market.step
    value = base_value(closed, market.price)
    side = 1 if account.base > 0 else -1
    proceeds = side * value - value * fee // FEE  # each fee is cut by itself
    fund_fee = value * fund_rate // FEE
    after = PerpAccount(account.base - side * closed, account.quote + proceeds - fund_fee, account.deposit, 0, 0, 0)
    freed += max(lacking - abs(shortage(after, market)), 0)
    return Liquidated(after, side * closed, -proceeds, fund_fee, freed, goes_on=closed < cover)


@dataclass(frozen=True, slots=True)
class Socialized:
    """Who paid for a bankrupt position, quote; ``funding_rate_delta`` (1e-9) is charged to longs and shorts alike."""

    insurance: int
    fee_pool: int
    social_loss: int
    funding_rate_delta: int


def funding_delta(loss: int, base_long: int, base_short: int) -> int:
    """Funding-index change that spreads ``loss`` (quote) over all open base of both sides, up."""
    open_base = abs(base_long) + abs(base_short)
    require(open_base > 0, "a loss is spread over open interest above 0", got=open_base)
    return ceil_div(abs(loss) * BASE, open_base) * _FUNDING_TO_QUOTE


def funding_payment(rate_delta: int, base: int) -> int:
    """What a holder of ``base`` pays (quote) for ``rate_delta``."""
    return truncated_div(truncated_div(rate_delta * base, BASE), _FUNDING_TO_QUOTE)


def deposit_interest_delta(borrow: int, total_deposits: int, cumulative_interest: int) -> int:
    """Cut of the depositors' index that pays for ``borrow``, up; nothing where nobody deposited."""
    return ceil_div(cumulative_interest * borrow, total_deposits) if total_deposits else 0


def resolve_bankruptcy(quote: int, vault: int, insurance_left: int, fee_pool: int, base_long: int, base_short: int,
                       ) -> Socialized:
    """Waterfall of a position without base: insurance (all but one unit of the vault), fee pool, everybody."""
    loss = max(-quote, 0)
    insurance = min(loss, max(vault - 1, 0), insurance_left)
    from_pool = min(loss - insurance, fee_pool)
    rest = loss - insurance - from_pool
    return Socialized(insurance, from_pool, rest, funding_delta(rest, base_long, base_short) if rest else 0)


def _scales(to_decimals: int, from_decimals: int) -> tuple[int, int]:
    return 10 ** max(to_decimals - from_decimals, 0), 10 ** max(from_decimals - to_decimals, 0)


RULEBOOK = RulebookDescription(
    name="drift-v2",
    venue="Drift v2",
    scope="perpetuals",
    rules={
        "requirement": "ratio = max(r, 4/5 r + sqrt(10 * size + 1) * imf); initial, fill (mean) and maintenance; on the"
                       " worse of all bids or all asks filled, plus 0.01 an open order",
        "collateral": "deposits times min(weight, 1.1 / (1 + sqrt term)) at the lower of oracle and TWAP, plus"
                      " unrealised pnl, profits weighted by size and capped at 100 for initial margin",
        "trigger": "collateral below maintenance; out again only above maintenance plus a buffer",
        "sizing": "shortage / (price * (ratio + buffer - fees)), up to the step, times a share that grows with time",
        "fees": "the liquidator's fee grows 0.01 bp a slot after 1,500 idle slots; the fund takes what is left, 95%",
        "bankruptcy": "insurance, then the fee pool, then both sides of the market through the funding index",
    },
    rounding="integers cut towards zero (for the account); losses that are spread round up (for the venue)",
    sources=(Source("drift-labs/protocol-v2, programs/drift/src/math/margin.rs", "2026-04-01"),
             Source("drift-labs/protocol-v2, programs/drift/src/math/liquidation.rs", "2026-04-01"),
             Source("drift-labs/protocol-v2, programs/drift/src/controller/liquidation.rs", "2026-04-01")),
    families=("drift-marginratio", "drift-assetweight", "drift-liabweight", "drift-scaledweight", "drift-upnlweight",
              "drift-perpvalue", "drift-prediction", "drift-account", "drift-strict", "drift-buffer",
              "drift-isolated", "drift-basetocover", "drift-liabtransfer", "drift-liabimplied",
              "drift-assettransfer", "drift-socialloss", "drift-perpiffee", "drift-spotiffee", "drift-maxpct",
              "drift-liqfee", "drift-swapband", "drift-liquidate", "drift-whale", "drift-bankruptcy"),
    presets=PRESETS,
    cautions=("A solvent holder pays for a bankrupt one through the funding index, on whichever side.",
              "The reduction of the profit weight by the market's pnl imbalance and the oracle guards are left out.",
              "SOL's weights are of an undated page; the scaling of its initial weight by total deposits is left out."),
)
