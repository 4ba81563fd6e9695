"""The papers of the repository say what is true: commands, snippets, paths, versions."""

import contextlib
import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import medts
from medts.cli.main import VERBS, main
from medts.data.sources import sources
from medts.data.sources.synthetic import synthetic_record
from medts.formats import FORMATS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNNABLE = [page for page in PAGES if page.name not in ("README.md", "CONTRIBUTING.md")]
HOOKS = ROOT / "docs" / "hooks"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def hook(name: str) -> ModuleType:
    """Imports a hook of the documentation."""
    pytest.importorskip("mkdocs", reason="mkdocs-material is not installed")
    spec = importlib.util.spec_from_file_location(f"hook_{name}", HOOKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the fenced blocks in one language."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [content for kind, content in found if kind == language]


def commands(page: Path) -> list[str]:
    """Every `medts …` written as code, in blocks or in running text, one line each."""
    text = page.read_text(encoding="utf-8")
    shell = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    lines = [line.strip() for line in shell.splitlines()]
    spans = [" ".join(span.split()) for span in _CODE_SPAN.findall(_BLOCK.sub("", text))]
    return [each for each in lines + spans if re.match(r"medts [a-z]", each)]


def flags_of(verb: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Flags that the help of a verb shows, those of one recipe where it takes one."""
    asked = [verb, "--help"]
    with contextlib.suppress(SystemExit):
        main(asked)
    text = capsys.readouterr().out
    if recipes := re.search(r"^recipes: .*\b(ecg_nat_pretraining|xresnet1d)\b", text, re.MULTILINE):
        with contextlib.suppress(SystemExit):
            main([verb, recipes[1], "--help"])
        text = capsys.readouterr().out
    return set(re.findall(r"--[a-z][\w.-]*", text))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_snippets_compile(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, name_of(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_verb_that_is_mentioned_exists() -> None:
    mentioned = {command.split()[1] for page in PAGES for command in commands(page)}
    assert mentioned <= set(VERBS)
    assert mentioned == set(VERBS), "the documentation passes over a verb"


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_flag_that_is_mentioned_exists(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    known = flags_of(verb, capsys)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {verb}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/cli.md has no section {verb}"
    first_cells = re.findall(r"^\| (`--.*?) \|", section[1], re.MULTILINE)
    mentioned = {flag for cell in first_cells for flag in re.findall(r"--[a-z][\w.-]*", cell)}
    of_verb = [each for each in (c for p in PAGES for c in commands(p)) if each.split()[1] == verb]
    mentioned |= {flag for each in of_verb for flag in re.findall(r"(?<=\s)--[a-z][\w.-]*", each)}
    assert mentioned <= known


def test_every_flag_that_is_no_field_of_a_recipe_is_documented(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for verb in VERBS:
        flags = {flag for flag in flags_of(verb, capsys) if "." not in flag}
        known_by_recipe = {"--name", "--cache-gib", "--tuning-trials"}
        named = {f for f in flags - known_by_recipe if not f.startswith(("--help", "--no-"))}
        missing = [flag for flag in sorted(named) if flag not in page]
        assert missing == [], f"docs/cli.md lacks flags of {verb}"


def test_every_path_of_the_map_exists_and_no_room_is_left_out() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Map")[1].split("\n## ")[0]
    paths = [span for span in _CODE_SPAN.findall(section) if "/" in span]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    rooms = {f"src/medts/{file.parent.name}/" for file in ROOT.glob("src/medts/*/__init__.py")}
    assert rooms <= set(paths)


def test_the_citation_is_that_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == medts.__version__
    assert {"message", "title", "authors", "license"} <= set(citation)


def test_every_source_has_a_page_with_all_that_its_card_states() -> None:
    pages = hook("datasets").pages()
    for name, source in sources().found.items():
        card, text = source.card, pages[name]
        for field in ("subjects", "records", "streams", "folds", "defects"):
            assert getattr(card, field), f"{name} has a card without {field}"
        stated = [card.title, card.licence, card.subjects, card.records, card.also, card.folds]
        stated += [card.layout, *(part for stream in card.streams.values() for part in stream)]
        stated += [each[1:] for each in (*card.notes, *card.defects)]
        stated += [name for label_set in source().label_sets for name in label_set.classes]
        assert [each for each in stated if each not in text] == []
        assert f"| [`{name}`]({name}.md) | {card.title} |" in pages["index"]


def test_list_and_pages_of_sources_agree(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "sources"])
    listed = " ".join(capsys.readouterr().out.split())
    names = set(hook("datasets").pages()) - {"index"}
    assert names == set(sources().found)
    assert [name for name in names if f" {name} " not in listed] == []


def test_every_name_of_the_package_has_an_entry_of_the_api() -> None:
    pages = hook("api").pages()
    for name in set(medts.__all__) - {"__version__"}:
        link = re.search(rf"\[`medts\.{name}`\]\(([\w]*)(?:\.md)?#([\w.]+)\)", pages["index"])
        assert link is not None, f"medts.{name} is not in the API pages"
        assert f"{{ #{link[2]} }}" in pages[link[1] or "index"]
    rooms = {file.parent.name for file in ROOT.glob("src/medts/*/__init__.py")}
    assert rooms == set(pages) - {"index"}


def test_the_page_of_the_architecture_has_every_room_and_true_paths() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = "\n".join(hook("tables").rooms())
    rooms = [file.parent.name for file in ROOT.glob("src/medts/*/__init__.py")]
    assert [room for room in rooms if f"[`{room}`](api/{room}.md)" not in table] == []
    paths = [span for span in _CODE_SPAN.findall(page) if "/" in span]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_page_begins_in_short() -> None:
    pages = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "index.md"]
    starts = {name_of(page): page.read_text(encoding="utf-8").split("\n## ")[0] for page in pages}
    assert [name for name, start in starts.items() if "In short" not in start] == []


def test_the_ten_lines_of_the_readme_run_on_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    rows = []
    for person in range(10):
        for rhythm in ("SR", "AFIB"):
            file = f"mine/{person}-{rhythm}.edf"
            FORMATS["edf"].write(synthetic_record(rhythm=rhythm, seed=person), Path(file))
            rows.append({"file": file, "person": str(person), "rhythm": rhythm})
    FORMATS["edf"].write(synthetic_record(rhythm="AFIB", seed=99), Path("mine/new.edf"))
    with Path("mine/labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file", "person", "rhythm"])
        table.writeheader()
        table.writerows(rows)
    [block] = blocks(ROOT / "README.md", "python")
    assert len([line for line in block.splitlines() if line]) <= 10
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(block, "README.md", "exec"), names)
    probability = names["prediction"].probability
    assert set(probability) == {"AFIB", "SR"}
    assert sum(probability.values()) == pytest.approx(1.0)


def test_every_field_of_a_result_is_explained() -> None:
    from medts.evaluation.result import Result

    page = (ROOT / "docs" / "reading-results.md").read_text(encoding="utf-8")
    names = [field.serialization_alias or name for name, field in Result.model_fields.items()]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_pictures_are_small_and_load_nothing_from_elsewhere() -> None:
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 300_000
        if picture.suffix == ".svg":
            text = picture.read_text(encoding="utf-8")
            assert "synthetic" in text
            assert re.findall(r"(?:href|src)=\"(?!#)[^\"]*", text) == []


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    for html in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link rel=\"stylesheet\")[^>]*https?://[^>]*>", html.read_text()
        )
        assert loaded == [], f"{html.name} needs a network"


@pytest.mark.slow
def test_every_snippet_runs_where_the_demo_has_been_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--subjects", "30", "--recipe", "xresnet1d_test"]) == 0
    for page in RUNNABLE:
        names: dict[str, object] = {"__name__": "snippet"}
        for block in blocks(page, "python"):
            exec(compile(block, name_of(page), "exec"), names)
