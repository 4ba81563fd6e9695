"""Lists the pages of a folder after its index, those that other hooks write among them."""

from typing import Any

from mkdocs.structure.files import Files


def on_files(files: Files, config: Any) -> Files:
    """Completes every section of the navigation that names no more than an index."""
    for section in config.nav:
        for pages in section.values():
            if isinstance(pages, list) and str(pages[0]).endswith("/index.md"):
                folder = str(pages[0]).removesuffix("index.md")
                found = sorted(each.src_uri for each in files if each.src_uri.startswith(folder))
                pages += [each for each in found if each.endswith(".md") and each != pages[0]]
    return files
