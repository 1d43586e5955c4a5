"""Aave v3.6 compiled from the sources of its own package, and set up like v3.0.

The licence is the Business Source License 1.1 until March 2027; it grants use that is not in production.
"""

from __future__ import annotations

from tests.bytecode.aave_market import (
    NO_ADDRESS,
    OWNER,
    TREASURY,
    AaveMarket,
    Foundation,
    lay_foundation,
    open_market,
    reserve_of,
)
from tests.bytecode.contracts import Artifacts, Contract
from tests.bytecode.evm import Machine
from tests.bytecode.npm_packages import NpmPackage
from tests.bytecode.solidity import Project, compiled

PACKAGE = NpmPackage(
    "@aave-dao/aave-v3-origin", "3.6.0", "95086026ebe7eb2806519f24589beedd07837b1038205b2a841f78b6289f05a2")
OPEN_ZEPPELIN = NpmPackage(
    "@openzeppelin/contracts", "5.7.0", "ab2a1b476b9e2d84225454eca21783805db5754b5f8dfb3d6fca05341b00b8ea")
COMPILER = NpmPackage("solc", "0.8.27", "3f7ad07c28dc5d9e9e2c305c52488eb515442dbfcd3e80ee329f06dbf714e76d")

LOGIC = ("Borrow", "Configurator", "FlashLoan", "Liquidation", "Pool", "Supply")
PROJECT = Project(
    compiler=COMPILER,
    remappings={"aave/": (PACKAGE, "src/contracts"), "openzeppelin-contracts/contracts/": (OPEN_ZEPPELIN, "")},
    contracts=(
        "aave/instances/PoolInstance.sol",
        "aave/instances/PoolConfiguratorInstance.sol",
        "aave/instances/ATokenInstance.sol",
        "aave/instances/VariableDebtTokenInstance.sol",
        "aave/misc/DefaultReserveInterestRateStrategyV2.sol",
        "aave/protocol/configuration/ACLManager.sol",
        "aave/protocol/configuration/PoolAddressesProvider.sol",
        *(f"aave/protocol/libraries/logic/{name}Logic.sol" for name in LOGIC),
    ),
    evm_version="shanghai",
    optimizer_runs=200,
)
OPTIMAL_USE_BPS = 8_000


def artifacts() -> Artifacts:
    """The contracts of the market without its mocks."""
    return compiled(PROJECT)


def market(machine: Machine, built: Artifacts, mocks: Artifacts, *, yearly_rate_bps: int) -> AaveMarket:
    """A fresh market in which every borrower pays ``yearly_rate_bps``."""
    base = lay_foundation(machine, built, mocks)
    strategy = base.deployer.deploy("DefaultReserveInterestRateStrategyV2", base.addresses.address)
    pool_code = base.deployer.deploy("PoolInstance", base.addresses.address, strategy.address)
    base.addresses.send(OWNER, "setPoolImpl", pool_code.address)
    pool = base.deployer.at("PoolInstance", base.addresses.ask("getPool"))
    configurator_code = base.deployer.deploy("PoolConfiguratorInstance")
    base.addresses.send(OWNER, "setPoolConfiguratorImpl", configurator_code.address)
    configurator = base.deployer.at("PoolConfiguratorInstance", base.addresses.ask("getPoolConfigurator"))
    _list_reserves(base, pool, configurator, yearly_rate_bps)
    reserves = [reserve_of(base, pool, name) for name in base.tokens]
    return open_market(AaveMarket(machine, pool, configurator, base.oracle, reserves))


def _list_reserves(base: Foundation, pool: Contract, configurator: Contract, yearly_rate_bps: int) -> None:
    from eth_abi.abi import encode

    receipt = base.deployer.deploy("ATokenInstance", pool.address, NO_ADDRESS, TREASURY).address
    debt = base.deployer.deploy("VariableDebtTokenInstance", pool.address, NO_ADDRESS).address
    rates = encode(["uint16", "uint32", "uint32", "uint32"], [OPTIMAL_USE_BPS, yearly_rate_bps, 0, 0])
    configurator.send(OWNER, "initReserves", [
        (receipt, debt, token.address, f"a{name}", f"a{name}", f"v{name}", f"v{name}", b"", rates)
        for name, token in base.tokens.items()
    ])
