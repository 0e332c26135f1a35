"""Ways out: what carries a task from hub.tasks to a system that is not the hub, over HTTP or by mail.

Kafka's transactions end at Kafka. A way out delivers at least once, with a key by which the target knows a repeat, and
writes what became of each delivery into hub.deliveries together with its offset.
"""
