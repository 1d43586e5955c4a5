"""One check of accounts against limits at marks: everything that a report of it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import refuse
from leverline.margin.first_passage import probability_of_liquidation, touch_probability_per_horizon
from leverline.margin.liquidation_price import LiquidationPrices, holding_liquidation_prices, liquidation_prices
from leverline.margin.reading_accounts import AccountInput
from leverline.margin.reading_marks import MAX_AGE_S, stale_marks
from leverline.margin.rules import VenueRules
from leverline.margin.tables import MarginTables, Skipped, margin_tables, price_name
from leverline.margin.valuation import STATUSES, Status, Valuation, value_accounts
from leverline.margin.what_if import shifted
from leverline.model.accounts import NO_VENUE, AccountBook
from leverline.model.market_state import MarketState

CALL_RATIO = 0.8
"""A pool is called where its maintenance margin is more than this share of its adjusted equity."""
BELOW_MAINTENANCE = (STATUSES.index(Status.LIQUIDATABLE), STATUSES.index(Status.BANKRUPT))


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """What :func:`check_accounts` returns.

    Attributes
    ----------
    tables : MarginTables
        Of the pools that could be valued; ``tables.skipped`` has the others with their reasons.
    valuation : Valuation
    prices, holding_prices : LiquidationPrices
        Of every position and of every holding.
    liquidation_probability_per_horizon, holding_liquidation_probability_per_horizon : float64 arrays, or None
        Of every position and of every holding, that price alone moving; None where no horizon was asked for.
    as_of_ns : int
        When the newest mark was true, or the time that was asked for; -1 where neither is known.
    horizon_seconds : float or None
    shifts : mapping of str to float
        What was moved before valuing, as fractions by name.
    below_before : bool array of shape (n_pools,), or None
        Pools below maintenance at the marks as given, where something was moved.
    """

    tables: MarginTables
    valuation: Valuation
    prices: LiquidationPrices
    holding_prices: LiquidationPrices
    liquidation_probability_per_horizon: FloatArray | None
    holding_liquidation_probability_per_horizon: FloatArray | None
    as_of_ns: int
    horizon_seconds: float | None
    shifts: Mapping[str, float]
    below_before: BoolArray | None

    @property
    def book(self) -> AccountBook:
        """The pools that could be valued."""
        return self.tables.book

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The pools that could not."""
        return self.tables.skipped

    @property
    def below_maintenance(self) -> BoolArray:
        """Pools that may be liquidated, or are bankrupt; shape (n_pools,)."""
        return below_maintenance(self.valuation)


def below_maintenance(valuation: Valuation) -> BoolArray:
    """Pools whose status is liquidatable or bankrupt, shape (n_pools,)."""
    return np.isin(valuation.pools.status, BELOW_MAINTENANCE)


