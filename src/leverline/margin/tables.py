r"""Accounts, rules and prices laid out as the arrays that every margin kernel reads.

A position of signed base size :math:`b` (base units), entry cost :math:`C` (signed, settlement currency) in a market
with price :math:`p` adds to its pool

.. math:: f(p) = b p - C - (r_k |b| p - c_k) - (a |b| p + d)

with the rate and deduction of the market's bracket :math:`k` that holds :math:`|b| p` (of continuous tables the
largest of all brackets' lines) and the position's own line :math:`(a, d)`, which carries the curves that are driven by
size or by entry. An inverse position of :math:`q` contracts of :math:`s` quote units is one
of :math:`b = q s / e` base units at entry price :math:`e`: its profit in quote units is :math:`b p - q s`, and its
requirement, a share of the constant :math:`|q| s`, is an own line of slope 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import require
from leverline.margin.curve_tables import CurveTables, curve_tables
from leverline.margin.rules import AssetRules, VenueRules
from leverline.model.accounts import MODES, AccountBook, Asset, Market, Mode, Pool
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState

_PORTFOLIO = "portfolio margin needs scenarios and options, which this check does not run"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A pool that could not be valued, and why; it is reported, never dropped in silence."""

    pool: Pool
    reason: str


@dataclass(frozen=True, slots=True)
class AssetTables:
    """Prices and weights of assets; asset ``a`` owns value slices ``first_slice[a]:first_slice[a + 1]``.

    ``weight_cap`` has one entry a holding: the weight that its own size leaves it (infinite where size does not tell).
    """

    price_owned: FloatArray
    price_owed: FloatArray
    first_slice: npt.NDArray[np.int32]
    slice_floor: FloatArray
    initial_weight: FloatArray
    maintenance_weight: FloatArray
    value_cap: FloatArray
    debt_initial_weight: FloatArray
    debt_maintenance_weight: FloatArray
    is_settlement: BoolArray
    weight_cap: FloatArray


@dataclass(frozen=True, slots=True)
class MarginTables:
    """What :func:`margin_tables` returns; ``book`` holds just the pools that can be valued, in their old order.

    Attributes
    ----------
    book : AccountBook
    skipped : tuple of Skipped
    price_long, price_short, mark : float64 arrays of shape (n_markets,)
        What a long and a short are valued at: the mark, or the worse end where the venue prices strictly.
    volatility_per_day, tick : float64 arrays of shape (n_markets,), NaN where unknown
    curves : CurveTables
        Brackets per market and own lines per position.
    base, cost : float64 arrays of shape (n_positions,)
        Signed base units, and signed cost at entry in settlement currency.
    profit_weight_initial, profit_weight_maintenance, profit_cap_initial : float64 arrays of shape (n_markets,)
    assets : AssetTables
    convex : bool array of shape (n_markets,)
        Whether maintenance is convex in price with slope below 1: the condition of exact trigger prices.
    """

    book: AccountBook
    skipped: tuple[Skipped, ...]
    price_long: FloatArray
    price_short: FloatArray
    mark: FloatArray
    volatility_per_day: FloatArray
    tick: FloatArray
    curves: CurveTables
    base: FloatArray
    cost: FloatArray
    profit_weight_initial: FloatArray
    profit_weight_maintenance: FloatArray
    profit_cap_initial: FloatArray
    assets: AssetTables
    convex: BoolArray


