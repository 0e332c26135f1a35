"""How good the hub is, measured: places, datums, warnings, merges. `make quality` runs all; docs/quality.md explains."""