def check_accounts(
    accounts: AccountInput, rules: Mapping[str, VenueRules], marks: MarketState, *, as_of_ns: int | None = None,
    max_age_s: float = MAX_AGE_S, shifts: Mapping[str, float] | None = None, call_ratio: float = CALL_RATIO,
    horizon_seconds: float | None = None,
) -> AccountCheck:
    """Value ``accounts`` under ``rules`` (by venue name) at ``marks``.

    Parameters
    ----------
    as_of_ns : int, optional
        Ns UTC; default the newest mark.
    max_age_s : float
        A mark older than this at ``as_of_ns`` is not used; pools that need it are skipped with that reason.
    shifts : mapping, optional
        What if prices or volatilities stood elsewhere; see :func:`leverline.margin.what_if.shifted`.
    call_ratio : float
        In (0, 1]: maintenance margin over adjusted equity from which on a pool is called.
    horizon_seconds : float, optional
        Asks for the probability that a position's liquidation price is met within it.

    Raises
    ------
    MalformedInputError
        Where an account owes an asset that its venue does not lend, with file and row.
    UsageError
        Where a mark is later than ``as_of_ns``, or a shift moves nothing.
    """
    refuse_unlent_debt(accounts, rules)
    stale = stale_marks(marks, as_of_ns=as_of_ns, max_age_s=max_age_s)
    before = None
    if shifts:
        tables = margin_tables(accounts.book, rules, marks, stale)
        before = below_maintenance(value_accounts(tables, call_ratio=call_ratio))
    state = shifted(marks, shifts) if shifts else marks
    tables = margin_tables(accounts.book, rules, state, stale)
    valuation = value_accounts(tables, call_ratio=call_ratio)
    prices = liquidation_prices(tables, valuation)
    volatility = _volatility_of_assets(tables, state)
    holding_prices = holding_liquidation_prices(tables, valuation, volatility)
    of_positions = None if horizon_seconds is None else probability_of_liquidation(
        tables, valuation, prices, horizon_seconds=horizon_seconds)
    of_holdings = None if horizon_seconds is None else _holding_probability(
        tables, valuation, holding_prices, volatility, horizon_seconds)
    newest = int(marks.ts_ns.max()) if marks.ts_ns.size else -1
    return AccountCheck(tables, valuation, prices, holding_prices, of_positions, of_holdings,
                        newest if as_of_ns is None else as_of_ns, horizon_seconds, dict(shifts or {}), before)


def refuse_unlent_debt(accounts: AccountInput, rules: Mapping[str, VenueRules]) -> None:
    """Refuse the first negative amount of an asset that its venue takes but does not lend."""
    book = accounts.book
    unlent = np.array([_is_unlent(venue, asset, rules) for venue, asset in book.assets], dtype=np.bool_)
    wrong = np.flatnonzero((book.amount < 0.0) & unlent[book.holding_asset]) if unlent.any() else np.zeros(0, np.int64)
    if wrong.size:
        first = wrong[np.argmin(accounts.holding_row[wrong])]
        venue, asset = book.assets[book.holding_asset[first]]
        refuse(f"{asset} is owed, and {rules[venue].name} does not lend it", file=accounts.file.name,
               row=int(accounts.holding_row[first]), column="amount",
               remedy=f"a negative amount is a debt; what may be owed is {rules[venue].settlement} and what is lent")


def rules_for(book: AccountBook, rules: Mapping[str, VenueRules]) -> tuple[dict[str, VenueRules], str | None]:
    """``rules`` by the venues that ``book`` names, and what was taken for granted in words.

    Rules without a venue's name hold for accounts without one. Where they are the only ones, and the book names one
    venue throughout, they hold for that venue.
    """
    named = sorted({name for name, _ in (*book.markets, *book.assets)})
    only = rules.get(NO_VENUE)
    if only is not None and len(named) == 1 and named[0] not in rules and all(r is only for r in rules.values()):
        return {named[0]: only}, f"{only.name} is taken for what holds at {named[0]!r}"
    return dict(rules), None


def _is_unlent(venue: str, asset: str, rules: Mapping[str, VenueRules]) -> bool:
    known = rules.get(venue)
    return known is not None and not known.settles(asset) and asset in known.assets \
        and not known.assets[asset].borrowable


def _holding_probability(tables: MarginTables, valuation: Valuation, prices: LiquidationPrices, volatility: FloatArray,
                         horizon_seconds: float) -> FloatArray:
    """As :func:`probability_of_liquidation` has it for positions; 0 in a pool that owes nothing."""
    book = tables.book
    touched = touch_probability_per_horizon(prices.price, prices.liquidation_price, volatility[book.holding_asset],
                                            horizon_seconds=horizon_seconds)
    return np.where(below_maintenance(valuation)[book.pool_of_holding()], 1.0, touched)


def _volatility_of_assets(tables: MarginTables, state: MarketState) -> FloatArray:
    """Per day, of each asset's price; NaN where it is not known."""
    known = dict(zip(state.names, state.volatility_per_day.tolist(), strict=True))
    return np.array([known.get(price_name(a.asset), np.nan) for a in tables.book.assets], dtype=np.float64)
