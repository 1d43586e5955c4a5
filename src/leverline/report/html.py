"""The report: one HTML file that carries everything it needs and asks the network for nothing."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from plotly.offline import get_plotlyjs

from leverline.ground.files import write_text
from leverline.report import theme, wording
from leverline.report.content import ReportContent
from leverline.report.gallery import Gallery, Section
from leverline.report.markup import Markup, join, tag
from leverline.report.sections import ORDER

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""Content security policy of the page: whatever is not in the file is not loaded."""


def write_report(content: ReportContent, path: Path) -> None:
    """Write the page atomically."""
    write_text(path, page(content))


def page(content: ReportContent) -> str:
    """The whole document."""
    gallery = Gallery(len(content.markets))
    sections = [section for build in ORDER if (section := build(content, gallery)) is not None]
    return whole_page(
        content.title,
        [tag("p", f"As of {wording.moment(content.book.as_of)}. Profile {content.appetite.name}, settled in "
                  f"{content.book.settlement}."),
         tag("p", "Limit book ", tag("code", content.book.id))],
        sections,
        f"Made by {content.book.provenance.software}. Every number can be made again from the files, the assumptions "
        "and the versions under Provenance.", gallery)


def whole_page(title: str, about: Sequence[Markup], sections: Sequence[Section], foot: str, gallery: Gallery) -> str:
    """A page of sections whose figures hang in ``gallery``; ``about`` stands under the title, ``foot`` at the end."""
    head = tag("head",
               tag("meta", charset="utf-8"),
               tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
               tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
               tag("meta", name="color-scheme", content="light dark"),
               tag("title", title),
               tag("style", Markup(theme.css_variables() + _asset("report.css"))))
    body = tag("body", tag("div", _masthead(title, about), tag("div", _contents(sections), tag(
        "main", *(tag("section", tag("h2", s.title, id=f"{s.anchor}-title"), s.body, id=s.anchor,
                      aria_labelledby=f"{s.anchor}-title") for s in sections)), class_="columns"),
        tag("footer", foot), class_="frame"), _scripts(gallery))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _masthead(title: str, about: Sequence[Markup]) -> Markup:
    buttons = [tag("button", name.capitalize(), type="button", data_choose=name,
                   aria_pressed="true" if name == "auto" else "false") for name in ("auto", "light", "dark")]
    return tag("header",
               tag("div", tag("h1", title), tag("div", *buttons, class_="themes", role="group",
                                                aria_label="Colours of the page"), class_="masthead"),
               *about, class_="top")


def _contents(sections: Sequence[Section]) -> Markup:
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in sections]
    return tag("nav", tag("ol", *links), class_="contents", aria_label="Contents")


def _scripts(gallery: Gallery) -> Markup:
    """Figure specifications as inert JSON, then the drawing library once, then the script that draws."""
    specifications = [tag("script", _inert(text), type="application/json", id=f"specification-{i}")
                      for i, text in enumerate(gallery.specifications)]
    colours = tag("script", _inert(theme.dark_map()), type="application/json", id="dark-colours")
    run = tag("script", Markup(_asset("unpack.js") + _asset("report.js")))
    return join([tag("noscript", tag("p", "Figures need JavaScript; their findings stand in the captions.")),
                 *specifications, colours, _library(), run])


@cache
def _library() -> Markup:
    """The drawing library, compressed and in Base64: less than half its weight, and it cannot end its element."""
    source = get_plotlyjs().encode()
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = b64encode(packer.compress(source) + packer.flush()).decode("ascii")
    return tag("script", Markup(packed), type="text/plain", id="library", data_size=str(len(source)))


def _inert(json_text: str) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(json_text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _asset(name: str) -> str:
    return resources.files("leverline.report").joinpath(name).read_text(encoding="utf-8")
