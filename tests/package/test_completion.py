"""Completion, in a bash with a terminal: what is typed, TAB, and the line as it stands then."""
import os
import pty
import re
import select
import subprocess
import time

import pytest
from support.told import commands_of, help_of

PROMPT = "ready> "


class Bash:
    """An interactive bash that knows the package's completion and nothing of the user's."""

    def __init__(self, programs, completions, folder, env):
        self.master, slave = pty.openpty()
        env = dict(env, PATH=f"{programs}:{env['PATH']}", TERM="dumb", INPUTRC="/dev/null", HISTFILE="/dev/null", PS1=PROMPT,
                   XDG_DATA_DIRS=str(completions.parent.parent), BASH_COMPLETION_USER_DIR="/nonexistent", COLUMNS="1000")
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        cwd=folder, start_new_session=True)
        os.close(slave)
        self.output = ""
        self.until(PROMPT)
        self.command(f"bind 'set bell-style none'; bind 'set page-completions off'; bind 'set completion-query-items -1'; "
                     f"bind 'set enable-bracketed-paste off'; stty cols 1000; . /usr/share/bash-completion/bash_completion")

    def send(self, text):
        os.write(self.master, text.encode())

    def until(self, wanted):
        """Reads until the output contains that; returns what came before it, and forgets both."""
        deadline = time.monotonic() + 30
        while wanted not in self.output:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {wanted!r} in {self.output!r}"
            self.output += os.read(self.master, 65536).decode().replace("\r\n", "\n")
        before, self.output = self.output.split(wanted, 1)
        return before

    def command(self, text):
        self.send(text + "; echo END-OF$((0))\n")
        before = self.until("END-OF0")
        self.until(PROMPT)
        return before

    def completed(self, typed):
        """The line after TAB, as far as it is unambiguous."""
        self.send(typed + "\t\x05' ; echo END-OF$((0))\x01echo 'LINE \n")
        line = self.until("END-OF0")
        self.until(PROMPT)
        return re.findall(r"^LINE (.*)$", line, re.M)[-1]

    def offered(self, typed):
        """What is offered for the last word: bash's own list, asked of the same functions."""
        words = typed.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        text = self.command(f"_completion_loader {words[0]} 2>/dev/null; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
                            f"COMP_LINE='{typed}'; COMP_POINT={len(typed)}; COMPREPLY=(); "
                            f"$(complete -p {words[0]} | sed 's/.*-F \\([^ ]*\\) .*/\\1/') {words[0]}; echo \"OFFERED ${{COMPREPLY[*]}}\"")
        return re.findall(r"^OFFERED (.*)$", text, re.M)[-1].split()

    def close(self):
        self.send("\x03\x04")
        os.close(self.master)
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def bash(unpacked, programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    (folder / "heimdex.conf").write_text('handlers = ( { type = "thumbnail"; exec = ["/bin/true"]; } );\n')
    (folder / "payload.json").write_text("{}")
    (folder / "chain").mkdir()
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "HEIMDEX_CONFIG": str(folder / "heimdex.conf")}
    shell = Bash(programs, unpacked / "usr/share/bash-completion/completions", folder, env)
    yield shell
    shell.close()


@pytest.mark.parametrize("typed, line", [
    ("heimdexctl sta", "heimdexctl status "),
    ("heimdexctl jobs --stat", "heimdexctl jobs --status "),
    ("heimdexctl jobs --status que", "heimdexctl jobs --status queued "),
    ("heimdexctl jobs --status=dead", "heimdexctl jobs --status=dead_letter "),
    ("heimdexctl pause thu", "heimdexctl pause thumbnail "),
    ("heimdexctl --config heim", "heimdexctl --config heimdex.conf "),
    ("heimdex-submit mock", "heimdex-submit mock_process "),
    ("heimdex-submit thumbnail --pay", "heimdex-submit thumbnail --payload "),
    ("heimdex-submit thumbnail --payload @pay", "heimdex-submit thumbnail --payload @payload.json "),
    ("heimdex-migrate --chain ch", "heimdex-migrate --chain chain/"),
    ("heimdex-migrate upg", "heimdex-migrate upgrade "),
    ("heimdex-migrate upgrade he", "heimdex-migrate upgrade head "),
    ("heimdex-migrate downgrade 001", "heimdex-migrate downgrade 001_job_ledger_init "),
    ("heimdex-supervisor --mig", "heimdex-supervisor --migrate "),
    ("heimdex-supervisor --bin-dir ch", "heimdex-supervisor --bin-dir chain/"),
    ("heimdex-worker --config=heim", "heimdex-worker --config=heimdex.conf "),
    ("heimdex-worker --instance heim", "heimdex-worker --instance heim"),
])
def test_a_line(bash, typed, line):
    assert bash.completed(typed) == line


def options_of(help_text, section=None):
    if section:
        help_text = help_text.split(section, 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"^  (?:-.,|   ) (--[a-z-]+)", help_text, re.M))


@pytest.mark.parametrize("program", ["heimdexctl", "heimdex-submit", "heimdex-migrate", "heimdex-supervisor", "heimdex-worker", "heimdex-scheduler",
                                     "heimdex-broker"])
def test_every_option_is_offered(bash, programs, quiet, program):
    help_text = help_of(programs, program, quiet)
    assert set(bash.offered(f"{program} --")) == options_of(help_text)


@pytest.mark.parametrize("program", ["heimdexctl", "heimdex-migrate"])
def test_commands(bash, programs, quiet, program):
    assert bash.offered(f"{program} ") == commands_of(programs, program, quiet)


def test_options_of_a_command(bash, programs, quiet):
    help_text = help_of(programs, "heimdexctl", quiet)
    common = options_of(help_text, "Common options:") | {"--json"}
    for command, words in re.findall(r"^  ([a-z]+)(.*)$", help_text.split("\nCommands:\n")[1].split("\n\n")[0], re.M):
        assert set(bash.offered(f"heimdexctl {command} --")) == common | set(re.findall(r"--[a-z-]+", words)), command


def test_statuses(bash, programs, quiet):
    help_text = help_of(programs, "heimdexctl", quiet)
    words = re.search(r"--status STATUS +(.*)", help_text)[1]
    assert bash.offered("heimdexctl jobs --status ") == re.split(r", | or ", words)
