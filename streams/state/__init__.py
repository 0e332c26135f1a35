"""A lane's local state on disk: `rocks.RocksStore`.

The truth is the changelog in Kafka; a store is a copy that knows how far it has read. It is written after the
transaction that wrote the changelog is committed, in one write batch with its new position, and rebuilt whenever that
position cannot be trusted: another changelog or layout, a damaged folder, older than twelve hours, or beyond the
changelog's end. So deleting the folder of a stopped worker is always safe.
"""
