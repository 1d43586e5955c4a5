"""Maker (Sky): vaults, liquidation into a Dutch auction, its resets, and the automatic debt ceiling.

Source: makerdao/dss fa4f663, src/{vat,dog,clip,abaci}.sol; makerdao/dss-auto-line, src/DssAutoLine.sol; read 2026-11.
Units are the venue's: collateral and normalised debt in wad (1e-18), rates and prices in ray (1e-27), money in rad
(1e-45). Everything rounds down; the auctions' price curves stand in ``dutch``.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import RAY, WAD, VenueRefusesError, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

FEED_TO_RAY = 10**9


@dataclass(frozen=True, slots=True)
class Vault:
    """One borrower's vault of one collateral type."""

    ink: int  # collateral, wad
    art: int  # normalised debt, wad; debt = art x rate
    rate: int  # ray

    @property
    def debt(self) -> int:
        """Debt, rad."""
        return self.art * self.rate


@dataclass(frozen=True, slots=True)
class Bark:
    """What a liquidation moves from a vault into an auction."""

    art: int  # normalised debt taken, wad
    lot: int  # collateral taken, wad
    tab: int  # debt and penalty to raise, rad


@dataclass(frozen=True, slots=True)
class Take:
    """One purchase from an auction and what it leaves."""

    owe: int  # paid, rad
    bought: int  # collateral, wad
    tab: int  # still to raise, rad
    lot: int  # still for sale, wad; the borrower's once ``tab`` is 0


def safe_price(feed_price: int, par: int, liquidation_ratio: int) -> int:
    """``spot``: feed price (wad) over par over the liquidation ratio (both ray), in ray."""
    return mul_div_floor(mul_div_floor(feed_price * FEED_TO_RAY, RAY, par), RAY, liquidation_ratio)


def is_unsafe(vault: Vault, spot: int) -> bool:
    """Whether the vault may be liquidated: collateral at the safe price is worth less than the debt."""
    return spot > 0 and vault.ink * spot < vault.debt


