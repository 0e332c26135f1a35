"""A network cable that can be bad: a TCP proxy on loopback that delays, throttles, stalls, cuts and goes half-open."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536
LOOK_S = 0.05


class Link:
    """One cable to `to_port`; clients connect to `port`. Its state may be changed from any thread at any time."""

    def __init__(self, port: int, to_port: int) -> None:
        self.port, self.to_port = port, to_port
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.stalled = False
        self._down = False
        self._deaf: set[asyncio.StreamWriter] = set()  # half-open: what is read is dropped, nothing is closed
        self._ends: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link-{port}", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._do(asyncio.start_server(self._join, HOST, self.port)).result(10)

    def mend(self) -> None:
        """A good cable again; connections that went half-open stay so."""
        self.delay_s, self.bytes_per_s, self.stalled, self._down = 0.0, None, False, False

    def cut(self) -> None:
        """Every connection is reset, and every new one too, until `mend`."""
        self._down = True
        self._loop.call_soon_threadsafe(self._abort_all)

    def half_open(self) -> None:
        """Connections of this moment say nothing any more and are never closed; new ones are good."""
        self._loop.call_soon_threadsafe(lambda: self._deaf.update(self._ends))

    def _do(self, work: object) -> Future[object]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)  # type: ignore[arg-type]  # coroutines only

    def _abort_all(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.to_port)
        except OSError:
            writer.transport.abort()  # the broker is away: the client sees a refusal
            return
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._ends -= ends
            self._deaf -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction to its end; a half-open one is read for ever and written no more."""
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._pass(len(data))
                if writer not in self._deaf:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass  # reset by one side; the other learns it below
        if writer not in self._deaf:
            writer.close()

    async def _pass(self, count: int) -> None:
        while self.stalled:  # noqa: ASYNC110  # set by another thread, which an asyncio.Event would not bear
            await asyncio.sleep(LOOK_S)
        wait_s = self.delay_s + (count / self.bytes_per_s if self.bytes_per_s else 0.0)
        if wait_s:
            await asyncio.sleep(wait_s)
