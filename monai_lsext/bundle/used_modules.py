"""The modules of this package that a bundle needs, and the part of each ``__init__`` that it needs."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from monai_lsext import __version__
from monai_lsext.bundle import code_references as package
from monai_lsext.bundle.code_references import PACKAGE, code_references, module_file

__all__ = ["UsedModules"]

CODE_SUFFIXES = (".py", ".pyc")
SHIPPED_BUNDLES = "_bundles"


class UsedModules:
    """Modules that are used, those that they import in turn, and the packages around them.

    A module is taken whole. An ``__init__`` imports every module beside it, so it is cut to the statements that bind
    a name asked of it, and to those that such statements use; imports are cut to the names. A package that is itself
    imported, not a name from it, keeps all its names: which of them are used cannot be told.

    Args:
        used: (module, name) pairs to start from.

    Raises:
        ValueError: when there is no such module or name.
    """

    def __init__(self, used: Iterable[tuple[str, str]]) -> None:
        self._trees: dict[str, ast.Module] = {}
        self._names: dict[str, set[str]] = {}  # what is asked of each package's __init__
        self._seen: set[tuple[str, str]] = set()
        self._add_module(PACKAGE)
        for module, name in used:
            self._add(module, name)

    def sources(self) -> dict[str, str]:
        """Path inside the package -> source, sorted."""
        files = {_file(module): module for module in self._trees}
        texts = {file: self._init_source(module) if module in self._names else None for file, module in files.items()}
        return {_inside(file): texts[file] or file.read_text(encoding="utf-8") for file in sorted(files)}

    def resources(self) -> list[str]:
        """Paths inside the package of its data files whose names stand as strings in the sources."""
        nodes = (node for source in self.sources().values() for node in ast.walk(ast.parse(source)))
        strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
        files = (p for p in package.PACKAGE_DIR.rglob("*") if p.name in strings and p.suffix not in CODE_SUFFIXES)
        paths = sorted(_inside(file) for file in files if file.is_file())
        return [path for path in paths if not path.startswith(SHIPPED_BUNDLES)]

    def _init_source(self, module: str) -> str:
        names = self._names[module]
        title = f'"""What this bundle uses of {module.replace(".", "/")} {__version__}."""'
        body = "\n".join(ast.unparse(statement) for statement in _needed_statements(self._trees[module], names))
        exports = f"__all__ = {sorted(names)}" if names else ""
        return "\n\n".join(filter(None, [title, body, exports])) + "\n"

    def _add(self, module: str, name: str) -> None:
        if (module, name) in self._seen:
            return
        self._seen.add((module, name))
        self._add_module(module)
        if module not in self._names or not name:
            return
        is_bound = name in _all_names(self._trees[module])
        if is_bound:
            self._names[module].add(name)
            for statement in _needed_statements(self._trees[module], {name}):
                self._add_all(statement, module)
        submodule = f"{module}.{name}"
        if module_file(submodule) is not None:
            self._add_module(submodule)
            for everything in sorted(_all_names(self._trees[submodule])) if submodule in self._names else ():
                self._add(submodule, everything)
        elif not is_bound:
            raise ValueError(f"{module} has no {name}")

    def _add_module(self, module: str) -> None:
        if module in self._trees:
            return
        parent = module.rpartition(".")[0]
        if parent:
            self._add_module(parent)
        self._trees[module] = ast.parse(_file(module).read_text(encoding="utf-8"))
        if _file(module).name == "__init__.py":
            self._names[module] = set()
        else:
            self._add_all(self._trees[module], parent)

    def _add_all(self, tree: ast.AST, inside: str) -> None:
        for module, name in code_references(tree, inside):
            self._add(module, name)


def _file(module: str) -> Path:
    file = module_file(module)
    if file is None:
        raise ValueError(f"there is no module {module}")
    return file


def _inside(file: Path) -> str:
    return file.relative_to(package.PACKAGE_DIR).as_posix()


def _all_names(tree: ast.Module) -> set[str]:
    return set().union(*map(_bound_names, tree.body)) - {"__all__"}


def _bound_names(statement: ast.AST) -> set[str]:
    """Names that a statement at the top of a module gives a meaning."""
    if _is_future(statement):
        return set()
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return set(map(_name_of, statement.names))
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    nodes = list(ast.walk(statement))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored.union(*(_bound_names(node) for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))))


def _needed_statements(tree: ast.Module, names: set[str]) -> list[ast.stmt]:
    """The statements that bind the names, and those that such statements need in turn, in their order."""
    wanted, count = set(names), -1
    while len(wanted) > count:
        count = len(wanted)
        kept = [statement for statement in tree.body if _bound_names(statement) & wanted]
        wanted |= {node.id for statement in kept for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return [_cut(statement, wanted) for statement in tree.body if _is_future(statement) or statement in kept]


def _cut(statement: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import of the wanted names alone; any other statement as it is."""
    if isinstance(statement, ast.ImportFrom) and not _is_future(statement):
        names = [alias for alias in statement.names if _name_of(alias) in wanted]
        return ast.ImportFrom(statement.module, names, statement.level)
    return statement


def _is_future(statement: ast.AST) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _name_of(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]
