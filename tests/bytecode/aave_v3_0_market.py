"""Aave v3.0 from the artifacts of its own package: compiled contracts with what links them, no compiler needed.

The licence of these contracts changed to MIT in January 2023.
"""

from __future__ import annotations

from leverline.margin.fixed_point import BPS, RAY
from tests.bytecode.aave_market import (
    DECIMALS,
    NO_ADDRESS,
    OWNER,
    TREASURY,
    AaveMarket,
    Foundation,
    lay_foundation,
    open_market,
    reserve_of,
)
from tests.bytecode.contracts import Artifacts, Contract, artifacts_in
from tests.bytecode.evm import Machine
from tests.bytecode.npm_packages import NpmPackage, unpacked

PACKAGE = NpmPackage("@aave/core-v3", "1.19.3", "a7bd560885fa804a5233ceb8f9c4da4ef3336246590b6f35e4eaedef044a8679")
OPTIMAL_USE_BPS = 8_000


def artifacts() -> Artifacts:
    """Of the whole package, mocks included."""
    return artifacts_in(unpacked(PACKAGE) / "artifacts" / "contracts")


def market(machine: Machine, built: Artifacts, *, yearly_rate_bps: int) -> AaveMarket:
    """A fresh market in which every borrower pays ``yearly_rate_bps``."""
    base = lay_foundation(machine, built, built)
    pool_code = base.deployer.deploy("Pool", base.addresses.address)
    base.addresses.send(OWNER, "setPoolImpl", pool_code.address)
    pool = base.deployer.at("Pool", base.addresses.ask("getPool"))
    configurator_code = base.deployer.deploy("PoolConfigurator")
    base.addresses.send(OWNER, "setPoolConfiguratorImpl", configurator_code.address)
    configurator = base.deployer.at("PoolConfigurator", base.addresses.ask("getPoolConfigurator"))
    _list_reserves(base, pool, configurator, yearly_rate_bps)
    reserves = [reserve_of(base, pool, name) for name in base.tokens]
    return open_market(AaveMarket(machine, pool, configurator, base.oracle, reserves))


def _list_reserves(base: Foundation, pool: Contract, configurator: Contract, yearly_rate_bps: int) -> None:
    code = [base.deployer.deploy(name, pool.address).address
            for name in ("AToken", "StableDebtToken", "VariableDebtToken")]
    ray_per_bps = RAY // BPS
    strategy = base.deployer.deploy(
        "DefaultReserveInterestRateStrategy", base.addresses.address, OPTIMAL_USE_BPS * ray_per_bps,
        yearly_rate_bps * ray_per_bps, 0, 0, 0, 0, 0, 0, 0,  # no slopes, and nothing at a stable rate
    ).address
    configurator.send(OWNER, "initReserves", [
        (*code, DECIMALS[name], strategy, token.address, TREASURY, NO_ADDRESS, f"a{name}", f"a{name}", f"v{name}",
         f"v{name}", f"s{name}", f"s{name}", b"")
        for name, token in base.tokens.items()
    ])
