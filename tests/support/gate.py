"""Handlers that wait for the test: the `gate` fixture."""
import os

import pytest


class Gate:
    """Who comes to it waits until the test opens it, and then it stays open until the test closes it. It is a fifo without a writer, so that they wait in the kernel: many
    handlers that looked again and again would leave the fleet too little of the machine."""

    def __init__(self, path):
        self.path, self.writer = path, None
        os.mkfifo(path)
        self.sh = f": <{path}"  # what a handler does to wait
        self.python = f"open({str(path)!r}).close()"

    def open(self):
        if self.writer is None:
            self.writer = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def close(self):
        """Who comes from now on waits again."""
        if self.writer is not None:
            os.close(self.writer)
            self.writer = None


@pytest.fixture
def gate(tmp_path):
    made = Gate(tmp_path / "gate")
    yield made
    made.close()
