"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines; a column of numbers is aligned to the right. Nothing where there are no rows."""
    if not rows:
        return []
    widths = [max(len(line[n]) for line in (head, *rows)) for n in range(len(head))]
    right = [all(row[n][:1].isdigit() and row[n].isdigit() for row in rows) for n in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (head, *rows)
    ]
