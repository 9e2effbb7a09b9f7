"""What code and configs use of this package, found by parsing alone; nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["PACKAGE", "code_references", "config_references", "module_file"]

PACKAGE_DIR = Path(__file__).parents[1]
PACKAGE = "monai_lsext"
DOTTED_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")
CONFIG_REFERENCE = re.compile(r"@(#|::)*\w+((#|::)\w+)*")


def module_file(module: str) -> Path | None:
    """File of a module of the package, for a package its ``__init__.py``; None where there is none."""
    path = PACKAGE_DIR.joinpath(*module.split(".")[1:])
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def config_references(config: Any) -> Iterator[tuple[str, str]]:
    """(module, name) of all that a config uses: in ``_target_`` and other dotted names, imports and expressions.

    Args:
        config: content of a config file, as read.

    Raises:
        ValueError: for an expression that is no Python.
    """
    if isinstance(config, (dict, list)):
        for value in config.values() if isinstance(config, dict) else config:
            yield from config_references(value)
    elif isinstance(config, str) and PACKAGE in config:
        code = CONFIG_REFERENCE.sub("_", config[1:].strip()) if config.startswith("$") else repr(config)
        try:
            tree = ast.parse(code)
        except SyntaxError as e:
            raise ValueError(f"an expression must be Python, got {config}") from e
        yield from code_references(tree, PACKAGE)


def code_references(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """(module, name) of all that code uses of the package.

    For ``import package.b`` the name is b, a submodule; for ``import package`` alone it is empty.

    Args:
        tree: the code; imports inside functions and dotted names in strings count too.
        package: the package that the code lies in, where relative imports start.
    """
    for node in ast.walk(tree):
        dotted: list[str] = []
        if isinstance(node, ast.ImportFrom):
            start = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*start, *filter(None, [node.module])])
            if module.split(".")[0] == PACKAGE:
                yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
            yield from ((PACKAGE, "") for name in dotted if name == PACKAGE)
        elif isinstance(node, ast.Attribute):
            dotted = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            dotted = [node.value]
        yield from (_module_and_name(name) for name in dotted if DOTTED_NAME.fullmatch(name))


def _module_and_name(dotted: str) -> tuple[str, str]:
    """The longest module that leaves a name, and the first name behind it."""
    parts = dotted.split(".")
    count = next(n for n in range(len(parts) - 1, 0, -1) if module_file(".".join(parts[:n])) is not None)
    return ".".join(parts[:count]), parts[count]
