"""The soil probe read from a Modbus RTU server that is not ours: pymodbus, on the other end of a real terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import threading
import tty
from collections.abc import Iterator

import pytest
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

from pikvani_device.adapters.serial_line import SerialLine
from pikvani_device.adapters.serial_soil import ModbusSoilProbe
from pikvani_device.errors import SerialError
from pikvani_device.ports import SoilReading


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """Two device files, each the other's end."""
    ends = [pty.openpty() for _ in range(2)]
    for _, slave in ends:
        tty.setraw(slave)
    stop = threading.Event()

    def carry() -> None:
        one, other = (master for master, _ in ends)
        while not stop.is_set():
            for ready in select.select([one, other], [], [], 0.05)[0]:
                os.write(other if ready == one else one, os.read(ready, 4_096))

    carrier = threading.Thread(target=carry, daemon=True)
    carrier.start()
    yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    stop.set()
    carrier.join(5)
    for end in ends:
        for handle in end:
            os.close(handle)


@pytest.fixture
def probe_path(cable: tuple[str, str]) -> Iterator[str]:
    """The end of a probe with address 5 whose registers begin at 30: 27.4%, -3.2 degrees, 1,204 uS/cm."""
    ours, theirs = cable
    block = ModbusSequentialDataBlock(31, [274, 65_536 - 32, 1_204])
    loop, serving = asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        context = ModbusServerContext(devices={5: ModbusDeviceContext(hr=block)}, single=False)
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=theirs, baudrate=9_600)
        await server.serve_forever(background=True)
        serving.set()
        await stopped.wait()
        await server.shutdown()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert serving.wait(10)
    yield ours
    loop.call_soon_threadsafe(stopped.set)
    thread.join(10)
    loop.close()


def test_given_a_server_of_others_then_the_probe_is_read_and_a_wrong_register_is_told(probe_path: str) -> None:
    line = SerialLine("", probe_path, 9_600)
    try:
        assert ModbusSoilProbe(line, 5, 30).read() == SoilReading(27.4, -3.2, 1_204)
        with pytest.raises(SerialError, match="no such registers"):
            ModbusSoilProbe(line, 5, 90).read()
    finally:
        line.close()
