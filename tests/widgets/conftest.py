"""Shared by the tests of views."""

import asyncio

import pytest


@pytest.fixture(autouse=True)
def no_running_loop():
    """Begin without an event loop: a browser that tests before have left open in this process runs one."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(before)
