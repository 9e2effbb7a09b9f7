"""Pages of the site that are made, not written: a copy of each bundle's README, and the reference of each module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PICTURES = (".png", ".jpg")
REFERENCE = {
    "Layers": "networks.layers",
    "Networks": "networks.nets",
    "Classical level sets": "evolution",
    "Losses": "losses",
    "Metrics": "metrics",
    "Transforms": "transforms",
    "Inferers": "inferers",
    "Handlers": "handlers",
    "Engines": "engines",
    "Data lists": "data.datalists",
    "Phantoms": "data.phantoms",
}


def bundle_pages() -> dict[str, Path]:
    """Address in the site -> file of a bundle."""
    pages = {}
    for folder in sorted((ROOT / "bundles").iterdir()):
        for file in sorted((folder / "docs").glob("*")):
            if file.suffix in (".md", ".txt", *PICTURES):
                pages[f"bundles/{folder.name}/{file.name}"] = file
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the made pages to the navigation."""
    bundles = [{Path(page).parent.name: page} for page in bundle_pages() if page.endswith("README.md")]
    reference = [{title: f"reference/{title.lower().replace(' ', '-')}.md"} for title in REFERENCE]
    nav: list[Any] = list(config.nav or [])
    config.nav = [*nav, {"Bundles": bundles}, {"Reference": reference}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the made pages."""
    for page, path in bundle_pages().items():
        if path.suffix in PICTURES:
            files.append(File.generated(config, page, content=path.read_bytes()))
        else:
            files.append(File.generated(config, page, content=path.read_text(encoding="utf-8")))
    for title, module in REFERENCE.items():
        text = f"# {title}\n\n::: monai_lsext.{module}\n    options:\n      show_root_heading: false\n"
        files.append(File.generated(config, f"reference/{title.lower().replace(' ', '-')}.md", content=text))
    return files
