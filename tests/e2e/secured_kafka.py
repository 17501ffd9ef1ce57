"""A broker that lets nobody in without TLS, a client certificate that it trusts, and a login."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from ipaddress import IPv4Address
from os import environ
from pathlib import Path
from time import monotonic, sleep

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fanzgpt_stack.kafka.distribution import obtain
from fanzgpt_stack.kafka.metadata import known_brokers

USER, PASSWORD, KEY_PASSWORD = "svc", "correct horse", "opens the key"
STARTS_WITHIN = 60.0
_LOGGED = (f"-Dlog4j2.configurationFile={files('fanzgpt_stack.kafka').joinpath('log4j2.yaml')}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuredKafka:
    """Where it is, and the settings of a client that it lets in."""

    servers: str
    settings: Mapping[str, str]


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """One node for the block."""
    own, client = _certificates(folder)
    clients, inside, quorum = _free_ports(3)
    settings = folder / "server.properties"
    settings.write_text(_properties(folder, own, clients=clients, inside=inside, quorum=quorum))
    kafka = obtain(environ, tell=print)
    java = [
        str(kafka.java.program),
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *_LOGGED,
        "-cp",
        kafka.classpath,
    ]
    login = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", "c2VjdXJlZC1rYWZrYS0wMA", "-c", settings, "-S", login],
        check=True,
        capture_output=True,
    )
    log = folder / "kafka.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*java, "kafka.Kafka", settings], stdout=output, stderr=output)
    try:
        _wait(inside, process, log)
        yield SecuredKafka(servers=f"127.0.0.1:{clients}", settings=client)
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = monotonic() + STARTS_WITHIN
    while not _answers(port):
        assert process.poll() is None, log.read_text()
        assert monotonic() < until, log.read_text()
        sleep(0.05)


def _answers(port: int) -> bool:
    try:
        return bool(known_brokers("127.0.0.1", port, timeout=1.0))
    except OSError:
        return False


def _properties(folder: Path, own: Path, *, clients: int, inside: int, quorum: int) -> str:
    module = "org.apache.kafka.common.security"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "log.dirs": folder / "data",
        "listeners": f"CLIENTS://127.0.0.1:{clients},INSIDE://127.0.0.1:{inside},QUORUM://127.0.0.1:{quorum}",
        "advertised.listeners": f"CLIENTS://127.0.0.1:{clients},INSIDE://127.0.0.1:{inside}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,INSIDE:PLAINTEXT,QUORUM:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "controller.listener.names": "QUORUM",
        "controller.quorum.voters": f"1@127.0.0.1:{quorum}",
        "listener.name.clients.ssl.keystore.type": "PEM",
        "listener.name.clients.ssl.keystore.location": own,
        "listener.name.clients.ssl.truststore.type": "PEM",
        "listener.name.clients.ssl.truststore.location": folder / "ca.pem",
        "listener.name.clients.ssl.client.auth": "required",
        "listener.name.clients.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.clients.plain.sasl.jaas.config": (
            f'{module}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        ),
        "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _certificates(folder: Path) -> tuple[Path, dict[str, str]]:
    """The broker's certificate and key in one file; a client's settings, whose key is locked. One authority's."""
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _signed("authority", authority, by="authority", with_=authority, is_authority=True)
    (folder / "ca.pem").write_bytes(root)
    own_key, client_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    own, client, key = folder / "broker.pem", folder / "client.pem", folder / "client.key"
    plain = own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own.write_bytes(plain + _signed("broker", own_key, by="authority", with_=authority))
    client.write_bytes(_signed("client", client_key, by="authority", with_=authority))
    locked = BestAvailableEncryption(KEY_PASSWORD.encode())
    key.write_bytes(client_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return own, {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CA_FILE": str(folder / "ca.pem"),
        "KAFKA_SSL_CERT_FILE": str(client),
        "KAFKA_SSL_KEY_FILE": str(key),
        "KAFKA_SSL_KEY_PASSWORD": KEY_PASSWORD,
    }


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    by: str,
    with_: ec.EllipticCurvePrivateKey,
    is_authority: bool = False,
) -> bytes:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(with_, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
