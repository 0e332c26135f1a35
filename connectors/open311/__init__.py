"""Open311 GeoReport v2: citizens' reports in as ordinary events, their state out, and steps of tasks in.

The server keeps no truth of its own: what it answers from is a bounded copy of Kafka's topics, which it can make anew.
"""
