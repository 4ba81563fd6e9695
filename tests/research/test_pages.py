"""The page of results has the figures of the ledgers."""

from research.ledger import LEDGERS
from research.pages import PAGE, with_tables


def test_every_table_of_the_page_is_that_of_its_ledger():
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "run `python -m research.pages`"


def test_every_ledger_has_a_table_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    names = [path.stem for path in LEDGERS.glob("*.parquet")]
    assert names
    assert [name for name in names if f"`python -m research {name}" not in page] == []
