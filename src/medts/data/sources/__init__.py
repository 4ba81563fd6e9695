"""Corpora by name: the registry that the command line, ingest and the contract tests read."""

from medts.core.errors import unknown_name
from medts.data.sources.adftd import Adftd
from medts.data.sources.apava import Apava
from medts.data.sources.base import Source
from medts.data.sources.bidmc import Bidmc
from medts.data.sources.chapman_shaoxing import ChapmanShaoxing
from medts.data.sources.cinc_2017 import Cinc2017
from medts.data.sources.cpsc_2018 import Cpsc2018
from medts.data.sources.eegmat import Eegmat
from medts.data.sources.ludb import Ludb
from medts.data.sources.mimic_iv_ecg import MimicIvEcg
from medts.data.sources.mit_bih import MitBih, MitBihBeats
from medts.data.sources.pamap2 import Pamap2
from medts.data.sources.ptb_diagnostic import PtbDiagnostic
from medts.data.sources.ptb_xl import PtbXl
from medts.data.sources.sleep_edf import SleepEdf
from medts.data.sources.synthetic import Synthetic
from medts.data.sources.tusz import Tusz
from medts.data.sources.wesad import Wesad
from medts.data.sources.wisdm import Wisdm

SOURCES: dict[str, type[Source]] = {
    "ptb-xl": PtbXl,
    "mit-bih": MitBih,
    "mit-bih-beats": MitBihBeats,
    "ludb": Ludb,
    "cinc-2017": Cinc2017,
    "cpsc-2018": Cpsc2018,
    "chapman-shaoxing": ChapmanShaoxing,
    "mimic-iv-ecg": MimicIvEcg,
    "ptb-diagnostic": PtbDiagnostic,
    "wisdm": Wisdm,
    "eegmat": Eegmat,
    "apava": Apava,
    "adftd": Adftd,
    "tusz": Tusz,
    "bidmc": Bidmc,
    "sleep-edf": SleepEdf,
    "wesad": Wesad,
    "pamap2": Pamap2,
    "synthetic": Synthetic,
}


def find_source(name: str) -> type[Source]:
    """Returns a source class by name.

    Raises:
        UnknownNameError: If there is none of that name; the nearest is suggested.
    """
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
    return SOURCES[name]
