"""Kernels of the crash path: what :mod:`margining`, :mod:`sizing`, :mod:`closing`, :mod:`positions` and the fund do to
one pool, over columns of pools. Integers throughout, rounded as there; callers bound every amount to 2^60 first.
"""

from __future__ import annotations

from leverline.ground.arrays import BoolArray, IntArray
from leverline.ground.compiled import njit

PPM = 1_000_000
WHOLE, PORTION, CLOSE_FACTOR, TARGET_HEALTH = range(4)
"""Size policies that have a form here."""


@njit
def share_down(amount: int, numerator: int, denominator: int) -> int:
    """floor(amount * numerator / denominator) for amount >= 0 where numerator * denominator fits."""
    return amount // denominator * numerator + amount % denominator * numerator // denominator


@njit
def share_up(amount: int, numerator: int, denominator: int) -> int:
    """The same, up."""
    return amount // denominator * numerator - (-(amount % denominator * numerator) // denominator)


@njit
def wide_share(amount: int, numerator: int, denominator: int) -> tuple[int, int]:
    """(floor, remainder) of amount * numerator / denominator, all below 2^62: the product bit by bit, top bit first.

    Right where the quotient fits, as it does for a numerator no larger than the denominator.
    """
    whole, rest = amount // denominator, amount % denominator
    quotient = remainder = 0
    for bit in range(61, -1, -1):
        quotient, remainder = 2 * quotient, 2 * remainder
        if remainder >= denominator:
            quotient, remainder = quotient + 1, remainder - denominator
        if numerator >> bit & 1:
            quotient, remainder = quotient + whole, remainder + rest
            if remainder >= denominator:
                quotient, remainder = quotient + 1, remainder - denominator
    return quotient, remainder


@njit
def released(cost: int, closed: int, held: int) -> int:
    """Cost that closing ``closed`` of ``held`` lots (unsigned) releases, toward zero."""
    if closed == held:
        return cost
    part, _ = wide_share(abs(cost), closed, held)
    return part if cost >= 0 else -part


@njit
def ceil_share(amount: int, numerator: int, denominator: int) -> int:
    """ceil(amount * numerator / denominator) for any sign of ``amount``."""
    part, rest = wide_share(abs(amount), numerator, denominator)
    if amount < 0:
        return -part
    return part + 1 if rest else part


@njit
def maintenance(notional: int, floor: IntArray, rate: IntArray, deduction: IntArray) -> int:
    """Of a market's tiers; at a floor the lower one holds."""
    tier = 0
    while tier + 1 < floor.size and notional > floor[tier + 1]:
        tier += 1
    return max(0, share_up(notional, int(rate[tier]), PPM) - int(deduction[tier]))


