# SPDX-License-Identifier: BSD-3-Clause
"""`sallyport why` names the cause of every broken tunnel, at both ends: one running pair of gateways whose connections are
broken each in its own way, and then parts of them that are taken away."""

import json
import re
import shutil

import pytest

from conftest import LOGS
from kit import pki
from kit.addresses import Lan
from kit.lab import ESP_PROPOSALS, IKE_PROPOSALS, Lab
from kit.shell import wait_for
from kit.vici import load_connection

HQ = "192.0.2.1"
OTHER_IKE, OTHER_ESP = ["aes128gcm16-prfsha256-ecp256"], ["aes128gcm16"]

def selectors(*pairs):
    return [{"local": local, "remote": remote} for local, remote in pairs]


def psk(lab, name):
    (lab.directory / name).mkdir()
    return pki.psk(lab.directory / name)


# Of hq's and branch's connection of that name, what is not as it should be.
BROKEN = {
    "good": ({}, {}),
    "ike": ({}, {"ike": {"proposals": OTHER_IKE}}),
    "esp": ({}, {"esp": {"proposals": OTHER_ESP}}),
    "psk": ({}, {"auth": "another"}),
    "id": ({"ike": {"local_id": "nobody.example"}}, {}),
    "expected": ({"ike": {"remote_id": "main.example"}}, {}),
    "ca": ({"auth": "other authority"}, {"auth": "certificate"}),
    "selectors": ({"selectors": selectors(("10.1.107.0/24", "10.2.7.0/24"))}, {"selectors": selectors(("10.2.77.0/24", "10.1.107.0/24"))}),
    "partial": ({"selectors": selectors(("10.1.108.0/24", "10.2.8.0/25"), ("10.1.108.0/24", "10.2.8.128/25"))},
                {"selectors": selectors(("10.2.8.0/25", "10.1.108.0/24"))}),
    "install": ({}, {}),
    "waiting": ({"initiate": False}, {}),
    "held": ({"initiate": False}, {}),
    "file": ({}, {}),
}
# (cause, words) at hq and at branch.
EXPECTED = {
    "ike": (("ike-proposal", "refused all our IKE proposals (aes256gcm16-prfsha384-ecp384)"),
            ("ike-proposal", "offers IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384 and ours are aes128gcm16-prfsha256-ecp256")),
    "esp": (("esp-proposal", "refused all our ESP proposals (aes256gcm16-esn)"),
            ("esp-proposal", "offers ESP:AES_GCM_16_256/EXT_SEQ and ours are aes128gcm16")),
    "psk": (("our-authentication", "refused our authentication as 'psk.hq.example'"),
            ("peer-authentication", "could not prove to be 'psk.hq.example'")),
    "id": (("our-authentication", "refused our authentication as 'nobody.example'"),
           ("peer-authentication", "calls itself 'nobody.example', but remote_id is 'id.hq.example'")),
    "expected": (("our-authentication", "is itself 'main.example'"),
                 ("peer-authentication", "asks for 'main.example', but local_id is 'expected.branch.example'")),
    "ca": (("peer-authentication", "could not prove to be 'ca.branch.example'"),
           ("our-authentication", "refused our authentication as 'ca.branch.example'")),
    "selectors": (("selectors", "refused our traffic selectors (10.1.107.0/24 to 10.2.7.0/24)"),
                  ("selectors", "wants 10.1.107.0/24 and 10.2.7.0/24 and ours are 10.2.77.0/24 to 10.1.107.0/24")),
    "partial": (("selectors", "is up, but not its CHILD_SA prod-partial-a-1.2: peer 192.0.2.25 refused"), None),
    "install": (("esp-proposal", "refused all our ESP proposals"), ("install", "could not be installed")),
    "waiting": (("waiting", "waits for peer 192.0.2.27"), ("waiting", "waits for peer 192.0.2.1")),
    "held": (("held-down", "taken down by the operator; sallyport up prod-held"), ("waiting", "")),
    "silent": (("no-answer", "no answer from peer 198.18.7.9"), None),
    "hop": (("next-hop", "no route to the peer, nothing at 198.51.100.13 answers on port wan1"), None),
    "link": (("link", "no route to the peer, the link of port wan3 is down"), None),
}


def changed(connection, changes, auths):
    for key, value in changes.items():
        if key == "auth":
            connection["auth"] = auths[value]
        elif isinstance(value, dict):
            connection[key].update(value)
        else:
            connection[key] = value
    return connection


