"""WFDB as a format: reading is in `medts.formats.wfdb`, writing in `medts.formats.wfdb_writing`."""

from medts.formats.base import Format
from medts.formats.wfdb import read, recognises
from medts.formats.wfdb_writing import write

FORMAT = Format("wfdb", "WFDB", (".hea", ".dat"), recognises, read, write, order=10)
