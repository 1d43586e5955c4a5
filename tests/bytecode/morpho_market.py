"""One market of Morpho Blue, compiled from the sources of its own package, with the package's mocks around it.

Licence of the contracts: Business Source License 1.1, GPL 2.0 or later since January 2026. The mock rate model charges
the utilisation as a yearly rate, so that shares and assets part.
"""

from __future__ import annotations

from leverline.margin.rulebooks.morpho_blue import Borrowed
from tests.bytecode.contracts import Artifacts, Contract, Deployer
from tests.bytecode.evm import Machine
from tests.bytecode.npm_packages import NpmPackage
from tests.bytecode.solidity import Project, compiled

PACKAGE = NpmPackage(
    "@morpho-org/morpho-blue", "1.0.0", "876c5022282b50d66aa263d9341944ef04078a907190bdf75fd3a45260d57f06")
COMPILER = NpmPackage("solc", "0.8.19", "1372e2aabf700c7a7587aa4accd91f735d514bb096c957bb706360a1aaa0d672")
PROJECT = Project(
    compiler=COMPILER,
    remappings={"morpho/": (PACKAGE, "src")},
    contracts=("morpho/Morpho.sol", *(f"morpho/mocks/{name}Mock.sol" for name in ("ERC20", "Irm", "Oracle"))),
    evm_version="paris",
    optimizer_runs=200,
)
OWNER = "0x" + "a0" * 20
LENDER = "0x" + "c0" * 20
BORROWER = "0x" + "d0" * 20
LIQUIDATOR = "0x" + "e0" * 20
OTHER_BORROWER = "0x" + "f0" * 20
PLENTY = 10**33


def artifacts() -> Artifacts:
    """The venue and its mocks."""
    return compiled(PROJECT)


class MorphoMarket:
    """A market that stands; every method is a transaction or a question."""

    def __init__(self, machine: Machine, built: Artifacts, lltv: int) -> None:
        deployer = Deployer(machine, OWNER, built)
        self.machine = machine
        self.venue = deployer.deploy("Morpho", OWNER)
        self.loan, self.collateral = (self._token(deployer) for _ in range(2))
        self.oracle = deployer.deploy("OracleMock")
        rates = deployer.deploy("IrmMock")
        self.venue.send(OWNER, "enableIrm", rates.address)
        self.venue.send(OWNER, "enableLltv", lltv)
        self.terms = (self.loan.address, self.collateral.address, self.oracle.address, rates.address, lltv)
        self.venue.send(OWNER, "createMarket", self.terms)
        self.identity = _identity(self.terms)

    def _token(self, deployer: Deployer) -> Contract:
        token = deployer.deploy("ERC20Mock")
        for who in (LENDER, BORROWER, LIQUIDATOR, OTHER_BORROWER):
            token.send(OWNER, "setBalance", who, PLENTY)
            token.send(who, "approve", self.venue.address, 2**256 - 1)
        return token

    def set_price(self, price: int) -> None:
        """1e-36 loan units per collateral unit."""
        self.oracle.send(OWNER, "setPrice", price)

    def lend(self, who: str, assets: int) -> None:
        """Supply loan units."""
        self.venue.send(who, "supply", self.terms, assets, 0, who, b"")

    def borrow(self, who: str, collateral: int, assets: int) -> None:
        """Post collateral and borrow against it."""
        self.venue.send(who, "supplyCollateral", self.terms, collateral, who, b"")
        self.venue.send(who, "borrow", self.terms, assets, 0, who, who)

    def accrue(self) -> None:
        """Book the interest up to now, so that what is read is what the next call starts from."""
        self.venue.send(OWNER, "accrueInterest", self.terms)

    def liquidate(self, *, seized: int = 0, repaid_shares: int = 0) -> tuple[int, int]:
        """The liquidator's call: what it received and paid, loan and collateral units."""
        before = self._liquidators_balances()
        self.venue.send(LIQUIDATOR, "liquidate", self.terms, BORROWER, seized, repaid_shares, b"")
        received, paid = (after - then for then, after in zip(before, self._liquidators_balances(), strict=True))
        return received, -paid

    def position(self, who: str) -> tuple[int, int]:
        """Collateral units and borrow shares."""
        _, borrow_shares, collateral = self.venue.ask("position", self.identity, who)
        return int(collateral), int(borrow_shares)

    def borrowed(self) -> Borrowed:
        """The market's debt side."""
        told = self.venue.ask("market", self.identity)
        return Borrowed(int(told[2]), int(told[3]))

    def lent(self) -> int:
        """What the lenders own, loan units."""
        return int(self.venue.ask("market", self.identity)[0])

    def _liquidators_balances(self) -> tuple[int, int]:
        return int(self.collateral.ask("balanceOf", LIQUIDATOR)), int(self.loan.ask("balanceOf", LIQUIDATOR))


def _identity(terms: tuple[str, str, str, str, int]) -> bytes:
    """The hash of the market's terms, by which the venue knows it."""
    from eth_abi.abi import encode
    from eth_hash.auto import keccak

    return keccak(encode(["address", "address", "address", "address", "uint256"], terms))
