"""Three brokers of a real Kafka (KRaft), of which one may be lost."""
import shutil
import signal
import subprocess
from pathlib import Path

from . import figures
from .servers import ROOT, script
from .wait import until

JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
CLUSTER_ID = "aGVpbWRleC10ZXN0cy1hYg"
PROPERTIES = """process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/log
num.partitions=6
default.replication.factor=3
min.insync.replicas=2
offsets.topic.num.partitions=4
offsets.topic.replication.factor=3
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
log.index.size.max.bytes=65536
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
"""


def _port():
    return subprocess.run([str(ROOT / "scripts" / "free-port")], capture_output=True, text=True, check=True).stdout.strip()


class KafkaCluster:
    def __init__(self, directory, nodes=3):
        script("test-kafka", "fetch")
        self.directory, self.processes = Path(directory), {}
        ports = [(_port(), _port()) for _ in range(nodes)]
        voters = ",".join(f"{node}@127.0.0.1:{controller}" for node, (_, controller) in enumerate(ports, 1))
        self.ports = {node: port for node, (port, _) in enumerate(ports, 1)}
        self.brokers = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        for node, (port, controller) in enumerate(ports, 1):
            folder = self.directory / str(node)
            folder.mkdir(parents=True)
            (folder / "server.properties").write_text(PROPERTIES.format(node=node, voters=voters, port=port, controller=controller, directory=folder))
            self._java(folder, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", folder / "server.properties", wait=True)
            self.start(node)
        until(lambda: self.alive() == nodes, 90, "three brokers")

    def _java(self, folder, *arguments, wait=False):
        with open(folder / "out", "ab") as out:
            process = subprocess.Popen(["java", *JVM, "-Xmx256m", "-cp", f"{ROOT}/.cache/kafka/*", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out)
        if wait:
            assert process.wait() == 0, (folder / "out").read_text()[-2000:]
        return process

    def start(self, node):
        folder = self.directory / str(node)
        self.processes[node] = self._java(folder, "kafka.Kafka", folder / "server.properties")

    def kill(self, node):
        figures.fault()
        self.processes[node].kill()
        self.processes[node].wait()

    def freeze(self, node):
        figures.fault()
        self.processes[node].send_signal(signal.SIGSTOP)

    def thaw(self, node):
        self.processes[node].send_signal(signal.SIGCONT)

    def alive(self):
        listing = subprocess.run(["kcat", "-L", "-b", self.brokers, "-m", "5"], capture_output=True, text=True).stdout
        return sum("broker " in line and " at " in line for line in listing.splitlines())

    def delete(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
