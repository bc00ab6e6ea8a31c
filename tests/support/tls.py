"""Certificates of an authority of the tests' own, valid or expired, and a PostgreSQL that shows them. openssl makes them, with a clock that is
behind for those that have expired."""
import os
import shutil
import subprocess

from . import figures

LIFE, AGO = 1, 2  # days that a certificate lasts; days since one that has expired was made


class Authority:
    """certificate: the file by which others know it."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.folder, self.certificate = folder, folder / "ca.crt"
        self._openssl("req", "-x509", *self._new_key("ca"), "-subj", f"/CN=authority {folder.name}", "-days", LIFE, "-out", self.certificate)

    def _openssl(self, *words, wrap=()):
        done = subprocess.run([*wrap, "openssl", *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr

    def _new_key(self, name):
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.folder / f"{name}.key"

    def issue(self, name, expired=False):
        """(key, certificate) of whoever is at 127.0.0.1: two files."""
        figures.counts["faults"] += expired
        request, extensions, made = (self.folder / f"{name}.{kind}" for kind in ("csr", "ext", "crt"))
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl("req", "-new", *self._new_key(name), "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", LIFE,
                      "-extfile", extensions, "-out", made, wrap=["faketime", "-f", f"-{AGO}d"] if expired else [])
        return self.folder / f"{name}.key", made


def show(postgres, authority, expired=False):
    """PostgreSQL shows a new certificate of the authority's to those who connect from now on, and trusts its own in turn. Sessions stay."""
    key, certificate = authority.issue("server", expired)
    for source, name in (key, "server.key"), (certificate, "server.crt"), (authority.certificate, "clients.crt"):
        target = postgres.data / name
        shutil.copy(source, target)
        target.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(target, "postgres", "postgres")
    postgres.admin("alter system set ssl_ca_file = 'clients.crt'")
    postgres.admin("alter system set ssl = on")
    postgres.admin("select pg_reload_conf()")
