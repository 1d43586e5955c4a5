"""What size rules hold of one owner, and what they are worth where one owner opens a hundred accounts.

Tiers and position caps look at an account. A venue that knows its owners adds their accounts up; a permissionless one
cannot, and there an owner who splits a position pays the rate of its smallest parts. That gain is stated, not wished
away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.calibrate.schedule import initial_amount, maintenance_amount, tier_of
from leverline.ground.errors import require
from leverline.model.limitbook import Tier

VOID_SHARE = 1.0
"""An owner's share of open interest that limits nobody: the appetite's way to say that owners cannot be told apart."""
MOST_ACCOUNTS = 100
"""Accounts that one owner is taken to open: the wallets seen in the attack on YFI of 2023-11-17 were more than that."""


@dataclass(frozen=True, slots=True)
class Splitting:
    """Margin of a position held whole and held in equal parts, ledger units; None where it may not be held whole.

    ``rate_uncovered`` is what the requirement of the whole exceeds that of the parts by, a fraction of its notional:
    how much less than the market needs the venue then holds.
    """

    notional: int
    accounts: int
    initial_whole: int | None
    maintenance_whole: int | None
    initial_split: int
    maintenance_split: int

    @property
    def initial_saved_share(self) -> float | None:
        """Share of the initial margin that splitting saves."""
        return None if self.initial_whole is None else 1.0 - self.initial_split / self.initial_whole

    @property
    def rate_uncovered(self) -> float | None:
        """Maintenance of the whole less that of the parts, over the notional."""
        if self.maintenance_whole is None:
            return None
        return (self.maintenance_whole - self.maintenance_split) / self.notional


def splitting(tiers: Sequence[Tier], notional: int, accounts: int) -> Splitting:
    """What an owner of ``notional`` (ledger units) gains by holding it in ``accounts`` equal parts.

    Parts differ by one unit where it does not divide. Refused where even the parts are larger than a position may be.
    """
    require(notional > 0 and accounts >= 1, "a position and its accounts are positive", got=(notional, accounts))
    require(accounts <= notional, "there is at least one ledger unit an account", got=accounts)
    whole = tier_of(tiers, notional)
    part, rest = divmod(notional, accounts)
    sizes = [(part, accounts - rest), (part + 1, rest)]
    held = [(tier_of(tiers, size), size, count) for size, count in sizes if count]
    require(all(tier is not None for tier, _, _ in held), "each part is a position that tiers allow", got=part)
    initial = sum(initial_amount(tier, size) * count for tier, size, count in held if tier is not None)
    maintenance = sum(maintenance_amount(tier, size) * count for tier, size, count in held if tier is not None)
    return Splitting(
        notional, accounts, None if whole is None else round(initial_amount(whole, notional)),
        None if whole is None else round(maintenance_amount(whole, notional)), round(initial), round(maintenance))


def largest_position(tiers: Sequence[Tier], open_interest_cap: int | None) -> int | None:
    """Where splitting gains most: the end of the last tier, or the cap on open interest; None if both are open."""
    ends = [end for end in (tiers[-1].notional_cap, open_interest_cap) if end is not None]
    return min(ends) if ends else None
