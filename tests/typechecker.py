"""The type checker behind the shape hook: beartype, with an int wherever a float may stand."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
