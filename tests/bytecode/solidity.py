"""Solidity sources of npm packages, compiled by the compiler's own npm package; the result is kept in the cache.

The compiler is one JavaScript file: it needs node and nothing else. All sources go in through its standard JSON input.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leverline.ground.files import cache_directory, write_text
from tests.bytecode.contracts import Artifact, Artifacts, artifact_of
from tests.bytecode.npm_packages import NpmPackage, UnavailableError, unpacked

TIMEOUT_S = 600
IMPORT = re.compile(r"""^\s*import\s+(?:[^'"]*\sfrom\s+)?['"]([^'"]+)['"]""", re.MULTILINE)
RUN_COMPILER = """
const compiler = require(process.argv[1]).cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
process.stdout.write(compiler(require('fs').readFileSync(0, 'utf8'), 0, 0));
"""


@dataclass(frozen=True, slots=True)
class Project:
    """What to compile: ``contracts`` are the paths of files whose contracts are wanted, each by the file's name.

    ``remappings`` send the first folders of an import to a package: the longest that fits counts.
    """

    compiler: NpmPackage
    remappings: Mapping[str, tuple[NpmPackage, str]]  # prefix -> (package, folder in it)
    contracts: tuple[str, ...]
    evm_version: str
    optimizer_runs: int


def compiled(project: Project) -> Artifacts:
    """The artifacts of ``project``, compiled unless the cache has them. UnavailableError without node or packages."""
    task = json.dumps(_standard_input(project), sort_keys=True)
    key = hashlib.sha256(f"{project.compiler.sha256}{task}".encode()).hexdigest()
    kept = cache_directory() / "solidity" / f"{key[:32]}.json"
    if not kept.is_file():
        write_text(kept, json.dumps(_compile(project.compiler, task)))
    contracts: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))

    @cache
    def find(name: str) -> Artifact:
        code = contracts[name]["evm"]["bytecode"]
        return artifact_of(name, contracts[name]["abi"], code["object"], code["linkReferences"])

    return find


def _compile(compiler: NpmPackage, task: str) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise UnavailableError("node is not installed")
    done = subprocess.run(  # noqa: S603 - the command is ours
        [node, "-e", RUN_COMPILER, str(unpacked(compiler) / "soljson.js")],
        input=task, capture_output=True, timeout=TIMEOUT_S, check=True, text=True,
    )
    answer = json.loads(done.stdout)
    errors = [said["formattedMessage"] for said in answer.get("errors", ()) if said["severity"] == "error"]
    if errors:
        raise ValueError("\n".join(errors))
    return {name: built for file in answer["contracts"].values() for name, built in file.items()
            if built["evm"]["bytecode"]["object"]}


def _standard_input(project: Project) -> dict[str, Any]:
    wanted = {path: {posixpath.basename(path).removesuffix(".sol"): ["abi", "evm.bytecode"]}
              for path in project.contracts}
    return {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in _with_imports(project).items()},
        "settings": {
            "optimizer": {"enabled": True, "runs": project.optimizer_runs},
            "evmVersion": project.evm_version,
            "metadata": {"bytecodeHash": "none"},
            "outputSelection": wanted,
        },
    }


def _with_imports(project: Project) -> dict[str, str]:
    """Every source that the wanted files need, by the name under which they import it."""
    sources: dict[str, str] = {}
    waiting = list(project.contracts)
    while waiting:
        path = waiting.pop()
        if path in sources:
            continue
        sources[path] = _file_of(path, project.remappings).read_text(encoding="utf-8")
        waiting += _imports(path, sources[path])
    return sources


def _imports(path: str, source: str) -> Sequence[str]:
    beside = posixpath.dirname(path)
    return [posixpath.normpath(posixpath.join(beside, name)) if name.startswith(".") else name
            for name in IMPORT.findall(source)]


def _file_of(path: str, remappings: Mapping[str, tuple[NpmPackage, str]]) -> Path:
    prefix = max((known for known in remappings if path.startswith(known)), key=len)
    package, folder = remappings[prefix]
    return unpacked(package) / folder / path.removeprefix(prefix)
