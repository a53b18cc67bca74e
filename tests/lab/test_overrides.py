# SPDX-License-Identifier: BSD-3-Clause
"""Two tunnels of one connection, each with identities, a shared secret and inside addresses of its own."""

import copy
import json

import pytest

from kit import pki
from kit.lab import SiteToSite
from kit.shell import run, wait_for

# By public address of hq: its tunnel's name there and at the branch, and the inside addresses of hq and branch.
TUNNELS = {"a": ("a-1", "a-1", "169.254.21.2", "169.254.21.1"), "b": ("b-1", "a-2", "169.254.22.2", "169.254.22.1")}
PINGS = 20


def override(ids, secret, inside):
    return {"local_id": ids[0], "remote_id": ids[1], "psk_file": secret, "inside": {"local": f"{inside[0]}/30", "remote": inside[1]}}


def secret_of(lab, name):
    directory = lab.directory / name
    directory.mkdir()
    return pki.psk(directory)["psk_file"]


def connection_of(config):
    return next(iter(config["connections"].values()))


@pytest.fixture(scope="module")
def lab():
    with SiteToSite(public_addresses=("a", "b"), psk=True) as lab:
        ours, theirs = {}, {}
        for public, (at_hq, at_branch, hq_inside, branch_inside) in TUNNELS.items():
            ids = (f"{public}.hq.example", f"{public}.branch.example")
            secret = secret_of(lab, f"secret-{public}")
            ours[at_hq] = override(ids, secret, (hq_inside, branch_inside))
            theirs[at_branch] = override(ids[::-1], secret, (branch_inside, hq_inside))
        connection_of(lab.branch.config)["tunnels"] = theirs
        connection_of(lab.hq.config)["tunnels"] = ours
        yield lab


def why(gateway, connection):
    answer = json.loads(gateway.cli("why", connection, "--json", check=False).stdout)
    return {tunnel["tunnel"]: tunnel for tunnel in answer["tunnels"]}


def test_each_tunnel_has_its_own_secret(lab):
    good = copy.deepcopy(lab.hq.config)
    connection_of(lab.hq.config)["tunnels"]["b-1"]["psk_file"] = secret_of(lab, "wrong")
    lab.branch.start()
    lab.hq.start()
    causes = ["none", "our-authentication"]
    wait_for("a tunnel and a refusal", lambda: [one["cause"] for one in why(lab.hq, "prod-branch").values()] == causes, 15)
    assert "refused our authentication as 'b.hq.example'" in why(lab.hq, "prod-branch")["prod-branch-b-1"]["why"]
    wait_for("branch to say why", lambda: "could not prove to be 'b.hq.example'" in why(lab.branch, "prod-hq")["prod-hq-a-2"]["why"], 5)
    lab.hq.config = good
    lab.hq.apply(good)
    lab.hq.wait_for_tunnels(2)
    lab.host_hq.ping(lab.host_branch.address, 2)


def counts(gateway):
    return {name: tunnel["out_packets"] for name, tunnel in gateway.tunnels().items()}


def ensure_up(lab):
    """A test that runs again has a lab of its own, which the first test has not started."""
    if not lab.hq.is_up:
        lab.up()


@pytest.mark.parametrize("public", TUNNELS)
def test_an_inside_address_is_reached_through_its_own_tunnel(lab, public):
    ensure_up(lab)
    _, _, ours, theirs = TUNNELS[public]
    before = counts(lab.hq), counts(lab.branch)
    done = run("ip", "netns", "exec", f"{lab.hq.namespace.name}-sp-prod", "ping", "-n", "-c", str(PINGS), "-i", "0.05", "-I", ours,
               theirs, check=False).stdout
    assert f"{PINGS} received" in done, done
    used = f"prod-branch-{public}-1", f"prod-hq-{TUNNELS[public][1]}"
    for gateway, sent_before, name in zip((lab.hq, lab.branch), before, used):
        wait_for("the counters", lambda: counts(gateway)[name] >= sent_before[name] + PINGS, 5)
        others = {other: count for other, count in counts(gateway).items() if other != name}
        assert others == {other: sent_before[other] for other in others}


def test_the_routes_name_who_carries(lab):
    ensure_up(lab)
    vias = {route["prefix"]: route["via"] for route in lab.hq.show("routes")}
    assert vias["169.254.21.1/32"] == "prod-branch-a-1" and vias["169.254.22.1/32"] == "prod-branch-b-1"
    assert vias["10.2.0.0/24"] == "prod-branch-a-1, prod-branch-b-1"
