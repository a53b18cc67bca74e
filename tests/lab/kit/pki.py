# SPDX-License-Identifier: BSD-3-Clause
"""Certificates and pre-shared keys for the lab, in files as gateway.yaml refers to them."""

import datetime
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write(path, data):
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


class Authority:
    """One CA whose certificate and issued keys lie in directory."""

    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.certificate = self._certify("Lab CA", self.key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.ca_file = _write(directory / "ca.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def _certify(self, common_name, public_key, constraints, alternative_name=None):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(_name(common_name)).issuer_name(_name("Lab CA"))
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=30))
                   .add_extension(constraints, critical=True))
        if alternative_name:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(alternative_name)]), critical=False)
        return builder.sign(self.key, hashes.SHA384())

    def issue(self, identity):
        """The `auth` section for a gateway of this identity."""
        key = ec.generate_private_key(ec.SECP384R1())
        certificate = self._certify(identity, key.public_key(), x509.BasicConstraints(ca=False, path_length=None), identity)
        certificate_file = _write(self.directory / f"{identity}.pem", certificate.public_bytes(serialization.Encoding.PEM))
        key_file = _write(self.directory / f"{identity}.key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return {"certificate": str(certificate_file), "key": str(key_file), "ca": str(self.ca_file)}


def psk(directory):
    """The `auth` section for both ends."""
    return {"psk_file": str(_write(directory / "shared.psk", secrets.token_hex(24).encode()))}
