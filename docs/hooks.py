"""What mkdocs does beyond its settings: it lists every dataset card and every paper page."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Adds the pages of both folders to the navigation, after their index, by name."""
    for section in config.nav:
        for pages in section.values():
            if isinstance(pages, list) and str(pages[0]).endswith("/index.md"):
                folder = Path(config.docs_dir, pages[0]).parent
                names = sorted(page.name for page in folder.glob("*.md"))
                pages += [f"{folder.name}/{name}" for name in names if name != "index.md"]
    return config
