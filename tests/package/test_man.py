"""The manual pages: each says all that its program says of itself, in order, and no tool complains of it."""
import re

import pytest
from support.command import run
from support.told import PROGRAMS, commands_of, help_of, wrong_with

PAGES = sorted([f"{program}.{section}" for program, section in PROGRAMS.items()] + ["heimdex.conf.5"])
# Of pages that the tests' machine need not have, and that the pages are no part of a BSD.
OUTSIDE = re.compile(r"referenced manual not found|outdated mandoc.db|operating system explicitly specified")


@pytest.fixture(scope="module")
def folder(unpacked):
    return unpacked / "usr" / "share" / "man"


def path_of(folder, page):
    return folder / f"man{page[-1]}" / f"{page}.gz"


@pytest.fixture(scope="module")
def text(folder, tmp_path_factory):
    """A page as people read it, without line breaks within a paragraph."""
    def read(page):
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100000", "MAN_KEEP_FORMATTING": "", "TERM": "dumb"}
        return run("man", "-l", path_of(folder, page), env=env).stdout
    return read


@pytest.mark.parametrize("page", PAGES)
def test_no_tool_complains(folder, page):
    done = run("mandoc", "-T", "lint", path_of(folder, page), check=False)
    assert [line for line in done.stdout.splitlines() if not OUTSIDE.search(line)] == []
    for width in "72", "80", "120":
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": width, "TERM": "dumb"}
        assert run("man", "--warnings", "-l", path_of(folder, page), env=env).stderr == ""


@pytest.mark.parametrize("page", PAGES)
def test_sections(text, page):
    headings = re.findall(r"^([A-Z][A-Z ]+)$", text(page), re.M)
    wanted = ["NAME", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"]
    if page != "heimdex.conf.5":
        wanted += ["SYNOPSIS", "OPTIONS", "ENVIRONMENT", "EXIT STATUS"]
    assert not set(wanted) - set(headings)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_there(text, programs, quiet, program):
    help_text = help_of(programs, program, quiet)
    page = text(f"{program}.{PROGRAMS[program]}").split("\nOPTIONS\n")[1].split("\nENVIRONMENT\n")[0]
    told = re.findall(r"^ {5}((?:-., )?--\S+.*?)(?: {2}|$)", page, re.M)
    listed = [re.sub(r" +$", "", option) for option in re.findall(r"^  (?:   )? ?((?:-., )?--\S+(?: [^ \n]+)?)(?: {2,}|$)", help_text, re.M)]
    assert [" ".join(option.split()) for option in told] == [" ".join(option.split()) for option in listed]


def test_every_command_is_there(text, programs, quiet):
    help_text = help_of(programs, "heimdexctl", quiet)
    page = text("heimdexctl.1")
    for head, said in re.findall(r"^  (\S.*)\n      (.*)$", help_text.split("\nCommands:\n")[1].split("\n\n")[0], re.M):
        assert re.search(rf"^ {{5}}{re.escape(head)}\s+{re.escape(said)}$", page, re.M), head
    page = text("heimdex-migrate.1").split("\nCOMMANDS\n")[1].split("\nOPTIONS\n")[0]
    assert re.findall(r"^ {5}([a-z]+)", page, re.M) == commands_of(programs, "heimdex-migrate", quiet)


def test_every_exit_code_is_there(text, programs, quiet):
    for program, section in PROGRAMS.items():
        help_text = help_of(programs, program, quiet)
        said = re.search(r"^Exit(?: codes)?: (.*?)\n\n", help_text, re.M | re.S)
        codes = set(re.findall(r"(?:^|;\s+)(\d+)\s", said[1])) if said else {"0", "64", "78"}
        page = text(f"{program}.{section}").split("\nEXIT STATUS\n")[1].split("\nEXAMPLES\n")[0]
        assert codes <= set(re.findall(r"^ {5}(\d+)\b", page, re.M)), program


def test_every_key_is_there(text, programs, quiet):
    page = text("heimdex.conf.5").split("\nKEYS\n")[1].split("\nSECRETS\n")[0]
    shown = run(programs / "heimdexctl", "--show-config", env=quiet).stdout
    assert re.findall(r"^ {5}([a-z]+\.[a-z_]+)(?: \*)?(?: {2}.*)?$", page, re.M) == re.findall(r"^([a-z]+\.[a-z_]+) = ", shown, re.M)


def test_the_rest_of_the_configuration_is_there(text):
    """Secrets and the members of a handler, as docs/configuration.md has them, which a unit test holds to the table."""
    page = text("heimdex.conf.5")
    for name in "pgpassword", "kafka-sasl-password", "redis-url", "type", "queue", "exec", "timeout", "concurrency", "memory_max", "tasks_max":
        assert re.search(rf"^ {{5}}{name}\b", page, re.M), name
    assert 'kafka = { brokers = "kafka-1:9092,kafka-2:9092"; };' in page
    assert "Any librdkafka properties: [ " in page
    assert "`" not in page and "](" not in page


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_pages_that_there_are(folder, page):
    source = run("zcat", path_of(folder, page)).stdout
    for name, section in re.findall(r"^\.Xr (heimdex\S*) (\d)", source, re.M):
        assert f"{name}.{section}" in PAGES
        assert f"{name}.{section}" != page or name == "heimdex.conf"


@pytest.mark.parametrize("page", PAGES)
def test_examples_use_what_there_is(text, programs, quiet, page):
    """Commands and options in the examples are known to the programs that they are given to."""
    examples = text(page).split("\nEXAMPLES\n")[1].split("\nSEE ALSO\n")[0].replace("\\\n", " ")
    wrong = [wrong_with(command, programs, quiet) for command in re.split(r"\n|&&|[|&]", examples)]
    assert not list(filter(None, wrong))


def test_example_configurations_are_right(folder, programs, quiet, tmp_path):
    source = run("zcat", path_of(folder, "heimdex.conf.5")).stdout.split("\n.Sh EXAMPLES\n")[1]
    blocks = [block.replace("\\-", "-") for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", source, re.M | re.S) if "{" in block]
    assert len(blocks) == 2
    for block in blocks:
        path = tmp_path / "heimdex.conf"
        path.write_text(block)
        run(programs / "heimdex-worker", "--config", path, "--check-config", env=dict(quiet, KAFKA_SASL_PASSWORD="x"))
