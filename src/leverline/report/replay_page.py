"""The page of a replay: one HTML file with figures and tables that asks the network for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leverline.enforce.replaying import Replay
from leverline.ground.files import write_text
from leverline.report import wording
from leverline.report.gallery import Gallery
from leverline.report.html import whole_page
from leverline.report.markup import tag
from leverline.report.replay import captions
from leverline.report.replay.build import picture_of
from leverline.report.replay.content import ReplayPicture
from leverline.report.replay.sections import ORDER


def write_replay_page(replay: Replay, document: Mapping[str, Any], path: Path) -> None:
    """Write the page of a run and its ``leverline.replay/1`` document atomically."""
    write_text(path, replay_page(document, picture_of(replay)))


def replay_page(document: Mapping[str, Any], picture: ReplayPicture) -> str:
    """The whole HTML document."""
    gallery = Gallery(len(picture.prices))
    sections = [section for build in ORDER if (section := build(document, picture, gallery)) is not None]
    markets = [*(price.symbol for price in picture.prices), *picture.markets_left_out]
    return whole_page(
        f"Replay: {wording.listing(markets, 4) if markets else 'no prices'}",
        [tag("p", f"{captions.second(picture.started_ns)} to {captions.second(picture.ended_ns)} UTC. Venue "
                  f"{document['venue']}, settled in {document['settlement']}."),
         tag("p", "Limit book ", tag("code", document["book_id"]))],
        sections, "Every figure is read off the events and effects of the run.", gallery)