@njit
def lots_to_close(size: int, unit: int, counted: int, need: int, penalty_ppm: int, policy: int, first: int, second: int,
                  floor: IntArray, rate: IntArray, deduction: IntArray) -> int:
    """Of ``size`` lots worth ``unit`` each, by a size policy with two figures."""
    if policy == PORTION:
        return min(size, max(share_up(size, first, PPM), -(-second // unit)))
    if policy == CLOSE_FACTOR:
        return size if counted < share_up(need, second, PPM) else share_up(size, first, PPM)
    if policy == TARGET_HEALTH:
        below, enough = 0, size
        while enough - below > 1:
            middle = (below + enough) // 2
            left = counted - share_up(middle * unit, penalty_ppm, PPM)
            if left >= share_up(maintenance((size - middle) * unit, floor, rate, deduction), first, PPM):
                enough = middle
            else:
                below = middle
        return enough
    return size


@njit
def look(held: IntArray, cost: IntArray, cash: IntArray, called: BoolArray, mark: int, value: int, penalty_ppm: int,
         call_ppm: int, recovered_ppm: int, policy: int, first: int, second: int, floor: IntArray, rate: IntArray,
         deduction: IntArray, deficit: IntArray, recovered: BoolArray, closing: IntArray, bankruptcy: IntArray) -> None:
    """Call, recovery and size of every pool: deficit of a new call (0: none), signed lots to close, and their price."""
    for i in range(held.size):
        size, unit = abs(held[i]), mark * value
        counted = cash[i] + held[i] * unit - cost[i]
        need = maintenance(size * unit, floor, rate, deduction)
        level = share_up(need, PPM, call_ppm)
        deficit[i] = 0 if called[i] or counted >= level else level - counted
        recovered[i] = called[i] and counted >= share_up(need, PPM, recovered_ppm)
        closing[i] = 0
        if counted >= need:
            continue
        lots = lots_to_close(size, unit, counted, need, penalty_ppm, policy, first, second, floor, rate, deduction)
        closing[i] = lots if held[i] > 0 else -lots
        paid = cost[i] - cash[i]  # what the lots must bring for nothing to be left
        price = -(-paid // (size * value)) if held[i] > 0 else -paid // (size * value)
        bankruptcy[i] = max(1, price)


@njit
def sell_outside(begin: int, end: int, held: IntArray, cost: IntArray, cash: IntArray, taken: IntArray, mark: int,
                 value: int, price_of_long: int, price_of_short: int, penalty_ppm: int, spares: bool,
                 floor: IntArray, rate: IntArray, deduction: IntArray, outside: IntArray, penalty: IntArray,
                 worse: BoolArray) -> None:
    """Rows [begin, end) sell ``taken`` lots (signed) to the outside market, each paying its penalty.

    ``outside``: its lots, cost and cash, and the market's open interest; ``spares``: no penalty may harm.
    """
    unit = mark * value
    for i in range(begin, end):
        lots = taken[i]
        if lots == 0:
            continue
        price = price_of_long if lots > 0 else price_of_short
        before = cash[i] + held[i] * unit - cost[i]
        need_before = maintenance(abs(held[i]) * unit, floor, rate, deduction)
        longs = max(0, held[i]) + max(0, outside[0])
        add_lots(outside, lots, price * value)
        part = released(cost[i], abs(lots), abs(held[i]))
        cash[i] += lots * price * value - part
        cost[i] -= part
        held[i] -= lots
        outside[3] += max(0, held[i]) + max(0, outside[0]) - longs
        after = cash[i] + held[i] * unit - cost[i]
        need = maintenance(abs(held[i]) * unit, floor, rate, deduction)
        due = share_up(abs(lots) * price * value, penalty_ppm, PPM)
        owes = held[i] != 0 or cash[i] < 0
        if owes and spares:
            due = min(due, after - (before if need_before == 0 else ceil_share(before, need, need_before)))
        penalty[i] = max(0, min(due, after, cash[i]))
        cash[i] -= penalty[i]
        after -= penalty[i]
        owes = held[i] != 0 or cash[i] < 0
        worse[i] = owes and before > 0 and need_before > 0 and after < ceil_share(before, need, need_before)


@njit
def add_lots(holder: IntArray, lots: int, unit: int) -> None:
    """``holder`` (its lots, cost, cash) buys signed ``lots`` at ``unit`` each."""
    held, bought = holder[0], lots
    if held != 0 and (held > 0) != (lots > 0):
        closed = -held if abs(lots) >= abs(held) else lots
        part = released(holder[1], abs(closed), abs(held))
        holder[2] += -closed * unit - part
        holder[1] -= part
        bought = lots - closed
    holder[0] += lots
    holder[1] += bought * unit


@njit
def match(need: IntArray, price: IntArray, value: int, closer: IntArray, closed: IntArray, queue: IntArray,
          winners: IntArray, row: IntArray, winner: IntArray, lots: IntArray, done: IntArray) -> int:
    """Match closings with winners in line, lot for lot; both tables hold (lots, cost, cash) a row. Number of matches.

    ``need`` and ``done``: lots of each closing, unsigned; ``closer``: its row in ``closed``; ``queue``: lots that each
    winner in line gives. ``row``, ``winner`` and ``lots`` tell of each match.
    """
    k = matches = 0
    for i in range(need.size):
        while done[i] < need[i] and k < queue.size:
            size = min(need[i] - done[i], queue[k])
            if size > 0:
                signed = size if closed[closer[i], 0] > 0 else -size
                add_lots(winners[k], signed, price[i] * value)
                add_lots(closed[closer[i]], -signed, price[i] * value)
                row[matches], winner[matches], lots[matches] = i, k, size
                matches += 1
                done[i] += size
                queue[k] -= size
            if queue[k] == 0:
                k += 1
    return matches


@njit
def pay(owed: IntArray, cap: int, funds: IntArray, paid: IntArray, balance: IntArray) -> None:
    """Each debt in turn, up to ``cap``, from the free money of each of ``funds`` in turn, which falls.

    ``paid`` and ``balance``: (debts, funds), what a fund paid and what it then had free.
    """
    for i in range(owed.size):
        due = min(owed[i], cap)
        for fund in range(funds.size):
            amount = max(0, min(due, funds[fund]))
            due -= amount
            funds[fund] -= amount
            paid[i, fund] = amount
            balance[i, fund] = funds[fund]


@njit
def shares(total: int, whole: int, weight: IntArray, share: IntArray, rest: IntArray) -> None:
    """Down to whole units, ``total`` in proportion to weights that sum to ``whole``; ``rest`` ranks what is cut off."""
    for i in range(weight.size):
        share[i], rest[i] = wide_share(weight[i], total, whole)


@njit
def band(held: IntArray, cost: IntArray, cash: IntArray, mark: int, value: int, call_ppm: int, steepest_ppm: int,
         rounding: int, floor: IntArray, rate: IntArray, deduction: IntArray, trigger: IntArray, is_calm: BoolArray,
         ) -> None:
    """Price (of a fall negated) beyond which each pool must be looked at again; not ``is_calm`` where it has no slack.

    The slack above the call level over what a tick against the lots costs at most.
    """
    for i in range(held.size):
        size, unit = abs(held[i]), mark * value
        need = maintenance(size * unit, floor, rate, deduction)
        slack = cash[i] + held[i] * unit - cost[i] - share_up(need, PPM, call_ppm) - rounding
        is_calm[i] = slack >= 0
        if is_calm[i] and held[i] > 0:
            trigger[i] = slack // (size * value) - mark
        elif is_calm[i]:
            trigger[i] = slack // share_up(size * value, call_ppm + steepest_ppm, call_ppm) + mark
