"""Clocks of programs, as tests set them."""
import subprocess
import sys
from pathlib import Path

from . import figures

AHEAD = Path(__file__).resolve().parent.parent / "shim" / "ahead.c"


class Monotonic:
    """CLOCK_MONOTONIC of the programs that have env (tests/shim/ahead.c). Not with sanitizers: their own library wants to be the first."""

    def __init__(self, folder):
        self.file, library = folder / "monotonic", folder / "ahead.so"
        self.file.write_bytes(bytes(8))
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, AHEAD], check=True)
        self.env = {"LD_PRELOAD": str(library), "HX_AHEAD": str(self.file)}

    def advance(self, seconds):
        """Beyond what passes by itself. Negative, it loses what has passed, as while a machine is suspended."""
        with open(self.file, "r+b") as file:
            ns = int.from_bytes(file.read(), sys.byteorder, signed=True) + round(seconds * 1e9)
            file.seek(0)
            file.write(ns.to_bytes(8, sys.byteorder, signed=True))


class TimeOfDay:
    """CLOCK_REALTIME of the programs that have env."""

    LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

    def __init__(self, folder):
        self.file = folder / "faketime"
        self.set(0)
        self.env = {"LD_PRELOAD": self.LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        figures.counts["faults"] += seconds != 0
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.file)