def margin_tables(book: AccountBook, rules: Mapping[str, VenueRules], state: MarketState,
                  withheld: Mapping[str, str] | None = None) -> MarginTables:
    """Lay out ``book`` under ``rules`` (by venue name as the book writes it) at the prices of ``state``.

    A pool is skipped, with its reason, where its venue, a market or an asset has no rules or no price, or where its
    mode is not margined here (portfolio). Names in ``withheld`` count as without a price, for the reason given there.
    """
    withheld = withheld or {}
    marks = {name: k for k, name in enumerate(state.names) if name not in withheld}
    reasons = _reasons(book, rules, marks, withheld)
    skipped = tuple(Skipped(book.pools[i], reason) for i, reason in sorted(reasons.items()))
    is_valued = np.ones(book.n_pools, dtype=np.bool_)
    is_valued[list(reasons)] = False
    book = taken(book, np.flatnonzero(is_valued))
    strict = np.array([v in rules and rules[v].strict_prices for v, _ in book.markets], dtype=np.bool_)
    place = np.array([marks.get(symbol, -1) for _, symbol in book.markets], dtype=np.int64)
    known = place >= 0
    mark = np.where(known, _at(state.mark, place), np.nan)
    market_rules = [rules[v].markets.get(s) if v in rules else None for v, s in book.markets]
    open_interest = np.where(known, _at(state.open_interest, place), np.nan)
    contract = np.array([m.contract_size if m else np.nan for m in market_rules])
    inverse = np.array([bool(m and m.payoff is Payoff.INVERSE) for m in market_rules], dtype=np.bool_)
    value = book.quantity * contract[book.position_market]  # base units; quote units where inverse
    on_inverse = inverse[book.position_market]
    base = np.where(on_inverse, value / book.entry_price, value)
    cost = np.where(on_inverse, value, value * book.entry_price)
    curves = curve_tables([m.curve if m else None for m in market_rules], inverse, book, base, cost,
                          mark, open_interest * contract * np.where(inverse, 1.0, mark))
    return MarginTables(
        book=book, skipped=skipped,
        price_long=np.where(strict & known, _at(state.low, place), mark),
        price_short=np.where(strict & known, _at(state.high, place), mark),
        mark=mark,
        volatility_per_day=np.where(known, _at(state.volatility_per_day, place), np.nan),
        tick=np.array([m.tick if m and m.tick else np.nan for m in market_rules], dtype=np.float64),
        curves=curves, base=base, cost=cost,
        profit_weight_initial=np.array([m.profit_weight_initial if m else 1.0 for m in market_rules]),
        profit_weight_maintenance=np.array([m.profit_weight_maintenance if m else 1.0 for m in market_rules]),
        profit_cap_initial=np.array([_or_infinite(m.profit_cap_initial if m else None) for m in market_rules]),
        assets=_asset_tables(book, rules, marks, state),
        convex=curves.convex,
    )


def taken(book: AccountBook, pools: IntArray) -> AccountBook:
    """The book with only these pools (ascending indices); markets and assets stay as they are."""
    if pools.size == book.n_pools:
        return book
    keep = np.zeros(book.n_pools, dtype=np.bool_)
    keep[pools] = True
    held, owned = np.repeat(keep, np.diff(book.position_offsets)), np.repeat(keep, np.diff(book.holding_offsets))
    return AccountBook(
        markets=book.markets, assets=book.assets, pools=book.pools.take(pools),
        position_offsets=_offsets(np.diff(book.position_offsets)[pools]), position_market=book.position_market[held],
        quantity=book.quantity[held], entry_price=book.entry_price[held],
        holding_offsets=_offsets(np.diff(book.holding_offsets)[pools]), holding_asset=book.holding_asset[owned],
        amount=book.amount[owned],
    )


def _reasons(book: AccountBook, rules: Mapping[str, VenueRules], marks: Mapping[str, int],
             withheld: Mapping[str, str]) -> dict[int, str]:
    """Pools that cannot be valued, and why."""
    market_reason = [_market_reason(market, rules, marks, withheld) for market in book.markets]
    asset_reason = [_asset_reason(asset, rules, marks, withheld) for asset in book.assets]
    reasons = dict.fromkeys(np.flatnonzero(book.pools.mode == MODES.index(Mode.PORTFOLIO)).tolist(), _PORTFOLIO)
    _note(reasons, market_reason, book.position_market, book.pool_of_position())
    _note(reasons, asset_reason, book.holding_asset, book.pool_of_holding())
    return reasons


def _note(reasons: dict[int, str], by_code: list[str | None], code: npt.NDArray[np.uint32], pool: IntArray) -> None:
    bad = np.array([reason is not None for reason in by_code], dtype=np.bool_)
    for row in np.flatnonzero(bad[code]) if bad.any() else ():
        reasons.setdefault(int(pool[row]), str(by_code[code[row]]))


