"""What the tests ask of an Ethereum virtual machine, and the one machine that answers today.

Another machine can take revm's place by the same six methods. Addresses are "0x" and 40 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class RevertedError(Exception):
    """The contract refused the call; the state is as before it."""


class Machine(Protocol):
    """A chain of one node without blocks to wait for: every call is final at once and costs nothing."""

    def deploy(self, sender: str, code: bytes) -> str:
        """Run creation ``code`` with its arguments; the new contract's address."""
        ...

    def call(self, sender: str, to: str, calldata: bytes) -> bytes:
        """Send a transaction and keep its effects; RevertedError where the contract refuses."""
        ...

    def read(self, to: str, calldata: bytes) -> bytes:
        """Call without effects."""
        ...

    def set_time(self, timestamp_s: int) -> None:
        """The block time of what follows, in seconds since 1970."""
        ...

    def snapshot(self) -> object:
        """A mark to which :meth:`revert` goes back, once."""
        ...

    def revert(self, mark: object) -> None:
        """Forget all that happened since the mark; the block time stays."""
        ...


@contextmanager
def rolled_back(machine: Machine) -> Iterator[None]:
    """What happens inside leaves no trace in the state."""
    mark = machine.snapshot()
    try:
        yield
    finally:
        machine.revert(mark)


NOBODY = "0x" + "00" * 19 + "ff"
"""Who asks where it does not matter."""


class RevmMachine:
    """revm through pyrevm, in memory."""

    def __init__(self) -> None:
        import pyrevm  # there is no wheel of it for every platform

        self._pyrevm: Any = pyrevm
        self._evm: Any = pyrevm.EVM(gas_limit=2**60)
        self._block = 1
        self.set_time(1_700_000_000)

    def deploy(self, sender: str, code: bytes) -> str:
        """Run creation ``code``."""
        with self._reverts():
            return str(self._evm.deploy(sender, code))

    def call(self, sender: str, to: str, calldata: bytes) -> bytes:
        """Send a transaction."""
        with self._reverts():
            return bytes(self._evm.message_call(sender, to, calldata))

    def read(self, to: str, calldata: bytes) -> bytes:
        """Call without effects."""
        with self._reverts():
            return bytes(self._evm.message_call(NOBODY, to, calldata, is_static=True))

    def set_time(self, timestamp_s: int) -> None:
        """Start a block at that time."""
        self._block += 1
        self._evm.set_block_env(self._pyrevm.BlockEnv(number=self._block, timestamp=timestamp_s))

    def snapshot(self) -> object:
        """revm's own checkpoint."""
        return self._evm.snapshot()

    def revert(self, mark: object) -> None:
        """Back to the checkpoint."""
        self._evm.revert(mark)

    @contextmanager
    def _reverts(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # pyrevm's only exception; a halt (out of gas) must not pass for a refusal
            if not str(error).startswith("Revert"):
                raise
            raise RevertedError(str(error)) from error
