"""The documents for administrators name nothing that isn't there: commands, options, units, files of the package."""
import re
from pathlib import Path

import pytest
from support.told import wrong_with

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = ["README.md", "docs/operations.md", "docs/systemd.md", "docs/security.md", "docs/journal.md", "docs/migrations.md"]


@pytest.fixture(params=DOCUMENTS)
def document(request):
    return (ROOT / request.param).read_text()


def code(document):
    """Lines of code, in blocks and within the text, without what stands behind "  #"."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```$", document, re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", document, flags=re.M | re.S))
    lines = [line for block in blocks for line in block.splitlines()] + inline
    return [part for line in lines for part in re.split(r"&&|[|;]", re.split(r"\s{2,}#", line)[0])]


def test_commands_and_options(document, programs, quiet):
    wrong = [wrong_with(line, programs, quiet) for line in code(document)]
    assert not list(filter(None, wrong))


def test_units(document, unpacked):
    units = {path.name for path in (unpacked / "lib/systemd/system").iterdir()}
    for line in code(document):
        if re.match(r"^(# )?(systemctl|journalctl) ", line):
            for unit in re.findall(r"(?<![/\w.-])(heimdex[a-z.-]*@?)(?=[a-zA-Z]*(?:\s|$))", line):
                name = unit if unit in units else f"{unit}.service"
                assert name in units, line


def test_files_of_the_package(document, unpacked):
    for path in re.findall(r"/usr/share/doc/heimdex/[\w./-]*\w", document):
        assert (unpacked / path.lstrip("/")).exists(), path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_hold_in_the_package(name, unpacked):
    """To other documents and examples; those to sources are for who has them."""
    there = unpacked / "usr/share/doc/heimdex" / name
    for link in re.findall(r"\]\(([^)#:\s]+)[^)]*\)", there.read_text()):
        if link.endswith(".md") or "examples/" in link:
            assert (there.parent / link).exists(), link
