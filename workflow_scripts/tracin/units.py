"""Durations, sizes and shares for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as few digits as say something; nothing for none."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.0f} s" if seconds else ""


def size(count: float) -> str:
    """Bytes in decimal units; nothing for none."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count / 1e3:,.0f} kB" if count else ""


def share(part: float, digits: int = 4) -> str:
    """A share as a number; nothing below one is said to be all."""
    most = 1 - 10**-digits if part < 1 else 1
    return f"{min(part, most):.{digits}f}"


def percent(part: float) -> str:
    """A share in percent, as `share` says it; nothing above none is said to be none."""
    if 0 < part < 0.0005:
        return "<0.1%"
    return f"{min(100 * part, 99.9 if part < 1 else 100):.1f}%"


def whole_percent(part: float) -> str:
    """A share in whole percent; what is not quite none, or all, is not said to be."""
    if 0 < part < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= part < 1 else f"{part:.0%}"
