"""Concatenation of segments of one recording in time, with gaps as NaN.

Axes: T samples in time.
"""

from dataclasses import replace

import numpy as np

from medts.core.channels import canonical_channel
from medts.formats.base import Channel

_MOST_SPREAD = 20
"""A stated offset may not stretch a recording to more than this multiple of its parts."""


def side_by_side(parts: list[list[Channel]]) -> list[Channel]:
    """Lays channels of one rate on one time axis; NaN where a channel was not recorded.

    A lead of two parts, such as a rhythm strip under a page of three by four, is one channel: the
    longer recording counts, the other fills its gaps. Rates are never mixed, and what cannot lie
    on one grid keeps a start of its own.
    """
    channels = [each for part in parts for each in part]
    first_s = min(each.start_s for each in channels)
    channels = [replace(each, start_s=each.start_s - first_s) for each in channels]
    laid: list[Channel] = []
    for rate in dict.fromkeys(each.sampling_rate for each in channels):
        members = [each for each in channels if each.sampling_rate == rate]
        offsets = [each.start_s * rate for each in members]
        is_even = all(abs(offset - round(offset)) < 1e-3 for offset in offsets)
        sizes = [each.values.size for each in members]
        shapes = {(round(at), size) for at, size in zip(offsets, sizes, strict=True)}
        end = max(sum(shape) for shape in shapes)
        is_spread = end > _MOST_SPREAD * sum(sizes)
        laid += members if len(shapes) == 1 or not is_even or is_spread else _lay(members, end)
    return laid


def _lay(channels: list[Channel], n_samples: int) -> list[Channel]:
    rows: dict[tuple[str, str], Channel] = {}
    for each in sorted(channels, key=lambda channel: -channel.values.size):
        place = slice(at := round(each.start_s * each.sampling_rate), at + each.values.size)
        if _key(each) in rows:
            held = rows[_key(each)].values[place]
            np.copyto(held, each.values, where=np.isnan(held))
            continue
        values = np.full(n_samples, np.nan)
        values[place] = each.values
        rows[_key(each)] = replace(each, values=values, start_s=0.0)
    return [rows[key] for key in dict.fromkeys(map(_key, channels))]


def _key(channel: Channel) -> tuple[str, str]:
    return canonical_channel(channel.name) or str(id(channel)), channel.unit
