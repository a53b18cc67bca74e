// SPDX-License-Identifier: BSD-3-Clause
// Programs a running sallyport-dataplane as a static gateway (static_gateway.h), waits until every request
// was answered, and prints one line of JSON: how long it took, and the ports' MACs to address packets to.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>

#include "bench/static_gateway.h"

namespace {

using namespace sallyport;
using namespace sallyport::bench;

struct Arguments {
  std::string socket;
  StaticGateway gateway;
  uint32_t sas = 1, hosts = 1;
};

Arguments parse(int argc, char** argv) {
  const std::map<std::string, Suite> suites = {{"aes128gcm16", kAes128Gcm16},
                                               {"aes256gcm16", kAes256Gcm16},
                                               {"aes128cbc-sha256", kAes128CbcSha256},
                                               {"chacha20poly1305", kChaCha20Poly1305}};
  Arguments arguments;
  std::string cipher = "aes128gcm16";
  CLI::App app("Programs a running sallyport-dataplane with N sites, a pair of SAs each, and prints JSON.");
  app.add_option("--socket", arguments.socket, "The dataplane's API socket: RUNDIR/dataplane.sock")
      ->required();
  app.add_option("--lan-device", arguments.gateway.lan_device, "DPDK's string of the LAN device")->required();
  app.add_option("--wan-device", arguments.gateway.wan_device, "DPDK's string of the public device")
      ->required();
  app.add_option("--sas", arguments.sas, "Sites: each has a tunnel, a route and a pair of SAs")
      ->check(CLI::Range(1u, kMaxSites))
      ->capture_default_str();
  app.add_option("--cipher", cipher, "Algorithms of the SAs")
      ->check(CLI::IsMember(suites))
      ->capture_default_str();
  app.add_option("--replay-window", arguments.gateway.replay_window, "Packets; 0: no replay check")
      ->capture_default_str();
  app.add_option("--hosts", arguments.hosts, "Behind the only site's peer, one after the other")
      ->check(CLI::Range(1u, kMaxSites))
      ->capture_default_str();
  app.add_flag("--esn", arguments.gateway.esn, "Extended sequence numbers");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  arguments.gateway.suite = suites.at(cipher);
  return arguments;
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string text_of(const api::Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

void load(const Arguments& arguments) {
  ApiClient client(arguments.socket, 30);
  if (client.hello().slots <= arguments.sas)
    throw ApiError("the dataplane has " + std::to_string(client.hello().slots) +
                   " slots, the first of which " + "stays unused; start it with --slots " +
                   std::to_string(arguments.sas + 1) + " or more");
  if (arguments.hosts > 1 && arguments.sas > 1) throw ApiError("--hosts goes with --sas 1");
  install_ports(client, arguments.gateway);
  const double sites_s = seconds_of([&] { install_sites(client, 0, arguments.sas); });
  if (arguments.hosts > 1) install_prefix(client);
  const double sas_s = seconds_of([&] { install_sas(client, arguments.gateway, 0, arguments.sas); });
  std::map<uint32_t, std::string> macs;
  for (const auto& port : client.dump<api::SetPort>(api::Type::kSetPort))
    macs[port.port_id] = text_of(port.mac);
  // An SA is one direction: a site has two.
  std::printf(
      "{\"sas\":%u,\"seconds\":%.4f,\"sas_per_second\":%.0f,\"sites_seconds\":%.4f,\"lan_mac\":\"%s\","
      "\"wan_mac\":\"%s\",\"workers\":%u,\"slots\":%u,\"pid\":%d,\"shared_state\":\"%s\"}\n",
      arguments.sas, sas_s, 2 * arguments.sas / sas_s, sites_s, macs[kLanPort].c_str(),
      macs[kWanPort].c_str(), client.hello().workers, client.hello().slots, client.hello().pid,
      client.hello().shared_state_path.data());
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  try {
    load(arguments);
  } catch (const ApiError& error) {
    std::fprintf(stderr, "load_gateway: %s\n", error.what());
    return 1;
  }
  return 0;
}
