"""Reads a page back, insists that its tags close in order, and keeps what it says."""

import re
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link"}
HOSTILE = '</script><img src=x onerror="alert(1)">&\'<b>'


class Page(HTMLParser):
    """A page with its tags, words, scripts and table rows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data + " "

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def references(self) -> list[tuple[str, dict[str, str | None]]]:
        """Tags that refer to something outside of the page."""
        names = ("src", "href", "xlink:href", "data", "action", "poster", "srcset")
        foreign = [
            (tag, attributes)
            for tag, attributes in self.tags
            if tag in ("link", "iframe", "object", "img", "embed", "base")
            or any(not re.match(r"#|$", attributes.get(name) or "") for name in names)
        ]
        outside = [("script", {}) for each in self.scripts if re.search(r"url\(|@import", each)]
        return foreign + outside

    def is_harmless(self) -> bool:
        """Returns whether the page has only its own script, and no handler or foreign element."""
        n_scripts = sum(tag == "script" for tag, _ in self.tags)
        handlers = [name for _, each in self.tags for name in each if name.startswith("on")]
        return n_scripts == 1 and not handlers and self.references() == []
