"""What a built site must hold: python .ci/pages.py docs/_build/html.

Every picture has a text, headings come in order, links within the site lead somewhere, and no page
loads anything from the network.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}
_SOURCES = "_modules"  # their links back assume that a name is documented in one module only
_OWN_LINKS = {"canonical", "search", "next", "prev", "index", "genindex"}


class _Page(HTMLParser):
    """Anchors, links, pictures, headings and loaded files of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.levels: list[int] = []
        self.silent: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADED and _LOADED[tag] in values:
            self.loaded.append(values[_LOADED[tag]])
        if tag == "link" and values.get("rel") not in _OWN_LINKS:
            self.loaded.append(values.get("href", ""))
        if tag == "img" and not values.get("alt", "").strip():
            self.silent.append(values.get("src", "")[:80])
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.levels.append(int(tag[1]))


def faults(root: Path) -> list[str]:
    """Everything that is wrong with the pages under root, a line each."""
    pages = {path: _Page(path.read_text()) for path in sorted(root.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(root)
        if "_static" in name.parts:
            continue
        found += [f"{name}: no text for picture {source}" for source in page.silent]
        jumps = zip(page.levels, page.levels[1:], strict=False)
        found += [f"{name}: heading {a} is followed by {b}" for a, b in jumps if b > a + 1]
        found += [f"{name}: loads {url}" for url in page.loaded if urlsplit(url).netloc]
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name}: no file at {link}")
            elif target in pages and parts.fragment:
                anchor = unquote(parts.fragment)
                if anchor not in pages[target].anchors and name.parts[0] != _SOURCES:
                    found.append(f"{name}: no anchor at {link}")
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).resolve())
    print(
        "\n".join(wrong) or "pages: every picture has a text, every link a target, nothing foreign"
    )
    sys.exit(bool(wrong))
