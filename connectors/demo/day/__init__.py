"""A scripted day in simulated time: what everybody does is data (day.yaml), and so is every record that must come of it."""
