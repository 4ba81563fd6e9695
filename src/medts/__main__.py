"""Lets `python -m medts` be `medts`."""

import sys

from medts.cli.main import main

sys.exit(main())
