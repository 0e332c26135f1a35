"""The memory that all stores of a process share, and how RocksDB is tuned for many small keys that are mostly new."""

from __future__ import annotations

from functools import cache

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager

CACHE_MB = 64
WRITE_SHARE = 3  # of the cache, one part in three may be rows that are not on disk yet
STORES = 6
ROWS_BYTES = (512 << 10, 8 << 20)  # least and most of one store, before they go to disk
FILE_BYTES = 16 << 20
OPEN_FILES = 96  # per store; each takes some 10 kB beside the cache
BLOOM_BITS = 10  # a key: one new id in a hundred looks at a block in vain
BLOCK_BYTES = 4096


class Budget:
    """One block cache for the stores of all lanes: data, indexes, filters and unwritten rows count against `cache_mb`.

    So the memory of a worker does not grow with its keys. `stores` is how many there will be: RocksDB never makes one
    store write down its rows because another one needs the room, so each gets its part.
    """

    def __init__(self, cache_mb: int = CACHE_MB, stores: int = STORES) -> None:
        self._cache = Cache(cache_mb << 20)
        rows = (cache_mb << 20) // WRITE_SHARE
        self._rows_bytes = min(max(rows // stores, ROWS_BYTES[0]), ROWS_BYTES[1])
        self._rows = WriteBufferManager.new_write_buffer_manager_with_cache(rows, allow_stall=False, cache=self._cache)

    def used_bytes(self) -> int:
        """What is in the cache now, unwritten rows included."""
        return int(self._cache.get_usage())

    def options(self) -> Options:
        """RocksDB's options for one store of this budget."""
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(self._table())
        options.set_write_buffer_manager(self._rows)
        options.set_write_buffer_size(self._rows_bytes)
        options.set_max_write_buffer_number(3)
        # a new id is asked for before it is written: a filter spares the walk through the unwritten rows
        options.set_memtable_prefix_bloom_ratio(0.05)
        options.set_memtable_whole_key_filtering(True)
        options.set_level_compaction_dynamic_level_bytes(True)
        options.set_target_file_size_base(FILE_BYTES)
        options.set_max_bytes_for_level_base(4 * FILE_BYTES)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_max_background_jobs(2)
        options.set_max_open_files(OPEN_FILES)
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(1 << 20)
        options.set_stats_dump_period_sec(0)
        return options

    def _table(self) -> BlockBasedOptions:
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        table.set_bloom_filter(BLOOM_BITS, block_based=False)
        table.set_block_size(BLOCK_BYTES)
        table.set_format_version(5)
        return table


@cache
def shared() -> Budget:
    """The budget of stores that were given none of their own: one per process."""
    return Budget()
