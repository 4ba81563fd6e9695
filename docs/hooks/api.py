"""Writes the API pages: one for each room, from signatures and docstrings, without importing."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PACKAGE = Path(__file__).parents[2] / "src" / "medts"
_SOURCE = "https://github.com/medts/medts/blob/main/src/medts"
_SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Note|References?):")
_Definition = ast.FunctionDef | ast.ClassDef
_INTRODUCTION = """# API

In short: every public class and function of `medts`, one page a room, made from signatures and
docstrings. What most people need is on the page [Python](../python.md); the rooms are explained
under [Architecture](../architecture.md). Where annotations show shapes, letters are those of
[Concepts](../concepts.md#letters-in-shapes).

| name | module |
|---|---|
{names}

| room | what lives there |
|---|---|
{rooms}"""


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages as if they lay in ``docs/api/``."""
    for name, text in pages().items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    """Returns the text of every page by its name, the index among them."""
    rooms = sorted(each.parent for each in PACKAGE.glob("*/__init__.py"))
    rows = [f"| [`medts.{each.name}`]({each.name}.md) | {_first_line(each)} |" for each in rooms]
    top = [_module(path) for path in sorted(PACKAGE.glob("*.py"))]
    index = _INTRODUCTION.format(names="\n".join(_names()), rooms="\n".join(rows))
    return {"index": "\n\n".join([index, *filter(None, top)])} | {
        room.name: f"# medts.{room.name}\n\n" + "\n\n".join(_modules(room)) for room in rooms
    }


def _names() -> Iterator[str]:
    """Lists what `import medts` offers, each with where it is explained."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.col_offset and each.module:
            for name in each.names:
                module = _home(each.module, name.name)
                room = module.split(".")[1]
                page = f"{room}.md" if (PACKAGE / room).is_dir() else ""
                link = f"{page}#{module}.{name.name}"
                yield f"| [`medts.{name.asname or name.name}`]({link}) | `{module}` |"


def _home(module: str, name: str) -> str:
    """Returns the module that defines a name, where a package only passes it on."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for each in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(each, ast.ImportFrom) and name in {alias.name for alias in each.names}:
            return _home(str(each.module), name)
    return module


def _modules(room: Path) -> Iterator[str]:
    for path in sorted(room.rglob("*.py"), key=lambda each: (each.name != "__init__.py", each)):
        if text := _module(path):
            yield text


def _module(path: Path) -> str:
    """Returns the section of a module; empty if nothing in it is public."""
    source = path.read_text(encoding="utf-8")
    name = path.relative_to(PACKAGE).as_posix()
    dotted = f"medts/{name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    members = "\n\n".join(_member(each, dotted, source) for each in _public(ast.parse(source)))
    if not members and path.parent.parent != PACKAGE:
        return ""
    title = "" if path.parent.parent == PACKAGE and path.name == "__init__.py" else f"## {dotted}"
    head = f"{title}\n\n{_text(_docstring(path))}\n\n[source]({_SOURCE}/{name})"
    return f"{head}\n\n{members}" if members or path.name == "__init__.py" else ""


def _member(each: _Definition, dotted: str, source: str) -> str:
    parts = [f"### {each.name} {{ #{dotted}.{each.name} }}", _signature(each, source)]
    parts += [_text(ast.get_docstring(each))]
    if isinstance(each, ast.ClassDef):
        parts += ["\n".join([*_fields(each), *_methods(each)])]
    return "\n\n".join(part for part in parts if part)


def _methods(owner: ast.ClassDef) -> Iterator[str]:
    for each in _public(owner):
        if isinstance(each, ast.FunctionDef) and (said := ast.get_docstring(each)):
            taken = [arg.arg for arg in (*each.args.args, *each.args.kwonlyargs)][1:]
            is_value = any("property" in ast.unparse(one) for one in each.decorator_list)
            call = each.name if is_value else f"{each.name}({', '.join(taken)})"
            yield f"* `{call}`: {_escaped(' '.join(said.partition(chr(10) * 2)[0].split()))}"


def _fields(owner: ast.ClassDef) -> Iterator[str]:
    for each, after in zip(owner.body, [*owner.body[1:], None], strict=True):
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_"):
            is_said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            said = f": {_escaped(' '.join(str(after.value.value).split()))}" if is_said else ""
            yield f"* `{' '.join(ast.unparse(each).split())}`{said}"


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[_Definition]:
    for each in tree.body:
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and not each.name.startswith("_"):
            yield each


def _signature(each: _Definition, source: str) -> str:
    """Returns the signature as it is written."""
    end = max(each.body[0].lineno - 1, each.lineno)
    lines = source.splitlines()[each.lineno - 1 : end]
    return "```python\n" + "\n".join(lines).rstrip().removesuffix(":") + "\n```"


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _first_line(room: Path) -> str:
    return _escaped(_docstring(room / "__init__.py").split("\n")[0])


def _text(docstring: str | None) -> str:
    """Turns a docstring into Markdown: sections into lists, examples and drawings into blocks."""
    parts = []
    for paragraph in (docstring or "").split("\n\n"):
        lines = paragraph.splitlines()
        if lines and _SECTION.fullmatch(lines[0]):
            items = re.split(r"\n(?=\S)", textwrap.dedent("\n".join(lines[1:])))
            rows = [_item(" ".join(each.split())) for each in items]
            parts.append("\n".join([f"**{lines[0]}**", "", *rows]))
        elif any(line.startswith((" ", ">>>", "|")) for line in lines) and lines[0][:1] != "*":
            parts.append("\n".join(["```python", *lines, "```"]))
        else:
            parts.append(_escaped(paragraph))
    return "\n\n".join(parts)


def _item(text: str) -> str:
    name, colon, rest = text.partition(": ")
    is_named = bool(colon) and re.fullmatch(r"[\w.*, ]+", name)
    return f"* `{name}`: {_escaped(rest)}" if is_named else f"* {_escaped(text)}"


def _escaped(text: str) -> str:
    """Escapes what Markdown would read as a link or as HTML, but not inside code."""
    spans = re.split(r"(`+[^`]+`+)", text)
    return "".join(
        span if span.startswith("`") else re.sub(r"([<\[\]_])", r"\\\1", span) for span in spans
    )
