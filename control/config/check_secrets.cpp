// SPDX-License-Identifier: BSD-3-Clause
// Whether IKE can find each tunnel's pre-shared secret: charon looks for it by the two identities alone, so
// tunnels of the same identities must have the same one. It would authenticate with another tunnel's else.
#include <map>
#include <set>

#include "control/config/identities.h"
#include "control/config/sections.h"

namespace sallyport::control {

namespace {

struct Secret {
  std::string tunnel, file;
  std::string path;  // of the key that names the file
  bool is_own = false;
};

struct Known {
  std::map<std::pair<std::string, std::string>, Secret> by_identities;
  std::set<std::string> reported;  // paths
};

void check_secret(Reader& reader, const Connection& connection, const PublicAddress& from, const Site& site,
                  size_t peer, Known& known) {
  const std::string key = tunnel_key(from.name, peer);
  const std::string path = "connections." + connection.name;
  const TunnelOverride& own = own_of(connection, from.name, peer);
  Secret secret{connection.name + "-" + key, connection.auth.psk_file, path + ".auth.psk_file"};
  if (!own.psk_file.empty())
    secret = {secret.tunnel, own.psk_file, path + ".tunnels." + key + ".psk_file", true};
  auto [local, remote] = identities_of(connection, from.name, own, from.address.address, site.peers[peer]);
  if (remote < local) std::swap(local, remote);
  const auto [first, is_new] = known.by_identities.emplace(std::pair{local, remote}, secret);
  const Secret& other = first->second;
  if (is_new || hold_same_secret(other.file, secret.file)) return;
  const std::string& place = other.is_own && !secret.is_own ? other.path : secret.path;
  if (!known.reported.insert(place).second) return;
  reader.error_at(
      place,
      "tunnels '" + other.tunnel + "' and '" + secret.tunnel +
          "' have the same identities but not the same secret, and IKE finds secrets by identities",
      "give one of them a local_id or remote_id of its own");
}

}  // namespace

void check_secrets(Reader& reader, const Gateway& gateway) {
  Known known;
  for (const auto& [name, connection] : gateway.connections) {
    const auto site = gateway.sites.find(connection.site);
    if (site == gateway.sites.end() || !connection.auth.is_psk()) continue;
    for (const std::string& address : connection.public_addresses) {
      const auto from = gateway.public_addresses.find(address);
      if (from == gateway.public_addresses.end()) continue;
      for (size_t peer = 0; peer < site->second.peers.size(); ++peer) {
        if (site->second.peers[peer].version != from->second.address.address.version) continue;
        check_secret(reader, connection, from->second, site->second, peer, known);
      }
    }
  }
}

}  // namespace sallyport::control
