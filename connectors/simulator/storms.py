"""A storm over a district: its warning, and how many matters of each kind it brings."""

STORM_WARNING = "rain"
STORM = {"flood": (3, 7), "outage": (3, 6), "tree": (1, 4), "dark_street": (0, 2), "landslide": (0, 1)}
"""Kind of matter: fewest and most."""
STORM_MINUTES = 100
EVENTS_PER_STORM = {"ordinary": 1500, "storm": 120}
"""Scenario: messages from one storm to the next."""
