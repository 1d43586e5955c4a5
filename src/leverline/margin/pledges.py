r"""Collateral that is pledged again: claims on claims as a directed graph.

A receipt token is a claim on what was deposited for it, and is itself deposited elsewhere: ETH is staked for stETH,
stETH is supplied for aEthstETH, that backs a stablecoin. An edge says that a ``share`` of a claim's value rests on a
backing asset; what no edge names rests on the issuer's own means. Three questions are answered:

* how much is claimed for every unit that is really there (Singh 2011, IMF WP/11/256, calls it collateral velocity);
* which assets have more pledged of them than exists, so that the same units secure two claims;
* what is lost, and by which claims, if one asset or one place fails.

**Cycles.** A claim may rest on itself through others. Where part of the circle rests on something outside it, values
and losses are the fixed point of the equations below, which exists and is found by iteration; claims that rest on
nothing but each other have no determined value and are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import LeverlineError, require
from leverline.margin.tables import MarginTables

_WHOLE = 1e-9
"""How far shares may exceed 1 in sum, and a value what is pledged of it, before it counts."""
_SETTLED = 1e-13
"""Change of a loss rate from one round to the next that ends the iteration."""
_MAX_ROUNDS = 100_000
"""A circle of claims that takes more rounds than this stands within 1e-4 of supporting itself."""


class Pledge(NamedTuple):
    """A ``share`` (of the claim's value, in (0, 1]) of ``claim`` rests on ``backing`` held at ``place``.

    ``haircut`` in [0, 1): the backing is worth ``share / (1 - haircut)`` of the claim, and the claim loses only what
    exceeds that cushion, as a secured loan does; 0 for a receipt that stands for its deposit one to one.
    """

    claim: str
    backing: str
    share: float
    haircut: float = 0.0
    place: str = ""


@dataclass(frozen=True, slots=True)
class PledgeGraph:
    """Assets, what is outstanding of each, and which rests on which.

    Attributes
    ----------
    assets : tuple of str
        Every asset that is claimed, backs, or is valued; a *base* asset is one that rests on no other.
    value : float64 array of shape (n_assets,)
        Outstanding, settlement currency.
    places : tuple of str
    claim, backing, place : int64 arrays of shape (n_pledges,)
        Places in ``assets``, ``assets`` and ``places``.
    share, haircut : float64 arrays of shape (n_pledges,)
    """

    assets: tuple[str, ...]
    value: FloatArray
    places: tuple[str, ...]
    claim: IntArray
    backing: IntArray
    place: IntArray
    share: FloatArray
    haircut: FloatArray

    @property
    def is_base(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Assets that rest on no other, bool of shape (n_assets,)."""
        base = np.ones(len(self.assets), dtype=np.bool_)
        base[self.claim] = False
        return base

    def shares(self) -> FloatArray:
        """Share of row's value that rests on column, (n_assets, n_assets)."""
        matrix = np.zeros((len(self.assets), len(self.assets)))
        np.add.at(matrix, (self.claim, self.backing), self.share)
        return matrix


@dataclass(frozen=True, slots=True)
class PropagatedLoss:
    """What a failure costs, asset by asset.

    Attributes
    ----------
    assets : tuple of str
    loss_rate : float64 array of shape (n_assets,), in [0, 1]
    lost : float64 array of shape (n_assets,)
        Loss rate times what is outstanding, settlement currency.
    first : float
        Lost by the assets that failed by themselves; 0 where only places failed.
    """

    assets: tuple[str, ...]
    loss_rate: FloatArray
    lost: FloatArray
    first: float

    @property
    def total(self) -> float:
        """Lost by everybody: a unit pledged through three claims is lost by three holders."""
        return float(self.lost.sum())

    @property
    def amplification(self) -> float:
        """Total over what failed by itself; NaN where nothing did."""
        return self.total / self.first if self.first > 0 else float("nan")


def pledge_graph(pledges: Iterable[Pledge], value: Mapping[str, float]) -> PledgeGraph:
    """Build and check the graph; ``value`` (settlement currency) is outstanding of every asset a pledge names.

    Refused are an asset without a value, a claim on itself, an edge given twice, shares of one claim above 1 in sum,
    and claims that rest on nothing but each other.
    """
    rows = list(pledges)
    assets = tuple(dict.fromkeys([*value, *(name for p in rows for name in (p.claim, p.backing))]))
    at = {name: i for i, name in enumerate(assets)}
    unvalued = [name for name in assets if name not in value]
    require(not unvalued, "every asset that is pledged has an outstanding value", got=unvalued or None)
    amounts = np.array([value[name] for name in assets], dtype=np.float64)
    require(bool(np.all(np.isfinite(amounts) & (amounts >= 0))), "outstanding values are finite and not negative")
    for p in rows:
        require(p.claim != p.backing, "a claim does not back itself directly", got=p.claim)
        require(0 < p.share <= 1, f"the share of {p.claim} on {p.backing} lies in (0, 1]", got=p.share)
        require(0 <= p.haircut < 1, f"the haircut of {p.claim} on {p.backing} lies in [0, 1)", got=p.haircut)
    edges = [(p.claim, p.backing, p.place) for p in rows]
    require(len(set(edges)) == len(edges), "each pledge is given once")
    places = tuple(dict.fromkeys(p.place for p in rows))
    graph = PledgeGraph(
        assets, amounts, places,
        claim=np.array([at[p.claim] for p in rows], dtype=np.int64),
        backing=np.array([at[p.backing] for p in rows], dtype=np.int64),
        place=np.array([places.index(p.place) for p in rows], dtype=np.int64),
        share=np.array([p.share for p in rows], dtype=np.float64),
        haircut=np.array([p.haircut for p in rows], dtype=np.float64),
    )
    total = graph.shares().sum(axis=1)
    above = np.flatnonzero(total > 1.0 + _WHOLE)
    require(not above.size, "shares of a claim do not exceed 1 in sum", got=[assets[i] for i in above] or None)
    afloat = _resting_on_nothing(graph, total)
    require(not afloat, "claims that rest on nothing but each other have no value", got=afloat or None,
            remedy="name what one of them rests on besides")
    return graph


def outstanding_values(tables: MarginTables) -> dict[str, float]:
    """What all pools of ``tables`` hold of each asset, settlement currency, over venues; debts are not taken off."""
    book = tables.book
    worth = np.maximum(book.amount, 0.0) * tables.assets.price_owned[book.holding_asset]
    by_asset = np.bincount(book.holding_asset.astype(np.int64), worth, minlength=len(book.assets))
    values: dict[str, float] = {}
    for (_, asset), amount in zip(book.assets, by_asset.tolist(), strict=True):
        values[asset] = values.get(asset, 0.0) + amount
    return values


def propagated(graph: PledgeGraph, asset_losses: Mapping[str, float] | None = None,
               place_losses: Mapping[str, float] | None = None) -> PropagatedLoss:
    r"""Carry losses (rates in [0, 1]) of assets and of places through all claims.

    With :math:`s` the own loss of an asset, :math:`t` that of a place, share :math:`w` and haircut :math:`h`,

    .. math::
        \lambda_e = l_b + (1 - l_b) t_e, \qquad
        l_a = s_a + (1 - s_a) \sum_{e: a \to b} w_e \max\bigl(0, \tfrac{\lambda_e - h_e}{1 - h_e}\bigr)

    The right side is monotone, so iteration from no contagion rises to the least fixed point (as in Eisenberg and Noe
    2001, Management Science 47:236-249): every asset loses what it must and nothing more.
    """
    own = _rates(asset_losses or {}, graph.assets, "asset")
    place = _rates(place_losses or {}, graph.places, "place")
    lost_at_place = place[graph.place]
    loss = own
    for _ in range(_MAX_ROUNDS):
        met = loss[graph.backing] + (1.0 - loss[graph.backing]) * lost_at_place
        beyond = graph.share * np.maximum((met - graph.haircut) / (1.0 - graph.haircut), 0.0)
        passed_on = np.minimum(np.bincount(graph.claim, beyond, minlength=own.size), 1.0)
        following = own + (1.0 - own) * passed_on
        change = float(np.abs(following - loss).max(initial=0.0))
        loss = following
        if change <= _SETTLED:
            return PropagatedLoss(graph.assets, loss, loss * graph.value, float(own @ graph.value))
    raise LeverlineError(f"losses did not settle in {_MAX_ROUNDS} rounds",
                         remedy="a circle of claims nearly supports itself: name more of what it rests on")


def owner_losses(tables: MarginTables, loss: PropagatedLoss) -> dict[str, float]:
    """What each owner's holdings lose, settlement currency; owners who lose nothing are left out."""
    book = tables.book
    rate_of = dict(zip(loss.assets, loss.loss_rate.tolist(), strict=True))
    rate = np.array([rate_of.get(asset, 0.0) for _, asset in book.assets], dtype=np.float64)
    lost = np.maximum(book.amount, 0.0) * (tables.assets.price_owned * rate)[book.holding_asset]
    by_pool = np.bincount(book.pool_of_holding(), lost, minlength=book.n_pools)
    losses: dict[str, float] = {}
    for pool in np.flatnonzero(by_pool > 0).tolist():
        owner = book.pools.owner[pool]
        losses[owner] = losses.get(owner, 0.0) + float(by_pool[pool])
    return losses


def _rates(losses: Mapping[str, float], known: tuple[str, ...], noun: str) -> FloatArray:
    rates = np.zeros(len(known))
    for name, rate in losses.items():
        require(name in known, f"the graph has the {noun} that fails", got=name)
        require(0 <= rate <= 1, f"the loss of {name} lies in [0, 1]", got=rate)
        rates[known.index(name)] = rate
    return rates


def _resting_on_nothing(graph: PledgeGraph, total_share: FloatArray) -> list[str]:
    """Claims from which no chain leads to a base asset or to an issuer's own means."""
    grounded = graph.is_base | (total_share < 1.0 - _WHOLE)
    while True:
        further = grounded.copy()
        further[graph.claim[grounded[graph.backing]]] = True
        if (further == grounded).all():
            return [name for name, stands in zip(graph.assets, grounded, strict=True) if not stands]
        grounded = further
