#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every whole configuration in README.md and docs/ is accepted by `sallyport check`, and where a page has one for each end, they fit.

usage: test_docs.py SALLYPORT SOURCE_DIR
"""
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
PAGES = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]
PAGES_OF_TWO_ENDS = {"active-active.md", "active-standby.md"}


def configurations(page):
    """The page's YAML blocks that are whole files."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [block for block in blocks if re.search(r"^gateway:", block, re.M)]


def credential_files(config):
    """{file name: PEM bytes} for all that the connections' auth sections name."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "docs")])
    now = datetime.datetime.utcnow()
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
                   .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA384()))
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    contents = {"psk_file": b"correct horse battery staple\n", "certificate": pem, "ca": pem,
                "key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())}
    files = {}
    for connection in config["connections"].values():
        for section in (connection["auth"], *connection.get("tunnels", {}).values()):
            files.update({value: contents[kind] for kind, value in section.items() if kind in contents})
    return files


def public_addresses(config):
    return [address["address"].split("/")[0] for address in config["public_addresses"].values()]


class Pages(unittest.TestCase):
    def test_every_configuration_is_good(self):
        checked = 0
        for page in PAGES:
            for number, text in enumerate(configurations(page), 1):
                with self.subTest(page=page.name, number=number), tempfile.TemporaryDirectory() as directory:
                    file = pathlib.Path(directory, "gateway.yaml")
                    file.write_text(text, encoding="utf-8")
                    for name, content in credential_files(yaml.safe_load(text)).items():
                        path = pathlib.Path(directory, name)
                        path.parent.mkdir(exist_ok=True)
                        path.touch(mode=0o600)
                        path.write_bytes(content)
                    done = subprocess.run([PROGRAM, "check", str(file)], capture_output=True, text=True, timeout=20, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                checked += 1
        self.assertGreaterEqual(checked, 2 + 2 * len(PAGES_OF_TWO_ENDS))

    def test_both_ends_of_a_page_fit(self):
        for name in PAGES_OF_TWO_ENDS:
            with self.subTest(page=name):
                left, right = (yaml.safe_load(text) for text in configurations(SOURCE / "docs" / name)[:2])
                for here, there in ((left, right), (right, left)):
                    (site,), (connection,), (other,) = (list(part.values()) for part in (
                        here["sites"], here["connections"], there["connections"]))
                    self.assertEqual(site["peers"], public_addresses(there))
                    lans = [prefix for network in there["virtual_networks"].values() for port in network["ports"].values() for prefix in port]
                    self.assertEqual(len(site["prefixes"]), len(lans))
                    self.assertEqual(connection["ike"]["local_id"], other["ike"]["remote_id"])
                    for key in ("mode", "preempt", "probe", "selectors"):
                        self.assertEqual(connection.get(key), other.get(key), key)
                    self.assertEqual(connection["ike"]["proposals"], other["ike"]["proposals"])
                    self.assertEqual(connection["esp"]["proposals"], other["esp"]["proposals"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
