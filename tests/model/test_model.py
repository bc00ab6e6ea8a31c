"""The protocol as designed breaks no rule in any order of events; each defect that a successor might build in does, and the search shows how:

    tests/model/show 'no fence'"""
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.search import told  # noqa: E402
from model.setups import DEFECTS, DESIGNS, defective, searched  # noqa: E402
from support import figures  # noqa: E402


@pytest.fixture(scope="module")
def searches():
    """All of them at once, as many at a time as there are cores, the largest first."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(searched, setup)
               for name, setup in {**DESIGNS, **{name: defective(name) for name in DEFECTS}}.items()}


@pytest.mark.parametrize("name", DESIGNS)
def test_the_design_breaks_no_rule(searches, name):
    found = searches[name].result()
    print(f"{name}: {found.states} states")
    figures.counts.update({"states of the model": found.states, "violations": bool(found.broken)})
    assert not found.broken, told(found)
    assert found.states >= DESIGNS[name].least, "fewer states than there were: has the model lost a step?"


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(searches, name):
    found = searches[name].result()
    assert found.broken.startswith(DEFECTS[name].breaks), f"{found.states} states\n{told(found)}"
    assert found.trace
