"""Machines and markets for the whole session; each test leaves them as it found them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.bytecode import aave_v3_0_market, aave_v3_6_market, morpho_market
from tests.bytecode.contracts import Artifacts
from tests.bytecode.evm import Machine, RevmMachine
from tests.bytecode.npm_packages import UnavailableError


def _absent(reason: str) -> NoReturn:
    """Skip; where LEVERLINE_BYTECODE is "required", as in our own checks, fail: a skip there would go unseen."""
    if os.environ.get("LEVERLINE_BYTECODE") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def new_machine() -> Callable[[], Machine]:
    """Makes empty chains: each market has its own, since its clock runs with its cases."""
    if importlib.util.find_spec("pyrevm") is None:
        _absent("pyrevm is not installed: it has no wheel for this platform or this Python")
    return RevmMachine


@pytest.fixture(scope="session")
def aave_v3_0() -> Artifacts:
    """Aave v3.0's compiled contracts."""
    try:
        return aave_v3_0_market.artifacts()
    except UnavailableError as error:
        _absent(str(error))


@pytest.fixture(scope="session")
def aave_v3_6() -> Artifacts:
    """Aave v3.6's contracts, compiled unless an earlier run did."""
    try:
        return aave_v3_6_market.artifacts()
    except UnavailableError as error:
        _absent(str(error))


@pytest.fixture(scope="session")
def morpho() -> Artifacts:
    """Morpho Blue's contracts, compiled unless an earlier run did."""
    try:
        return morpho_market.artifacts()
    except UnavailableError as error:
        _absent(str(error))
