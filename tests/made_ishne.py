"""A small ISHNE Holter file for tests."""

import binascii
import struct

import numpy as np


def encode(samples, codes, *, step_nv=5000, rate=250, variable=b"", announced=None) -> bytes:
    samples = np.asarray(samples, "<i2")
    n_leads, n = samples.shape

    def twelve(values):
        return struct.pack("<12h", *values, *[-9] * (12 - len(values)))

    def text(words, size):
        return words.encode().ljust(size, b"\0")

    counts = (len(variable), n if announced is None else announced, 522, 522 + len(variable), 1)
    header = struct.pack("<iiiih", *counts)
    header += text("Ann", 40) + text("Clark", 40) + text("SBJ-1", 20) + struct.pack("<hh", 2, 0)
    header += struct.pack("<12h", 8, 5, 1953, 22, 11, 2002, 22, 11, 2002, 9, 10, 0)
    header += struct.pack("<h", n_leads) + twelve(codes) + twelve([0] * n_leads)
    header += twelve([step_nv] * n_leads) + struct.pack("<h", 0) + text("H12", 40)
    header += struct.pack("<h", rate) + bytes(248) + variable
    checksum = struct.pack("<H", binascii.crc_hqx(header, 0xFFFF))
    return b"ISHNE1.0" + checksum + header + samples.T.tobytes()
