"""The drawing library is carried compressed; the page's own script must give it back byte for byte."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from base64 import b64decode, b64encode
from importlib import resources

import pytest
from plotly.offline import get_plotlyjs

from leverline.report.html import _library

NODE = shutil.which("node")
TEXTS = ("", "a", "abcabcabcabc" * 40, "".join(chr(33 + (i * i) % 90) for i in range(70_000)), "é€😀" * 200)
RUN = """
let ran = null;
global.window = {atob: t => Buffer.from(t, "base64").toString("latin1")};
global.document = {
  getElementById: () => ({textContent: process.argv[2], dataset: {size: process.argv[3]}}),
  createElement: () => ({}),
  head: {appendChild: s => { ran = s.textContent; }},
};
"""


def raw(source: bytes, level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
    return packer.compress(source) + packer.flush()


def test_the_page_carries_the_library_whole() -> None:
    """The figures would be drawn by half a library, or not at all."""
    found = re.fullmatch(r'<script type="text/plain" id="library" data-size="(\d+)">([A-Za-z0-9+/=]+)</script>',
                         _library())
    assert found is not None
    source = zlib.decompress(b64decode(found[2]), -zlib.MAX_WBITS)
    assert source == get_plotlyjs().encode()
    assert int(found[1]) == len(source)


@pytest.mark.skipif(NODE is None, reason="needs node")
@pytest.mark.parametrize("packing", [(0, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_DEFAULT_STRATEGY), (6, zlib.Z_FIXED),
                                     (6, zlib.Z_HUFFMAN_ONLY)])
def test_the_script_unpacks_every_kind_of_block(packing: tuple[int, int]) -> None:
    """A report would show no figure with another release of the drawing library, whose blocks are packed otherwise."""
    script = resources.files("leverline.report").joinpath("unpack.js").read_text(encoding="utf-8")
    for text in TEXTS:
        source = text.encode()
        packed = b64encode(raw(source, *packing)).decode()
        assert NODE is not None
        done = subprocess.run([NODE, "-", packed, str(len(source))],  # noqa: S603 - our own file
                              input=f"{RUN}{script}\nprocess.stdout.write(ran);", capture_output=True,
                              text=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == text