def add_connection(gateway, name, public, peer, prefix, auth, ids, initiate):
    gateway.config["sites"][name] = {"peers": [peer], "prefixes": [prefix]}
    gateway.config["connections"][f"prod-{name}"] = connection = {
        "virtual_network": "prod", "site": name, "mode": "active-active", "public_addresses": [public],
        "ike": {"proposals": list(IKE_PROPOSALS), "local_id": ids[0], "remote_id": ids[1]}, "esp": {"proposals": list(ESP_PROPOSALS)},
        "auth": auth, "selectors": "route-based", "routing": "static", "initiate": initiate, "dpd": {"delay": "2s"}}
    return connection


def add_broken(lab):
    """One public address of branch and two identities for each, so that no other connection or key can be taken for its own."""
    other = lab.directory / "other"
    other.mkdir()
    at_hq = {"other authority": {**lab.authority.issue("ca.hq.example"), "ca": str(pki.Authority(other).ca_file)}}
    at_branch = {"certificate": lab.authority.issue("ca.branch.example"), "another": psk(lab, "another")}
    for number, (name, (of_hq, of_branch)) in enumerate(BROKEN.items()):
        address = f"192.0.2.{17 + number}"
        lab.branch.config["public_addresses"][name] = {"port": "wan0", "address": f"{address}/28", "next_hop": "192.0.2.30"}
        auth, ids = psk(lab, name), (f"{name}.hq.example", f"{name}.branch.example")
        changed(add_connection(lab.hq, name, "a", address, f"10.2.{number}.0/24", auth, ids, True), of_hq, at_hq)
        changed(add_connection(lab.branch, name, name, HQ, f"10.1.{100 + number}.0/24", auth, ids[::-1], False), of_branch, at_branch)


def add_lost_ways(lab):
    """Connections of hq alone."""
    auth = psk(lab, "lost")
    ids = ("hq.example", "far.example")
    lab.add_public(lab.hq, "b", "wan1", lab.wan, "hq-b", "198.51.100.1/28", "198.51.100.14")
    lab.hq.config["public_addresses"]["b"]["next_hop"] = "198.51.100.13"
    lab.add_public(lab.hq, "c", "wan2", lab.wan, "hq-c", "198.18.5.1/24", "198.18.5.14")
    lab.hq.plug_tap("wan3")
    lab.hq.config["public_addresses"]["d"] = {"port": "wan3", "address": "198.18.6.1/24", "next_hop": "198.18.6.14"}
    for number, (name, public, peer) in enumerate((("silent", "a", "198.18.7.9"), ("hop", "b", "198.18.7.1"), ("far", "c", "198.18.7.2"),
                                                   ("link", "d", "198.18.7.3"))):
        add_connection(lab.hq, name, public, peer, f"10.3.{number}.0/24", auth, ids, True)


def load_camellia(lab):
    """At both ends, what neither dataplane has: the configuration would refuse it, so charon is told past it."""
    address = lab.branch.config["public_addresses"]["install"]["address"].split("/")[0]
    for gateway, public, local, remote, ids in ((lab.branch, "install", address, HQ, ("install.branch.example", "install.hq.example")),
                                                (lab.hq, "a", HQ, address, ("install.hq.example", "install.branch.example"))):
        name = f"prod-install-{public}-1"
        load_connection(gateway.run_dir / "vici.sock", name, {
            "version": "2", "local_addrs": [local], "remote_addrs": [remote], "proposals": IKE_PROPOSALS, "unique": "never",
            "local": {"auth": "psk", "id": ids[0]}, "remote": {"auth": "psk", "id": ids[1]},
            "children": {name: {"esp_proposals": ["camellia256-sha256"], "local_ts": ["0.0.0.0/0"], "remote_ts": ["0.0.0.0/0"]}}})
    lab.hq.swanctl("--terminate", "--ike", "prod-install-a-1")


@pytest.fixture(scope="module")
def lab():
    with Lab(logs=LOGS / "test_why") as lab:
        lab.wan = lab.namespace("wan")
        lab.wan.forward()
        lab.hq, _ = lab.add_gateway("hq", [Lan("ipv4", 1)])
        lab.branch, _ = lab.add_gateway("branch", [Lan("ipv4", 9)])
        lab.add_public(lab.hq, "a", "wan0", lab.wan, "hq-a", f"{HQ}/28", "192.0.2.14")
        lab.add_public(lab.branch, "good", "wan0", lab.wan, "branch", "192.0.2.17/28", "192.0.2.30")
        add_broken(lab)
        add_lost_ways(lab)
        lab.branch.start()
        lab.hq.start()
        lab.hq.namespace.ip("link", "set", "t-wan3", "down")
        lab.hq.cli("down", "prod-held")
        yield lab