def _market_reason(market: Market, rules: Mapping[str, VenueRules], marks: Mapping[str, int],
                   withheld: Mapping[str, str]) -> str | None:
    if market.venue not in rules:
        return f"no rules are given for venue {market.venue!r}"
    if market.symbol not in rules[market.venue].markets:
        return f"{rules[market.venue].name} has no limits for {market.symbol}"
    return None if market.symbol in marks else withheld.get(market.symbol, f"{market.symbol} has no mark")


def _asset_reason(asset: Asset, rules: Mapping[str, VenueRules], marks: Mapping[str, int],
                  withheld: Mapping[str, str]) -> str | None:
    if asset.venue not in rules:
        return f"no rules are given for venue {asset.venue!r}"
    venue = rules[asset.venue]
    if venue.settles(asset.asset):
        return None
    if asset.asset not in venue.assets:
        return f"{venue.name} does not take {asset.asset} as collateral"
    name = price_name(asset.asset)
    return None if name in marks else withheld.get(name, f"{name} has no mark")


def price_name(asset: str) -> str:
    """The mark that prices an asset: ledgers count in dollar-like units."""
    return f"{asset}/USD"


def _asset_tables(book: AccountBook, rules: Mapping[str, VenueRules], marks: Mapping[str, int], state: MarketState,
                  ) -> AssetTables:
    known = [_rules_of(asset, rules) for asset in book.assets]
    settles = np.array([a.venue in rules and rules[a.venue].settles(a.asset) for a in book.assets], dtype=np.bool_)
    strict = np.array([a.venue in rules and rules[a.venue].strict_prices for a in book.assets], dtype=np.bool_)
    place = np.array([marks.get(price_name(a.asset), -1) for a in book.assets], dtype=np.int64)
    price = [np.where(settles, 1.0, np.where(place >= 0, np.where(strict, _at(bound, place), _at(state.mark, place)),
                                             np.nan)) for bound in (state.low, state.high)]
    slices = [len(asset.floors) for asset in known]
    return AssetTables(
        price_owned=price[0], price_owed=price[1], first_slice=_offsets(np.array(slices, dtype=np.int64)),
        slice_floor=_joined([a.floors for a in known]),
        initial_weight=_joined([a.initial_weights for a in known]),
        maintenance_weight=_joined([a.maintenance_weights for a in known]),
        value_cap=np.array([_or_infinite(a.value_cap) for a in known]),
        debt_initial_weight=np.array([a.debt_initial_weight for a in known]),
        debt_maintenance_weight=np.array([a.debt_maintenance_weight for a in known]),
        is_settlement=settles, weight_cap=_weight_caps(book, known),
    )


def _rules_of(asset: Asset, rules: Mapping[str, VenueRules]) -> AssetRules:
    """An asset's rules; the settlement asset counts whole, as collateral and as debt, unless the venue says more."""
    if asset.venue not in rules:
        return AssetRules()
    return rules[asset.venue].assets.get(asset.asset, AssetRules(borrowable=True))


def _weight_caps(book: AccountBook, known: list[AssetRules]) -> FloatArray:
    discount = np.array([a.root_discount for a in known], dtype=np.float64)[book.holding_asset]
    with np.errstate(divide="ignore"):
        return np.where(discount > 0, 1.1 / (1.0 + discount * np.sqrt(10.0 * np.abs(book.amount))), np.inf)


def _at(column: npt.NDArray[np.generic], place: IntArray) -> FloatArray:
    """Entries at ``place``; anything at -1, which callers mask."""
    return np.asarray(column, dtype=np.float64)[place] if column.size else np.full(place.shape, np.nan)


def _joined(rows: list[tuple[float, ...]]) -> FloatArray:
    return np.array([x for row in rows for x in row], dtype=np.float64)


def _offsets(counts: IntArray) -> npt.NDArray[np.int32]:
    total = int(counts.sum())
    require(total < 2**31, "a book holds fewer than 2^31 rows", got=total)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def _or_infinite(bound: float | None) -> float:
    return np.inf if bound is None else bound
