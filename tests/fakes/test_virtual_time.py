"""Time is virtual only while nothing outside of the event loop is at work."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.fakes.virtual_time import run_virtual


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_output_that_comes_after_a_childs_end_is_waited_for_in_real_time() -> None:
    async def read_output() -> bytes:
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-c", "(sleep 0.2; echo late) & exit 0"), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, _ = await shell.communicate()
        return output

    assert run_virtual(read_output()) == b"late\n"
