"""What is installed: nothing of what only tests need."""
from pathlib import Path

import pytest

from support import failpoints


@pytest.mark.quick
def test_a_release_has_no_failure_points(binaries):
    points = {point.name.encode() for point in failpoints.declared()} | {moment.encode() for moment in failpoints.MOMENTS}
    for program in failpoints.PROGRAMS.values():
        text = Path(binaries.path(program)).read_bytes()
        found = [word for word in [*points, b"HEIMDEX_FAIL", b"failure point"] if word in text]
        assert not found, f"{program}: {found}"


@pytest.mark.quick
def test_a_release_says_that_it_has_none(binaries):
    done = binaries.run("heimdex-submit", "--check-config", env={"HEIMDEX_FAIL": "submit.before_ack:kill"})
    assert done.stderr.startswith("heimdex-submit: warning: environment HEIMDEX_FAIL: unknown, ignoring")
