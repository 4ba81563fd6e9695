"""Lists the pages of a folder after its index, those that other hooks write among them."""

from typing import Any

from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Completes every section of the navigation that names no more than an index."""
    for section in config.nav:
        for pages in section.values():
            if isinstance(pages, list) and str(pages[0]).endswith("/index.md"):
                folder = str(pages[0]).removesuffix("index.md")
                found = [each for each in files if each.src_uri.startswith(folder)]
                found = [each for each in found if each.src_uri.endswith(".md")]
                pages += [
                    _entry(each) for each in sorted(found, key=_place) if each.name != "index"
                ]
    return files


def _place(file: File) -> str:
    return file.src_uri


def _entry(file: File) -> str | dict[str, str]:
    """Returns what stands in the navigation: the name of a made page, else the page's title."""
    return {file.src_uri.split("/")[-1][:-3]: file.src_uri} if file.generated_by else file.src_uri
