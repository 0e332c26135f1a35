"""What locating costs by the number of grids: µs of CPU per point, in batches and one by one.

    python bench/engine/grids.py                       100 to 50,000 grids
    python bench/engine/grids.py --grids 5000 --points 20000

The hub's own `GridMap` over a mesh of quadrilaterals with shared, jittered corners. Every answer is checked against the
grid that its point was drawn in. One JSON object per number of grids and batch size on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import job
import numpy as np
import shapely

from gridhub.streams.place.shapes import GridMap, grid_map

BATCHES = (1, 20, 200, 2000)
ONE_BY_ONE = 5000  # points, where each is a call


def main() -> int:
    """Measure; 1 when an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", default="100,1000,5000,20000,50000")
    parser.add_argument("--points", type=int, default=100_000)
    asked = parser.parse_args()
    good = True
    for wanted in map(int, asked.grids.split(",")):
        rows = max(1, int((wanted / 2) ** 0.5))
        quads = np.array([quad for _, quad in job.mesh(round(wanted / rows), rows)])
        x, y, meant = _points(quads, asked.points)
        start = time.process_time()
        index = grid_map(shapely.polygons(np.concatenate([quads, quads[:, :1]], axis=1)))
        build_s = time.process_time() - start
        for batch in BATCHES:
            count = ONE_BY_ONE if batch == 1 else asked.points
            us, right = _cost(index, x[:count], y[:count], meant[:count], batch)
            good &= right
            line = {"measure": "locate", "grids": len(quads), "batch": batch, "us_per_point": round(us, 3)}
            print(json.dumps({**line, "build_s": round(build_s, 3), "right": right}), flush=True)
    return 0 if good else 1


def _points(quads: Any, count: int) -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(1)
    meant = draw.integers(0, len(quads), count)
    a, b = draw.uniform(0.02, 0.98, (2, count))
    x, y = job.inside(quads[meant].transpose(1, 2, 0), a, b)
    return x, y, meant


def _cost(index: GridMap, x: Any, y: Any, meant: Any, batch: int) -> tuple[float, bool]:
    index.locate(x[:batch], y[:batch])
    start = time.process_time()
    found = [index.locate(x[at : at + batch], y[at : at + batch]) for at in range(0, len(x), batch)]
    us = (time.process_time() - start) / len(x) * 1e6
    return us, bool(np.array_equal(np.concatenate(found), meant))


if __name__ == "__main__":
    sys.exit(main())
