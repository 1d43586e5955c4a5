"""An Aave v3 market on a machine of our own: what all versions do alike, and how a version is set up.

One owner holds every role. Five reserves of 18, 8 and 6 decimals; a lender supplies each of them. The oracle is
the package's own settable one, so a price moves by a plain transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.margin.rulebooks.aave_v3 import AccountState, Collateral, Holding, Position
from tests.bytecode.contracts import Artifacts, Contract, Deployer
from tests.bytecode.evm import Machine

OWNER = "0x" + "a0" * 20
TREASURY = "0x" + "b0" * 20
LENDER = "0x" + "c0" * 20
BORROWER = "0x" + "d0" * 20
LIQUIDATOR = "0x" + "e0" * 20
NO_ADDRESS = "0x" + "00" * 20

PLENTY = 10**32
"""Token units that everyone is given: far above any amount drawn, far below the 128 bits that the pool counts in."""
EVERYTHING = 2**256 - 1
VARIABLE_RATE = 2
DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "EURC": 6, "LINK": 18}


@dataclass(frozen=True, slots=True)
class Rates:
    """Risk parameters of one reserve, in basis points."""

    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    protocol_fee: int


ENTRY_RATES = Rates(8_000, 8_250, 10_500, 1_000)


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset of the market."""

    name: str
    token: Contract
    receipt: Contract  # the aToken
    debt: Contract  # the variable debt token

    @property
    def address(self) -> str:
        """The asset's."""
        return self.token.address

    @property
    def unit(self) -> int:
        """Token units in one token."""
        return int(10 ** DECIMALS[self.name])


@dataclass(frozen=True, slots=True)
class Moved:
    """What a liquidation on the chain moved, in token units."""

    debt_repaid: int
    to_liquidator: int
    to_treasury: int


class AaveMarket:
    """A market that stands; every method is a transaction or a question."""

    def __init__(
        self, machine: Machine, pool: Contract, configurator: Contract, oracle: Contract, reserves: Sequence[Reserve]
    ) -> None:
        self.machine = machine
        self.pool = pool
        self.configurator = configurator
        self.oracle = oracle
        self.reserves = {reserve.name: reserve for reserve in reserves}

    def set_price(self, name: str, price: int) -> None:
        """``price`` in USD with 8 decimals."""
        self.oracle.send(OWNER, "setAssetPrice", self.reserves[name].address, price)

    def set_rates(self, name: str, rates: Rates) -> None:
        """Risk parameters, which apply to open positions at once."""
        asset = self.reserves[name].address
        self.configurator.send(OWNER, "configureReserveAsCollateral", asset, rates.ltv, rates.liquidation_threshold,
                               rates.liquidation_bonus)
        self.configurator.send(OWNER, "setLiquidationProtocolFee", asset, rates.protocol_fee)

    def supply(self, who: str, name: str, amount: int) -> None:
        """Lend; the first supply of an asset makes it collateral."""
        self.pool.send(who, "supply", self.reserves[name].address, amount, who, 0)

    def use_as_collateral(self, who: str, name: str, use: bool) -> None:
        """Switch an asset's role for an account."""
        self.pool.send(who, "setUserUseReserveAsCollateral", self.reserves[name].address, use)

    def borrow(self, who: str, name: str, amount: int) -> None:
        """At the variable rate."""
        self.pool.send(who, "borrow", self.reserves[name].address, amount, VARIABLE_RATE, 0, who)

    def account_state(self, who: str) -> AccountState:
        """The venue's own six figures."""
        collateral, debt, available, threshold, ltv, health = self.pool.ask("getUserAccountData", who)
        return AccountState(collateral, debt, available, threshold, ltv, health)

    def supplied(self, who: str, name: str) -> int:
        """Token units, with interest."""
        return int(self.reserves[name].receipt.ask("balanceOf", who))

    def owed(self, who: str, name: str) -> int:
        """Token units, with interest."""
        return int(self.reserves[name].debt.ask("balanceOf", who))

    def deficit(self, name: str) -> int:
        """What the reserve has lost to bad debt, token units (v3.3 on)."""
        return int(self.pool.ask("getReserveDeficit", self.reserves[name].address))

    def liquidate(self, collateral: str, debt: str, debt_to_cover: int | None) -> Moved:
        """X"""
        before = self._balances(collateral, debt)
        self.pool.send(
            LIQUIDATOR, "liquidationCall", self.reserves[collateral].address, self.reserves[debt].address, BORROWER,
            EVERYTHING if debt_to_cover is None else debt_to_cover, False,
        )
        after = self._balances(collateral, debt)
        paid, received, fee = (now - then for then, now in zip(before, after, strict=True))
        return Moved(-paid, received, fee)

    def position(self, who: str, collateral: Sequence[str]) -> Position:
        """The account in the rulebook's terms: balances, prices and parameters as the chain tells them.

        ``collateral`` names the assets that the account supplied and uses as collateral.
        """
        supplied = tuple(self._collateral(who, name) for name in collateral)
        owed = ((name, self.owed(who, name)) for name in self.reserves)
        debt = tuple(
            Holding(name, amount, self.reserves[name].unit, self.price(name)) for name, amount in owed if amount
        )
        return Position(supplied, debt)

    def _collateral(self, who: str, name: str) -> Collateral:
        reserve = self.reserves[name]
        ltv, threshold, bonus, fee = self._configuration(name)
        return Collateral(
            name, self.supplied(who, name), reserve.unit, self.price(name), ltv, threshold, bonus, fee
        )

    def price(self, name: str) -> int:
        """In USD with 8 decimals."""
        return int(self.oracle.ask("getAssetPrice", self.reserves[name].address))

    def _configuration(self, name: str) -> tuple[int, int, int, int]:
        """The pool's bit field: LTV, threshold and bonus of 16 bits each from bit 0, the fee from bit 152."""
        answer = self.pool.ask("getConfiguration", self.reserves[name].address)
        bits = answer[0]
        return bits & 0xFFFF, bits >> 16 & 0xFFFF, bits >> 32 & 0xFFFF, bits >> 152 & 0xFFFF

    def _balances(self, collateral: str, debt: str) -> tuple[int, int, int]:
        return (
            int(self.reserves[debt].token.ask("balanceOf", LIQUIDATOR)),
            int(self.reserves[collateral].token.ask("balanceOf", LIQUIDATOR)),
            int(self.reserves[collateral].receipt.ask("balanceOf", TREASURY)),
        )


