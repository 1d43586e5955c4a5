"""Another engine through the same crash, asked in a process of its own: ``python crash_peer.py``.

Imports nothing of ours and runs under any interpreter: reads the accounts as one JSON document on stdin and prints the
median CPU seconds of the one mark, and what it did, as another.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import time
from importlib import metadata
from typing import Any


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """A fresh engine each round; ``installed`` false where it is not here."""
    if importlib.util.find_spec("lrvx") is None:
        return {"installed": False}
    used = []
    for _ in range(asked["rounds"]):
        engine = filled(asked)
        started = time.process_time()
        engine.on_mark(1, asked["after"])
        used.append(time.process_time() - started)
    return {"installed": True, "version": metadata.version("lrvx"), "seconds": statistics.median(used),
            "liquidated": engine.liquidations_count(), "deleveraged": engine.adl_closeouts_count(),
            "fund_left": engine.insurance_fund_balance()}


def filled(asked: dict[str, Any]) -> Any:
    """An engine with the accounts, one position each."""
    import lrvx

    engine = lrvx.LiquidationEngine()
    engine.set_adl_enabled(True)
    engine.add_tier(0.0, asked["rate"])
    engine.set_insurance_fund_capital(asked["fund"])
    for account, (size, equity) in enumerate(zip(asked["size"], asked["equity"], strict=True)):
        engine.open_position(account + 1, 1, size, asked["entry"], equity)
    return engine


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
