"""What is in the package, with which modes, and what its scripts say."""
import os
import re
import shutil
import stat

import pytest
from support.command import run

ROOT_PROGRAMS = ["heimdex-broker", "heimdex-migrate", "heimdex-scheduler", "heimdex-submit", "heimdex-supervisor", "heimdex-worker",
                 "heimdexctl"]
PAGES = ["man1/heimdex-migrate.1", "man1/heimdex-submit.1", "man1/heimdexctl.1", "man5/heimdex.conf.5", "man8/heimdex-broker.8",
         "man8/heimdex-scheduler.8", "man8/heimdex-supervisor.8", "man8/heimdex-worker.8"]


@pytest.fixture(scope="module")
def fields(deb):
    text = run("dpkg-deb", "-f", deb).stdout
    return dict(re.findall(r"^([A-Za-z-]+): (.*)$", text, re.M))


@pytest.fixture(scope="module")
def listing(deb):
    """Mode, owner and type of each file."""
    rows = [line.split(maxsplit=5) for line in run("dpkg-deb", "-c", deb, env={"TZ": "UTC", "PATH": os.environ["PATH"]}).stdout.splitlines()]
    return {row[5].split(" -> ")[0].lstrip("."): (row[0], row[1]) for row in rows}


def test_its_files(listing):
    for program in ROOT_PROGRAMS:
        assert listing[f"/usr/bin/{program}"] == ("-rwxr-xr-x", "root/root")
    for page in PAGES:
        assert listing[f"/usr/share/man/{page}.gz"] == ("-rw-r--r--", "root/root")
    for program in "heimdexctl", "heimdex-submit", "heimdex-migrate":
        assert f"/usr/share/bash-completion/completions/{program}" in listing
    assert listing["/etc/heimdex/heimdex.conf"] == ("-rw-r-----", "root/root")
    assert listing["/etc/heimdex/handlers.d/"] == ("drwxr-xr-x", "root/root")
    assert "/usr/share/doc/heimdex/examples/handlers/sha256-files" in listing


def test_nothing_is_where_it_should_not_be(listing):
    places = ("/etc/heimdex/", "/lib/systemd/system/", "/usr/bin/heimdex", "/usr/lib/sysusers.d/", "/usr/lib/tmpfiles.d/",
              "/usr/lib/systemd/catalog/", "/usr/share/man/", "/usr/share/bash-completion/", "/usr/share/doc/heimdex/",
              "/usr/share/lintian/")
    strange = [name for name in listing if not name.endswith("/") and not name.startswith(places)]
    assert not strange
    for name, (mode, owner) in listing.items():
        assert owner == "root/root", name
        assert mode.startswith("l") or ("s" not in mode and mode[8] != "w"), name


def test_what_it_needs(fields):
    needed = fields["Depends"]
    for library in "systemd", "libc6", "libconfig9", "libjansson4", "libpq5", "librdkafka1", "libsystemd0":
        assert re.search(rf"\b{library}\b", needed), needed


def test_one_version(fields, programs, quiet):
    for program in ROOT_PROGRAMS:
        assert run(programs / program, "--version", env=quiet).stdout == f"{program} {fields['Version']}\n"


def test_its_configuration(unpacked, programs, quiet, tmp_path):
    """It is a conffile, it is right as it stands, and so is everything in it that is commented out."""
    assert (unpacked / "DEBIAN/conffiles").read_text().split() == ["/etc/heimdex/heimdex.conf"]
    conf = unpacked / "etc/heimdex/heimdex.conf"
    done = run(programs / "heimdex-supervisor", "--config", conf, "--check-config", env=quiet)
    assert done.stderr == ""
    text, count = re.subn(r"// (?=[a-z_]+ = .*;|\{ type = )", "", conf.read_text())
    assert count > 10
    everything = tmp_path / "heimdex.conf"
    everything.write_text(text.replace("/usr/lib/app/thumbnail", "/bin/true"))
    shown = run(programs / "heimdex-supervisor", "--config", everything, "--show-config", env=dict(quiet, KAFKA_SASL_PASSWORD="x")).stdout
    assert len(re.findall(rf"# {re.escape(str(everything))}:\d+", shown)) > 10


def test_its_scripts(unpacked):
    for name in "postinst", "prerm", "postrm":
        script = unpacked / "DEBIAN" / name
        assert stat.S_IMODE(script.stat().st_mode) == 0o755
        assert "#DEBHELPER#" not in script.read_text()
        run("sh", "-n", script)


