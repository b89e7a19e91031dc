"""How long a batch of new frames takes to find its near duplicates, against exact search with faiss.

    uv pip install faiss-cpu && python benchmarks/dedup.py [--runs 3]

Prints Markdown rows for docs/benchmarks.md: 1,000 new hashes against a million, and 1,000 new embeddings of
768 dimensions against a hundred thousand, on one thread each. A tenth of the new ones are near duplicates.
Both sides take turns, and both are asked with the same batch, dimension and threshold.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from data_miner.dedup.hashes import HashIndex
from data_miner.dedup.search import Index, Limits
from data_miner.models.provider import Vectors

HASHES, EMBEDDINGS, DIMENSIONS, BATCH = 1_000_000, 100_000, 768, 1_000
DISTANCE, SIMILARITY = 3, 0.95

Pairs = set[tuple[int, int]]
Search = Callable[[], Pairs]


def main() -> None:
    """Time both searches and print the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    faiss.omp_set_num_threads(1)
    random = np.random.default_rng(1)
    print(row("hashes", *compare(*hash_searches(random), runs=runs)))
    print(row("embeddings", *compare(*embedding_searches(random), runs=runs)))


def hash_searches(random: np.random.Generator) -> tuple[Search, Search]:
    """Return our search and faiss' for 64-bit hashes."""
    known = random.integers(0, 1 << 64, HASHES, np.uint64)
    new = random.integers(0, 1 << 64, BATCH, np.uint64)
    for row_number in range(BATCH // 10):
        flips = random.permutation(64)[: row_number % (DISTANCE + 2)]
        new[row_number] = known[row_number * 7] ^ np.uint64(sum(1 << int(bit) for bit in flips))
    ours = HashIndex(DISTANCE)
    ours.add(known.tolist())
    theirs = faiss.IndexBinaryFlat(64)
    theirs.add(known.view(np.uint8).reshape(-1, 8))
    batch, batch_bytes = new.tolist(), new.view(np.uint8).reshape(-1, 8)

    def search() -> Pairs:
        return set(zip(*(rows.tolist() for rows in ours.search(batch)), strict=True))

    def search_exactly() -> Pairs:
        # faiss takes what is below the radius.
        limits, _, rows = theirs.range_search(batch_bytes, DISTANCE + 1)
        return pairs(limits, rows)

    return search, search_exactly


def embedding_searches(random: np.random.Generator) -> tuple[Search, Search]:
    """Return our search and faiss' for embeddings that have a part in common, as those of SigLIP have."""
    common = random.standard_normal(DIMENSIONS)
    known = unit(random.standard_normal((EMBEDDINGS, DIMENSIONS)) + common)
    new = unit(random.standard_normal((BATCH, DIMENSIONS)) + common)
    copies = BATCH // 10
    noise = unit(random.standard_normal((copies, DIMENSIONS))) * random.uniform(0.1, 0.5, (copies, 1))
    new[:copies] = unit(known[:copies] + noise)
    ours = Index(DIMENSIONS, Limits(min_similarity=SIMILARITY, max_distance=0))
    ours.add(known, [None] * EMBEDDINGS)
    theirs = faiss.IndexFlatIP(DIMENSIONS)
    theirs.add(known)

    def search() -> Pairs:
        return {(match.new, match.known) for match in ours.search(new, [None] * BATCH)}

    def search_exactly() -> Pairs:
        limits, _, rows = theirs.range_search(new, SIMILARITY)
        return pairs(limits, rows)

    return search, search_exactly


def compare(ours: Search, theirs: Search, *, runs: int) -> tuple[list[float], list[float], float]:
    """Return the seconds of each side, and which share of the exact pairs ours finds."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for side, search in zip(seconds, (ours, theirs), strict=True):
            started = time.monotonic()
            search()
            side.append(time.monotonic() - started)
    exact = theirs()
    return *seconds, len(ours() & exact) / len(exact)


def row(what: str, ours: Sequence[float], theirs: Sequence[float], recall: float) -> str:
    """Return a row of the table."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
    mine, exact = statistics.median(ours), statistics.median(theirs)
    return (
        f"| {today} | {machine} | {what} | {len(ours)} | {mine:.3f} | {exact:.3f} | {mine / exact:.2f} "
        f"| {recall:.4f} |"
    )


def pairs(limits: NDArray[np.int64], rows: NDArray[np.int64]) -> Pairs:
    """Return what faiss found as pairs of rows."""
    new = np.repeat(np.arange(BATCH), limits[1:] - limits[:-1])
    return set(zip(new.tolist(), rows.tolist(), strict=True))


def unit(vectors: NDArray[np.float64]) -> Vectors:
    """Return vectors of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