def why(gateway, name):
    """(cause, the sentence) of the one tunnel of a connection; the exit status is checked on the way."""
    done = gateway.cli("why", f"prod-{name}", "--json", check=False)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["up"] else 1)
    (tunnel,) = answer["tunnels"]
    return tunnel["cause"], f"{tunnel['why']}; {tunnel['advice']}"


def wait_for_cause(gateway, name, cause, words, timeout_s=25):
    last = []

    def told():
        last[:] = why(gateway, name)
        return last[0] == cause and words in last[1]
    try:
        wait_for(f"{gateway.name}'s why of {name}: {cause}, {words}", told, timeout_s, 0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}: it says {last}") from None


def test_a_good_connection(lab):
    wait_for_cause(lab.hq, "good", "none", "is up")
    wait_for_cause(lab.branch, "good", "none", "is up")
    done = lab.hq.cli("why", "prod-good")
    assert done.stdout == "prod-good-a-1 is up\n"


def test_an_unknown_connection(lab):
    done = lab.hq.cli("why", "absent", check=False)
    assert done.returncode == 1 and "no connection 'absent'" in done.stderr


@pytest.mark.parametrize("name", EXPECTED)
def test_broken(lab, name):
    if name == "install":
        load_camellia(lab)
    for gateway, expected in zip((lab.hq, lab.branch), EXPECTED[name]):
        if expected:
            wait_for_cause(gateway, name, *expected)
    line = lab.hq.cli("why", f"prod-{name}", check=False).stdout
    assert re.fullmatch(rf"prod-{name}-[a-d]-1 is [^\n]+; [^\n]+\n", line), line


def test_a_telling_cause_outlives_the_retries(lab):
    """By now each has been tried several times, and each time its IKE SA was closed again."""
    for name in ("ike", "esp", "psk", "id", "expected", "ca", "selectors"):
        for gateway, expected in zip((lab.hq, lab.branch), EXPECTED[name]):
            wait_for_cause(gateway, name, *expected)
            for _ in range(5):
                cause, text = why(gateway, name)
                assert cause == expected[0] and expected[1] in text


def test_linux_without_the_route_or_the_address(lab):
    rules = lab.hq.namespace.ip("rule")
    table = re.search(r"from 198\.18\.5\.1 lookup (\d+)", rules)[1]
    lab.hq.namespace.ip("route", "flush", "table", table)
    lab.hq.namespace.ip("route", "flush", "table", "main")
    wait_for_cause(lab.hq, "far", "route", "Linux has none to 198.18.7.2 over wan2", 5)
    lab.hq.namespace.ip("addr", "del", "198.18.5.1/24", "dev", "wan2")
    wait_for_cause(lab.hq, "far", "address", "does not have 198.18.5.1 on wan2", 5)


def test_charon_without_the_plugin(lab):
    feed = lab.hq.run_dir / "feed.sock"
    shutil.move(feed, feed.with_suffix(".away"))
    lab.hq.kill("sallyportd")
    try:
        wait_for("an answer", lambda: lab.hq.cli("why", "prod-ike", check=False).stdout, 10)
        wait_for_cause(lab.hq, "ike", "plugin", "kernel-sallyport", 10)
    finally:
        shutil.move(feed.with_suffix(".away"), feed)
    wait_for_cause(lab.hq, "ike", "ike-proposal", "", 15)


def test_a_secret_that_is_gone(lab):
    wait_for_cause(lab.hq, "file", "none", "", 10)
    lab.hq.cli("down", "prod-file")
    (lab.directory / "file/shared.psk").unlink()
    lab.hq.cli("up", "prod-file")
    wait_for_cause(lab.hq, "file", "not-loaded", "shared.psk", 5)


def test_charon_killed(lab):
    wait_for_cause(lab.hq, "good", "none", "is up")
    with lab.hq.without("charon"):
        wait_for_cause(lab.hq, "ike", "charon", "charon is not running", 10)
        assert why(lab.hq, "good") == ("none", "is up; charon is not running, so its keys cannot be renewed; see: sallyport show gateway, "
                                               "and the logs in the run directory")
    wait_for_cause(lab.hq, "ike", "ike-proposal", "", 15)


def test_the_dataplane_killed(lab):
    with lab.hq.without("dataplane"):
        wait_for_cause(lab.hq, "good", "dataplane", "carries nothing: the dataplane is not running", 10)
    wait_for_cause(lab.hq, "good", "none", "is up", 25)