# Variables that aren't passed on are unset. FILES are those of its environment, ACCOUNT its user.
AS_SYSTEMD_RUN = """for word; do
    case $word in
    --setenv=*=*) exit 99 ;;
    --setenv=*) SET="$SET ${word#--setenv=}" ;;
    --property=User=*) ACCOUNT=${word#--property=User=} ;;
    --property=EnvironmentFile=*) FILES="$FILES${word#--property=EnvironmentFile=}|" ;;
    esac
done
for name in HEIMDEX_CONFIG CREDENTIALS_DIRECTORY PGOPTIONS; do case " $SET " in *" $name "*) ;; *) unset $name ;; esac; done
"""


@pytest.fixture
def maintained(unpacked, tmp_path):
    """Runs a script of the package where every command that would touch the system only writes down how it was called. says: what some of
    them answer, as shell."""
    calls = tmp_path / "calls"
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in "sh", "timeout", "cat", "grep", "sed":
        (bin_ / name).symlink_to(shutil.which(name))

    def call(script, *words, says={}):
        calls.write_text("")
        for name in ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "deb-systemd-helper", "deb-systemd-invoke", "userdel", "groupdel", "rm",
                     "chgrp", "stat", "dpkg-statoverride", "getent", "systemd-run"):
            (bin_ / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{calls}\n{AS_SYSTEMD_RUN if name == "systemd-run" else ""}{says.get(name, "")}\n')
            (bin_ / name).chmod(0o755)
        text = (unpacked / "DEBIAN" / script).read_text().replace("/run/systemd/system", str(tmp_path))  # as if systemd ran
        done = run("sh", "-c", text, script, *words, env={"PATH": str(bin_)})
        return calls.read_text(), done

    return call


def test_the_first_installation_starts_nothing_and_says_what_to_do(maintained):
    calls, done = maintained("postinst", "configure", "")
    assert "start" not in re.sub(r"^systemd-tmpfiles.*|^deb-systemd-helper.*", "", calls, flags=re.M)
    for word in "/etc/heimdex/heimdex.conf", "heimdex-migrate upgrade head", "systemctl enable --now", "heimdexctl doctor":
        assert word in done.stdout
    assert len(done.stdout.splitlines()) <= 4


RUNNING = 'case $1 in list-units) echo "heimdex-supervisor.service loaded active"; echo "heimdex-supervisor@media.service loaded active" ;; esac'


def restarted(calls):
    return re.findall(r"^deb-systemd-invoke try-restart (.*)$", calls, re.M)


def test_an_upgrade_restarts_what_runs_and_only_that(maintained):
    as_units_see_it = """case $HEIMDEX_CONFIG in
        /etc/heimdex/heimdex.conf) [ "$CREDENTIALS_DIRECTORY" = /run/credentials/heimdex-supervisor.service ] ;;
        /etc/heimdex/media/heimdex.conf) [ "$CREDENTIALS_DIRECTORY" = /run/credentials/heimdex-supervisor@media.service ] ;;
        *) false ;;
        esac"""
    calls, done = maintained("postinst", "configure", "0.0.1", says={"systemctl": RUNNING, "systemd-run": as_units_see_it})
    assert restarted(calls) == ["heimdex-supervisor.service heimdex-supervisor@media.service"]
    assert "is installed" not in done.stdout
    calls, _ = maintained("postinst", "configure", "0.0.1")
    assert restarted(calls) == []


@pytest.mark.parametrize("answer, word", [
    ('case $* in *--check-config) echo "heimdex-supervisor: $HEIMDEX_CONFIG:1: bad" >&2; exit 78 ;; esac', "/etc/heimdex/media/heimdex.conf:1: bad"),
    ("""case $* in *"current --json") echo '{"revision":"a7e3905fd21c","head":false}' ;; esac""", "heimdex-migrate upgrade head"),
    ('case $* in *"current --json") exit 1 ;; esac', "doesn't know"),
])
def test_an_upgrade_leaves_alone_what_the_new_programs_could_not_start(maintained, answer, word):
    """A restart would be the end of a fleet that runs: of this host's two, the one called media."""
    calls, done = maintained("postinst", "configure", "0.0.1",
                             says={"systemctl": RUNNING, "systemd-run": f"case $HEIMDEX_CONFIG in */media/*) {answer} ;; esac"})
    assert restarted(calls) == ["heimdex-supervisor.service"]
    assert "heimdex-supervisor@media.service is not restarted" in done.stderr and word in done.stderr


def test_an_upgrade_restarts_what_migrates_when_it_starts(maintained):
    """heimdex-migrate.service is enabled: this host's other fleet has its schema from elsewhere."""
    requires = 'case $* in show*Requires*heimdex-supervisor.service) echo "sysinit.target heimdex-migrate.service heimdex.slice" ;; esac'
    older = """case $* in *"current --json") echo '{"revision":"a7e3905fd21c","head":false}' ;; esac"""
    calls, done = maintained("postinst", "configure", "0.0.1", says={"systemctl": f"{RUNNING}\n{requires}", "systemd-run": older})
    assert restarted(calls) == ["heimdex-supervisor.service"]
    assert "heimdex-supervisor@media.service is not restarted" in done.stderr and "heimdex-supervisor.service is not" not in done.stderr


def test_an_upgrade_asks_in_the_units_own_environment(maintained):
    """A drop-in of one unit names another file and more, quoted as systemctl quotes it, and files with more; the other unit has none of that."""
    shows = r"""case $* in
        *EnvironmentFiles*heimdex-supervisor.service) printf '%s\n' '/etc/default/a b (ignore_errors=no)' '/etc/x (ignore_errors=yes)' ;;
        *EnvironmentFiles*) ;;
        *property=User*media*) echo media ;;
        *property=User*) echo heimdex ;;
        *property=Group* | *property=Suppl*) ;;
        *Environment*heimdex-supervisor.service) printf '%s\n' 'HEIMDEX_CONFIG=/srv/other.conf "PGOPTIONS=-c a=\"b\" \$c"' ;;
        *Environment*) echo HEIMDEX_CONFIG=/etc/heimdex/media/heimdex.conf PATH=/opt/app/bin command=x unit=y name=z file=q assignment=a=b ;;
        *ExecStart*media*) echo '{ path=/usr/bin/heimdex-supervisor ; argv[]=/usr/bin/heimdex-supervisor --config /srv/media.conf ; ignore_errors=no ; pid=0 }' ;;
        *ExecStart*) echo '{ path=/usr/bin/heimdex-supervisor ; argv[]=/usr/bin/heimdex-supervisor ; ignore_errors=no ; pid=0 }' ;;
        esac"""
    as_units_see_it = r"""case $HEIMDEX_CONFIG in
        /srv/other.conf) [ "${*%--config *}" = "$*" ] && [ "$PGOPTIONS" = '-c a="b" $c' ] && [ "$FILES $ACCOUNT" = '/etc/default/a b|-/etc/x| heimdex' ] ;;
        /etc/heimdex/media/heimdex.conf)
            [ "${*#*-- /usr/bin/heimdex-*}" != "$*" ] && [ "${*%--config /srv/media.conf}" != "$*" ] && [ "$PATH$assignment" = /opt/app/bina=b ] &&
                [ "$PGOPTIONS$FILES $ACCOUNT" = ' media' ] ;;
        *) false ;;
        esac"""
    calls, done = maintained("postinst", "configure", "0.0.1", says={"systemctl": f"{RUNNING}\n{shows}", "systemd-run": as_units_see_it})
    assert restarted(calls) == ["heimdex-supervisor.service heimdex-supervisor@media.service"], done.stderr


def test_an_upgrade_does_not_fail_when_the_fleet_is_not_ready(maintained):
    states = """case $* in *ActiveState*media*) echo failed ;; *ActiveState*) echo activating ;; esac"""
    _, done = maintained("postinst", "configure", "0.0.1", says={"systemctl": f"{RUNNING}\n{states}", "deb-systemd-invoke": "exit 1"})
    assert done.stderr.splitlines() == ["Heimdex: heimdex-supervisor.service is not ready yet: systemctl status heimdex-supervisor.service",
                                        "Heimdex: heimdex-supervisor@media.service has failed: systemctl status heimdex-supervisor@media.service"]


def test_its_scripts_name_units_that_there_are(unpacked):
    units = {path.name for path in (unpacked / "lib/systemd/system").iterdir()}
    for script in "postinst", "prerm", "postrm":
        named = re.findall(r"\bheimdex[a-z-]*@?\*?\.(?:service|socket|slice)", (unpacked / "DEBIAN" / script).read_text())
        assert {name.replace("*", "") for name in named} <= units, script


def test_a_purge_removes_what_the_package_made(maintained):
    calls, _ = maintained("postrm", "purge")
    for folder in "/etc/heimdex", "/var/lib/heimdex", "/run/heimdex":
        assert re.search(rf"^rm -rf .*{folder}\b", calls, re.M)
    calls, _ = maintained("postrm", "remove")
    assert "rm -rf" not in calls and "userdel" not in calls
