"""Compiled contracts: their artifacts, linking, deployment, and calls by name with the ABI's own types."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.bytecode.evm import Machine


@dataclass(frozen=True, eq=False)
class Artifact:
    """One compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str  # hexadecimal, without 0x; a placeholder where a library's address belongs
    links: tuple[tuple[str, int], ...]  # (library, position in bytes) of each placeholder


Artifacts = Callable[[str], Artifact]
"""From a contract's name to its artifact."""


def artifact_of(name: str, abi: list[dict[str, Any]], bytecode: str, link_references: Mapping[str, Any]) -> Artifact:
    """From the form that compilers and packages write."""
    links = tuple(
        (library, place["start"])
        for libraries in link_references.values() for library, places in libraries.items() for place in places
    )
    return Artifact(name, abi, bytecode.removeprefix("0x"), links)


def artifacts_in(folder: Path) -> Artifacts:
    """Artifacts in the form of hardhat, somewhere below ``folder``; a file is read when it is first asked for."""

    @cache
    def find(name: str) -> Artifact:
        found = sorted(folder.rglob(f"{name}.json"))
        if len(found) != 1:
            raise LookupError(f"{len(found)} artifacts are called {name}")
        read = json.loads(found[0].read_text(encoding="utf-8"))
        return artifact_of(name, read["abi"], read["bytecode"], read["linkReferences"])

    return find


class Contract:
    """An address with the functions of an ABI."""

    def __init__(self, machine: Machine, address: str, abi: list[dict[str, Any]]) -> None:
        self.machine = machine
        self.address = address
        # overloads are told apart by the number of their arguments
        self._functions = {
            (entry["name"], len(entry["inputs"])): _Function(entry) for entry in abi if entry["type"] == "function"
        }

    def send(self, sender: str, function: str, *arguments: Any) -> None:
        """A transaction."""
        self.machine.call(sender, self.address, self._functions[function, len(arguments)].encode(arguments))

    def ask(self, function: str, *arguments: Any) -> Any:
        """What a function returns: the value itself where it is one, else a tuple."""
        called = self._functions[function, len(arguments)]
        return called.decode(self.machine.read(self.address, called.encode(arguments)))


class _Function:
    """Calldata and answers of one function."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        from eth_hash.auto import keccak

        self.inputs = [_type_of(parameter) for parameter in entry["inputs"]]
        self.outputs = [_type_of(parameter) for parameter in entry.get("outputs", ())]
        self.selector = keccak(f"{entry['name']}({','.join(self.inputs)})".encode())[:4]

    def encode(self, arguments: tuple[Any, ...]) -> bytes:
        from eth_abi.abi import encode

        return self.selector + encode(self.inputs, arguments)

    def decode(self, answer: bytes) -> Any:
        from eth_abi.abi import decode

        values = decode(self.outputs, answer)
        return values[0] if len(values) == 1 else values


def _type_of(parameter: Mapping[str, Any]) -> str:
    """The canonical type: a struct is the tuple of its members."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type_of(member) for member in parameter['components'])}){kind.removeprefix('tuple')}"


class Deployer:
    """Deploys contracts of one set of artifacts, and the libraries they need, each once."""

    def __init__(self, machine: Machine, sender: str, artifacts: Artifacts) -> None:
        self.machine = machine
        self.sender = sender
        self.artifacts = artifacts
        self._libraries: dict[str, str] = {}

    def deploy(self, name: str, *arguments: Any) -> Contract:
        """A new contract."""
        from eth_abi.abi import encode

        artifact = self.artifacts(name)
        inputs = [_type_of(parameter) for entry in artifact.abi if entry["type"] == "constructor"
                  for parameter in entry["inputs"]]
        code = bytes.fromhex(self._linked(artifact)) + encode(inputs, arguments)
        return self.at(name, self.machine.deploy(self.sender, code))

    def at(self, name: str, address: str) -> Contract:
        """A contract that stands already, such as one behind a proxy."""
        return Contract(self.machine, address, self.artifacts(name).abi)

    def _linked(self, artifact: Artifact) -> str:
        code = artifact.bytecode
        for library, start in artifact.links:
            if library not in self._libraries:
                self._libraries[library] = self.deploy(library).address
            code = code[: 2 * start] + self._libraries[library].removeprefix("0x") + code[2 * start + 40 :]
        return code
