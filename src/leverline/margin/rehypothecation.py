r"""How often collateral has been pledged: system leverage, reuse, chains, and what falls with each link.

With :math:`W` the shares by which claims rest on assets, a unit of claim a stands in the end on

.. math:: L = (I - W)^{-1}

of every asset, circles included; the columns of base assets say how much of what is really there each claim uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.display import DisplayTable, ShownAsTables, number_text, percent_text
from leverline.margin.pledges import PledgeGraph, propagated

_WHOLE = 1e-9
"""How far pledges may exceed what exists before the same units count as pledged twice."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One asset or place that loses all, alone, and what follows.

    ``kind`` is "asset" or "place". ``first`` is lost by the failed asset itself (0 for a place), ``total`` by all
    assets together, settlement currency. ``falls``: the others that lose, worst first, with their loss rates.
    """

    kind: str
    name: str
    first: float
    total: float
    falls: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Rehypothecation(ShownAsTables):
    """How claims stand on what is there.

    Attributes
    ----------
    assets : tuple of str
    value, pledged : float64 arrays of shape (n_assets,)
        Outstanding, and secured by it, haircuts included, settlement currency.
    reuse : float64 array of shape (n_assets,)
        Of a base asset: value of all claims that rest on it in the end over its own value; NaN for claims, and where
        nothing is outstanding.
    base_value, claim_value : float
        Outstanding of base assets, each unit once, and of claims.
    system_leverage : float
        Claims over base collateral; infinite where claims stand on no base collateral at all.
    pledged_beyond : tuple of str
        Assets of which more is pledged than exists: the same units secure two claims.
    longest_chain : tuple of str
        Claim, what it rests on, and so on, one asset of each circle standing for all of it; the base asset is last.
    circles : tuple of tuples of str
        Claims that rest on each other.
    failures : tuple of Failure
        Each asset and each named place failing alone, by total loss, largest first.
    """

    assets: tuple[str, ...]
    value: FloatArray
    pledged: FloatArray
    reuse: FloatArray
    base_value: float
    claim_value: float
    system_leverage: float
    pledged_beyond: tuple[str, ...]
    longest_chain: tuple[str, ...]
    circles: tuple[tuple[str, ...], ...]
    failures: tuple[Failure, ...]

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """The system, each asset, and each failure."""
        system = [("base collateral", number_text(self.base_value)), ("claims", number_text(self.claim_value)),
                  ("system leverage", number_text(self.system_leverage)),
                  ("longest chain", " → ".join(self.longest_chain) or "–"),
                  ("pledged beyond what exists", ", ".join(self.pledged_beyond) or "–"),
                  ("circles", "; ".join(", ".join(c) for c in self.circles) or "–")]
        assets = [(name, *(number_text(float(x)) for x in row)) for name, row in
                  zip(self.assets, np.column_stack([self.value, self.pledged, self.reuse]), strict=True)]
        failures = [(f.kind, f.name, number_text(f.first), number_text(f.total),
                     ", ".join(f"{name} {percent_text(rate)}" for name, rate in f.falls) or "–") for f in self.failures]
        return (DisplayTable("Claims on collateral", ("", "value"), system),
                DisplayTable("What is pledged of each asset", ("asset", "outstanding", "pledged", "reuse"), assets),
                DisplayTable("If one fails wholly", ("kind", "name", "first loss", "total loss", "falls with it"),
                             failures))


def rehypothecation(graph: PledgeGraph) -> Rehypothecation:
    """Measure ``graph``; one propagation of losses for each asset and each named place."""
    base, value = graph.is_base, graph.value
    look_through = np.linalg.inv(np.eye(len(graph.assets)) - graph.shares())
    claimed = np.where(base, 0.0, value) @ look_through
    with np.errstate(invalid="ignore", divide="ignore"):
        reuse = np.where(base & (value > 0), claimed / value, np.nan)
    secured = value[graph.claim] * graph.share / (1.0 - graph.haircut)
    pledged = np.bincount(graph.backing, secured, minlength=value.size).astype(np.float64, copy=False)
    beyond = pledged > value * (1.0 + _WHOLE)
    base_value, claim_value = float(value[base].sum()), float(value[~base].sum())
    leverage = claim_value / base_value if base_value > 0 else np.inf if claim_value > 0 else 0.0
    circle = _circles(graph)
    members = [tuple(name for name, c in zip(graph.assets, circle, strict=True) if c == k)
               for k in range(int(circle.max(initial=-1)) + 1)]
    return Rehypothecation(
        graph.assets, value, pledged, reuse, base_value, claim_value, leverage,
        pledged_beyond=tuple(name for name, twice in zip(graph.assets, beyond, strict=True) if twice),
        longest_chain=_longest_chain(graph, circle),
        circles=tuple(names for names in members if len(names) > 1),
        failures=_failures(graph),
    )


def _failures(graph: PledgeGraph) -> tuple[Failure, ...]:
    """Every asset and every named place lost whole, one at a time."""
    found = [_failure(graph, "asset", name) for name in graph.assets]
    found += [_failure(graph, "place", name) for name in graph.places if name]
    return tuple(sorted(found, key=lambda failure: -failure.total))


def _failure(graph: PledgeGraph, kind: str, name: str) -> Failure:
    loss = propagated(graph, {name: 1.0}) if kind == "asset" else propagated(graph, place_losses={name: 1.0})
    falls = [(other, rate) for other, rate in zip(loss.assets, loss.loss_rate.tolist(), strict=True)
             if rate > 0 and (kind, name) != ("asset", other)]
    return Failure(kind, name, loss.first, loss.total, tuple(sorted(falls, key=lambda fall: -fall[1])))


def _circles(graph: PledgeGraph) -> IntArray:
    """Number of the strongly connected component of each asset: assets that rest on each other share one."""
    n = len(graph.assets)
    edges = csr_array((np.ones(graph.claim.size), (graph.claim, graph.backing)), shape=(n, n))
    return np.asarray(connected_components(edges, directed=True, connection="strong")[1], dtype=np.int64)


def _longest_chain(graph: PledgeGraph, circle: IntArray) -> tuple[str, ...]:
    """Longest way down from circle to circle (most are single assets); the first in the graph's order of equals."""
    below: dict[int, dict[int, None]] = {int(c): {} for c in circle}
    for a, b in zip(circle[graph.claim].tolist(), circle[graph.backing].tolist(), strict=True):
        if a != b:
            below[a][b] = None
    longest: dict[int, tuple[int, ...]] = {}
    pending = list(dict.fromkeys(circle.tolist()))
    while pending:  # depth first without recursion: a chain may be longer than the stack allows
        c = pending[-1]
        missing = [b for b in below[c] if b not in longest]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        longest.setdefault(c, (c, *max((longest[b] for b in below[c]), key=len, default=())))
    best = max((longest[int(c)] for c in circle), key=len, default=())
    first = {int(c): graph.assets[i] for i, c in reversed(list(enumerate(circle)))}
    return tuple(first[c] for c in best) if len(best) > 1 else ()
