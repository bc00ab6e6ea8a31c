"""A TCP proxy between our programs and a server, that does to a connection what networks and servers do to it.

    with Proxy(("127.0.0.1", 5432)) as proxy:      # proxy.port
        proxy.delay = 0.05                         # each piece, both ways
        proxy.rate = 10_000                        # bytes a second, each way
        proxy.swallowing = True                    # accepts, reads, answers nothing (and forwards nothing)
        proxy.frozen = True                        # reads nothing either
        proxy.refusing = True                      # new connections are reset
        proxy.cut()                                # all connections, both ends, by RST
        proxy.half_close()                         # the client hears the end of what the server says, and may go on talking
        fault = proxy.arm(Commit("claim", AFTER))  # once: fault.fired is set when it has happened

What is armed looks at what a client sends, message by message or byte by byte, and cuts its connection at a place of its choosing."""
import array
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import termios
import threading
import time

from . import figures

BEFORE, AFTER, REPLIED = "before", "after", "replied"  # it is forwarded; it was forwarded; and answered
TCP_REPAIR = 19


def _reset(s):
    """Closes so that the other end sees a reset, not an orderly end."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
    except OSError:
        pass
    try:
        s.close()
    except OSError:
        pass


def _readable(s):
    """Nobody waits in recv() for long: that would hold the socket beyond its close."""
    waiting = select.poll()
    waiting.register(s, select.POLLIN)
    return waiting.poll(50)


def _arrive(s):
    """Waits until the other end's kernel has all that was sent."""
    left, deadline = array.array("i", [1]), time.monotonic() + 5
    while left[0] and time.monotonic() < deadline:
        fcntl.ioctl(s, termios.TIOCOUTQ, left)
        time.sleep(0.001)


def _vanish(s):
    """Closes so that the other end sees nothing at all, as when a host loses its power. Needs CAP_NET_ADMIN."""
    _arrive(s)
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    s.close()


def _close(s):
    try:
        _arrive(s)
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


class PgWire:
    """Where the messages of one PostgreSQL connection begin and end, from its first byte on."""

    def __init__(self):
        self.up, self.down, self.started, self.refusals = b"", b"", False, 0
        self.syncs, self.readies = 0, -1  # the first ReadyForQuery answers the start-up message

    def client(self, data):
        """(type, body, where it begins in data, where it ends) of each message that is complete now. It may begin before data."""
        offset, self.up, found = -len(self.up), self.up + data, []
        while True:
            head = 1 if self.started else 0
            if len(self.up) < head + 4:
                return found
            length = head + struct.unpack_from(">I", self.up, head)[0]
            if len(self.up) < length:
                return found
            message, self.up = self.up[:length], self.up[length:]
            if self.started:
                self.syncs += message[:1] == b"S"
                found.append((message[:1], message[5:], offset, offset + length))
            elif struct.unpack_from(">I", message, 4)[0] >> 16 == 3:
                self.started = True
            else:
                self.refusals += 1  # of TLS or GSS: a byte without a length
            offset += length

    def server(self, data):
        """(number, where it ends in data) of each ReadyForQuery; number counts the Syncs that it answers."""
        offset, self.down, found = -len(self.down), self.down + data, []
        while self.refusals and self.down:
            self.refusals, self.down, offset = self.refusals - 1, self.down[1:], offset + 1
        while len(self.down) >= 5:
            length = 1 + struct.unpack_from(">I", self.down, 1)[0]
            if len(self.down) < length:
                break
            message, self.down, offset = self.down[:length], self.down[length:], offset + length
            if message[:1] == b"Z":
                self.readies += 1
                found.append((self.readies, offset))
        return found


class Fault:
    """A place in what passes. client(…) and server(…) say how many bytes of data are passed on before the connection is cut; None: all
    of them, and it isn't."""

    def __init__(self, vanish=False, hold=False):
        """vanish: the server isn't told that its client is gone. hold: nothing is cut, and what the server says waits for released."""
        self.fired, self.vanish, self.hold, self.released = threading.Event(), vanish, hold, threading.Event()

    def client(self, connection, data, messages):
        return None

    def server(self, connection, data, readies):
        return None


class Bytes(Fault):
    """After n bytes of what one client sends from now on; or before or after the first occurrence of a pattern."""

    def __init__(self, n=None, pattern=None, where=BEFORE, **options):
        super().__init__(**options)
        self.n, self.pattern, self.where, self.seen = n, pattern, where, {}

    def client(self, connection, data, messages):
        seen = self.seen.get(connection, 0 if self.n is not None else b"")
        if self.n is not None:
            self.seen[connection] = seen + len(data)
            return self.n - seen if self.n - seen <= len(data) else None
        joined = seen + data
        at = joined.find(self.pattern)
        self.seen[connection] = joined[len(joined) - len(self.pattern) + 1:]
        if at < 0:
            return None
        return max(0, at - len(seen) + (0 if self.where == BEFORE else len(self.pattern)))