@dataclass(frozen=True, slots=True)
class Foundation:
    """What every version's market stands on: the address book, the roles, the oracle and the assets."""

    deployer: Deployer
    mocks: Deployer
    addresses: Contract
    oracle: Contract
    tokens: dict[str, Contract]


def lay_foundation(machine: Machine, artifacts: Artifacts, mocks: Artifacts) -> Foundation:
    """Address book, roles, oracle and tokens; ``mocks`` holds the settable oracle and the mintable token."""
    deployer, stand_ins = Deployer(machine, OWNER, artifacts), Deployer(machine, OWNER, mocks)
    addresses = deployer.deploy("PoolAddressesProvider", "leverline", OWNER)
    addresses.send(OWNER, "setACLAdmin", OWNER)
    roles = deployer.deploy("ACLManager", addresses.address)
    addresses.send(OWNER, "setACLManager", roles.address)
    roles.send(OWNER, "addPoolAdmin", OWNER)
    oracle = stand_ins.deploy("PriceOracle")
    addresses.send(OWNER, "setPriceOracle", oracle.address)
    tokens = {name: stand_ins.deploy("MintableERC20", name, name, decimals) for name, decimals in DECIMALS.items()}
    return Foundation(deployer, stand_ins, addresses, oracle, tokens)


def reserve_of(base: Foundation, pool: Contract, name: str) -> Reserve:
    """The asset once the pool lists it; all versions answer in the shape of v3.0."""
    told = pool.ask("getReserveData", base.tokens[name].address)
    at = base.mocks.at  # the receipts, too, are read by the plain functions of a token
    return Reserve(name, base.tokens[name], at("MintableERC20", told[8]), at("MintableERC20", told[10]))


def open_market(market: AaveMarket) -> AaveMarket:
    """Entry parameters, tokens for everyone, and a lender who supplies every asset and borrows half of it.

    The lender's loans make supplies earn interest, where the market has any.
    """
    for name, reserve in market.reserves.items():
        market.set_price(name, 10**8)
        market.set_rates(name, ENTRY_RATES)
        market.configurator.send(OWNER, "setReserveBorrowing", reserve.address, True)
        for who in (LENDER, BORROWER, LIQUIDATOR):
            reserve.token.send(OWNER, "mint", who, PLENTY)
            reserve.token.send(who, "approve", market.pool.address, EVERYTHING)
        market.supply(LENDER, name, PLENTY // 2)
    for name in market.reserves:
        market.borrow(LENDER, name, PLENTY // 4)
    return market
