# SPDX-License-Identifier: BSD-3-Clause
"""What `sallyport apply` changes under running tunnels, and what it refuses to."""

import copy

import yaml


def test_a_connection_changes_its_network_by_going_and_coming_back(new_lab):
    """Else its SAs would stay in the old one, and with them what the peer sends."""
    lab = new_lab().up()
    config = copy.deepcopy(lab.hq.config)
    config["virtual_networks"]["other"] = {}
    moved, gone = copy.deepcopy(config), copy.deepcopy(config)
    moved["connections"]["prod-branch"]["virtual_network"] = "other"
    del gone["connections"]["prod-branch"]
    file = lab.directory / "moved.yaml"
    file.write_text(yaml.safe_dump(moved, sort_keys=False))
    refused = lab.hq.cli("apply", file, "--yes", check=False)
    assert refused.returncode != 0 and "cannot move from virtual network prod to other" in refused.stderr, refused
    lab.host_hq.ping(lab.host_branch.address, 2)
    lab.hq.apply(gone)
    lab.hq.apply(moved)
    lab.hq.wait_for_tunnels()
    before = lab.hq.drops().get("no_route", 0)
    assert lab.host_branch.ping(lab.host_hq.address, 2, check=False).returncode != 0
    assert lab.hq.drops()["no_route"] >= before + 2, "it came out of the tunnel in a network without that host"