def bark(vault: Vault, dust: int, chop: int, room: int) -> Bark:
    """How much of an unsafe vault goes to auction: what fits into ``room``, or all where the rest would be dust.

    ``dust`` and ``room`` (the smaller of the general and the type's remaining limit) in rad, ``chop`` (1 + penalty) in
    wad. A remnant below dust is taken along, so the limit may be exceeded; a part that is itself dust is refused.
    """
    if room <= 0:
        raise VenueRefusesError("the limit of debt in auctions is reached")
    art = min(vault.art, room * WAD // vault.rate // chop)
    if art < vault.art:
        if (vault.art - art) * vault.rate < dust:
            art = vault.art
        elif art * vault.rate < dust:
            raise VenueRefusesError("the part that fits into the limit is below dust")
    lot = mul_div_floor(vault.ink, art, vault.art)
    if lot == 0:
        raise VenueRefusesError("nothing to sell")
    return Bark(art=art, lot=lot, tab=mul_div_floor(art * vault.rate, chop, WAD))


def starting_price(feed_price: int, buffer: int, par: int) -> int:
    """Price at which an auction starts or restarts: the feed (wad) over par, times the buffer (ray), in ray."""
    return mul_div_floor(mul_div_floor(feed_price * FEED_TO_RAY, RAY, par), buffer, RAY)


def needs_redo(elapsed_s: int, tail_s: int, price: int, top: int, cusp: int) -> bool:
    """Whether an auction has stalled: too old, or its price below ``cusp`` (ray) of where it started; both strictly.

    A stalled auction sells nothing until somebody restarts it at a fresh price.
    """
    require(top > 0, "an auction starts at a price", got=top)
    return elapsed_s > tail_s or mul_div_floor(price, RAY, top) < cusp


def take(lot: int, tab: int, price: int, amount: int, least_remaining: int) -> Take:
    """Buy at most ``amount`` (wad) at ``price`` (ray) from an auction of ``lot`` that must raise ``tab``.

    Never collects more than ``tab``. A part must leave at least ``least_remaining`` (``chost``, rad) to raise: the
    purchase shrinks to that, and where not even that is possible only the whole will do.
    """
    bought = min(lot, amount)
    owe = bought * price
    if owe > tab:
        owe, bought = tab, tab // price
    elif owe < tab and bought < lot and tab - owe < least_remaining:
        if tab <= least_remaining:
            raise VenueRefusesError("so little is left to raise that only the whole can be bought")
        owe = tab - least_remaining
        bought = owe // price
    return Take(owe=owe, bought=bought, tab=tab - owe, lot=lot - bought)


def keeper_reward(tab: int, tip: int, chip: int) -> int:
    """What starting an auction pays: a flat ``tip`` (rad) and a share ``chip`` (wad) of ``tab``, in rad."""
    return tip + mul_div_floor(tab, chip, WAD)


@dataclass(frozen=True, slots=True)
class AutoLine:
    """Limits within which a collateral type's debt ceiling follows its debt; money in rad."""

    max_line: int
    gap: int
    ttl_s: int  # between increases


def next_line(debt: int, line: int, limits: AutoLine, now_s: int, last_increase_s: int) -> int:
    """Debt ceiling after a call: debt + gap up to the maximum; decreases at once, increases once per ``ttl_s``."""
    proposed = min(debt + limits.gap, limits.max_line)
    if proposed > line and now_s < last_increase_s + limits.ttl_s:
        return line
    return proposed


RULEBOOK = RulebookDescription(
    name="maker",
    venue="Maker (Sky)",
    scope="lending",
    rules={
        "trigger": "ink x spot below art x rate, spot = price / (par x liquidation ratio)",
        "sizing": "as much debt as fits into the limits of debt in auctions; everything where the rest would be below "
                  "dust; a part that is itself below dust is refused",
        "price policy": "starts at feed x buffer / par and falls in a line, in steps or exponentially; restarted once "
                        "older than tail or below cusp of its start",
        "auction": "a buyer takes any part that leaves at least chost to raise; what is raised is debt x (1 + "
                   "penalty), the rest of the collateral goes back to the borrower",
        "debt ceiling": "min(debt + gap, maximum); down at once, up at most once per ttl",
    },
    rounding="down throughout; powers of the cut half up at each product",
    sources=(Source("makerdao/dss src/{vat,dog,clip,abaci}.sol", "2026-11"),
             Source("makerdao/dss-auto-line src/DssAutoLine.sol", "2026-11")),
    families=("maker-linear", "maker-exp-halflife", "maker-stair", "maker-top", "maker-bark", "maker-take",
              "maker-take-no-partial", "maker-reset-tail", "maker-reset-cusp", "maker-autoline"),
    presets=(
        Preset("test-stairstep", {"cut_ray": str(99 * RAY // 100), "step_s": 1}, "2026-11",
               Source("makerdao/dss src/test/clip.t.sol", "2026-11")),
        Preset("vaults", {
            "vault_type": ["ETH-A", "ETH-B", "ETH-C", "WBTC-A", "WBTC-B", "WBTC-C"],
            "collateral": ["ETH", "ETH", "ETH", "WBTC", "WBTC", "WBTC"],
            "liquidation_ratio_bps": [14_500, 13_000, 17_000, 15_000, 15_000, 17_500],
            "dust_dai": [7_500, 25_000, 3_500, 7_500, 25_000, 3_500],
        }, "2026-11", Source("sky-ecosystem/spells-mainnet 02592d9d, src/test/config.sol (the commit's date was not "
                             "stored)", "2026-11")),
    ),
    cautions=("The breaker levels that stop auctions, and the one change a block of the debt ceiling, are not stated.",
              "Auction parameters in force are not part of the presets.",
              "The safe price of collateral stands without a figure of the venue's to check it."),
)