class Commit(Fault):
    """The Sync behind a statement of that name: there our transactions commit. BEFORE: the statements arrive, the commit doesn't. AFTER:
    it arrives, and nothing of the answer comes back. REPLIED: all of the answer but its last byte does."""

    def __init__(self, statement, where, **options):
        super().__init__(**options)
        name = statement.encode() + b"\0"
        self.where, self.begins = where, {b"B": b"\0" + name, b"P": name}
        self.inside, self.wanted = set(), None  # connections in such a transaction; (connection, the answer's number)

    def client(self, connection, data, messages):
        syncs = connection.wire.syncs - sum(kind == b"S" for kind, *_ in messages)
        for kind, body, begin, end in messages:
            if kind in self.begins and body.startswith(self.begins[kind]):
                self.inside.add(connection)
            if kind != b"S":
                continue
            syncs += 1
            if connection in self.inside and not self.wanted:
                self.wanted = (connection, syncs)
                if self.where != REPLIED:
                    return max(0, begin if self.where == BEFORE else end)
            self.inside.discard(connection)
        return None

    def server(self, connection, data, readies):
        for number, end in readies:
            if self.wanted == (connection, number):
                return max(0, end - 1)
        return None


class Connection:
    def __init__(self, proxy, client):
        self.proxy, self.client, self.server, self.ended, self.held_by = proxy, client, None, False, None
        self.wire = PgWire() if proxy.postgres else None

    def run(self):
        try:
            self.server = socket.create_connection(self.proxy.target, 10)
            self.server.settimeout(None)
            for s in (self.client, self.server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.end()
            return
        back = threading.Thread(target=self.pump, args=(self.server, self.client, "server"), daemon=True)
        back.start()
        self.pump(self.client, self.server, "client")

    def pump(self, source, sink, side):
        proxy = self.proxy
        while not self.ended:
            try:
                if not _readable(source):
                    continue
                proxy.wait_thawed()
                data = source.recv(65536)
                if not data:
                    if not self.ended:
                        sink.shutdown(socket.SHUT_WR)
                    return
                if proxy.swallowing:
                    continue
                if proxy.delay:
                    time.sleep(proxy.delay)
                if proxy.rate:
                    time.sleep(len(data) / proxy.rate)
                self.pass_on(sink, data, side)
            except (OSError, ValueError):  # a socket that is closed meanwhile has no number
                self.end()

    def pass_on(self, sink, data, side):
        # Looked at in one order, so that an answer is never seen before its question.
        with self.proxy.looking:
            messages = getattr(self.wire, side)(data) if self.wire else []
            for fault in list(self.proxy.armed):
                n = getattr(fault, side)(self, data, messages)
                if n is None:
                    continue
                self.proxy.armed.remove(fault)
                figures.fault()
                if n:
                    sink.sendall(data[:n])
                if fault.hold:
                    self.held_by, data = fault, data[n:]
                else:
                    self.end(fault.vanish)
                fault.fired.set()
                break
        while side == "server" and self.held_by and not self.ended and not self.held_by.released.wait(0.05):
            pass
        if not self.ended:
            sink.sendall(data)

    def end(self, vanish=False):
        if self.ended:
            return
        self.ended = True
        if self.server is not None:
            (_vanish if vanish else _close)(self.server)
        _reset(self.client)
        self.proxy.forget(self)


class Proxy:
    def __init__(self, target, listener=None, postgres=False):
        """target: (host, port). listener: a bound socket, perhaps of another network. postgres: Commit can be armed."""
        self.target, self.postgres = (target[0], int(target[1])), postgres
        self.delay, self.rate, self.swallowing, self.refusing = 0.0, 0, False, False
        self.armed, self.connections = [], set()
        self.looking, self.lock = threading.RLock(), threading.Lock()
        self._thawed = threading.Event()
        self._thawed.set()
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                _reset(client)
                continue
            connection = Connection(self, client)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def forget(self, connection):
        with self.lock:
            self.connections.discard(connection)

    @property
    def frozen(self):
        return not self._thawed.is_set()

    @frozen.setter
    def frozen(self, value):
        self._thawed.clear() if value else self._thawed.set()

    def wait_thawed(self):
        self._thawed.wait()

    def arm(self, fault):
        with self.looking:
            self.armed.append(fault)
        return fault

    def cut(self):
        figures.fault()
        for connection in list(self.connections):
            connection.end()

    def half_close(self):
        for connection in list(self.connections):
            connection.client.shutdown(socket.SHUT_WR)

    def close(self):
        self.closed = True
        self.frozen = False
        _close(self.listener)
        for connection in list(self.connections):
            connection.end()


class Island:
    """A network of its own, with nothing in it but proxies that stand at the servers' own addresses. What runs there (island.wrap before
    its command) reaches the servers through them, and `drop()` loses packets, and nobody says so."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"up\n"
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.wrap = ["nsenter", f"--net={self.path}"]
        self.proxies = []

    def _listen(self, address, made):
        libc = ctypes.CDLL(None, use_errno=True)
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(fd, 0x40000000) == 0:  # this thread alone
                made.append(socket.create_server(address, backlog=256))
        finally:
            os.close(fd)

    def proxy(self, port, host="127.0.0.1", **options):
        made = []
        thread = threading.Thread(target=self._listen, args=((host, int(port)), made))
        thread.start()
        thread.join()
        assert made, "no socket in the other network"
        self.proxies.append(Proxy((host, port), listener=made[0], **options))
        return self.proxies[-1]

    def _nft(self, text):
        subprocess.run([*self.wrap, "nft", "-f", "-"], input=text, text=True, check=True)

    def drop(self, port):
        """From now on packets to and from that port are lost."""
        figures.fault()
        self._nft(f"""table ip cut {{ chain in {{ type filter hook input priority 0; tcp dport {port} drop; tcp sport {port} drop; }}; }};
""")

    def mend(self):
        self._nft("delete table ip cut\n")

    def close(self):
        for proxy in self.proxies:
            proxy.close()
        self.holder.kill()
        self.holder.wait()
