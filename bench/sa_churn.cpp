// SPDX-License-Identifier: BSD-3-Clause
// Installs, rekeys and deletes the SAs of many sites in a running sallyport-dataplane while others carry
// traffic, and prints a line of JSON for each step: how fast it went, what the traffic lost, what memory is
// in use. bench/scale runs it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include "bench/dataplane_watch.h"
#include "bench/static_gateway.h"

namespace {

using namespace sallyport;
using namespace sallyport::bench;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string socket;
  StaticGateway gateway;          // no replay window: its traffic repeats sequence numbers
  uint32_t replay_window = 1024;  // of the SAs that come and go
  uint32_t traffic_sites = 64, sites = 100000;
  double seconds = 3;        // of traffic alone before and after
  double minutes = 0;        // of adding, rekeying and deleting
  double round_seconds = 2;  // of churn; the rest of it the client sleeps
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void sleep_until(Clock::time_point start, double seconds) {
  std::this_thread::sleep_until(
      start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
}

class Run {
 public:
  explicit Run(const Arguments& arguments)
      : arguments_(arguments),
        client_(arguments.socket, 30),
        watch_(client_.hello().shared_state_path.data()) {
    others_.replay_window = arguments.replay_window;
  }

  void prepare() {
    const uint32_t wanted = arguments_.traffic_sites + 2 * arguments_.sites + 1;
    const uint32_t most = arguments_.minutes > 0 ? wanted : wanted - arguments_.sites;
    if (client_.hello().slots < most)
      throw ApiError("the dataplane has too few slots; start it with --slots " + std::to_string(most));
    step("empty", 0, [] {});
    install_ports(client_, arguments_.gateway);
    step("sites", 0, [this] { install_sites(client_, 0, arguments_.traffic_sites + arguments_.sites); });
    install_sas(client_, arguments_.gateway, 0, arguments_.traffic_sites);
  }

  void install_and_delete() {
    const uint32_t sas = 2 * arguments_.sites;
    quiet("before");
    step("installing", sas,
         [this] { install_sas(client_, others_, arguments_.traffic_sites, arguments_.sites); });
    quiet("after");
    step("deleting", sas, [this] { delete_sas(client_, arguments_.traffic_sites, arguments_.sites); });
    quiet("empty again");
  }

  void churn() {
    quiet("before");
    const auto start = Clock::now();
    while (seconds_since(start) < arguments_.minutes * 60) {
      const auto begun = Clock::now();
      // Added, rekeyed twice, deleted: 6 SAs of each site come and go.
      step("round", 6 * arguments_.sites, [this] { round(); });
      sleep_until(begun, arguments_.round_seconds);
    }
    quiet("after");
  }

 private:
  SaPair pair(uint32_t site, uint32_t generation) const {
    return {site, site + 1 + generation * arguments_.sites};
  }

  template <typename Action>
  void for_each_site(Action action) {
    for (uint32_t i = 0; i < arguments_.sites; ++i)
      action(arguments_.traffic_sites + i);
    client_.finish();
  }

  void add(uint32_t site, uint32_t generation) {
    client_.submit(inbound_sa(others_, pair(site, generation)));
    client_.submit(outbound_sa(others_, pair(site, generation)));
  }

  // Make before break: the new pair is in use before the old one goes.
  void rekey(uint32_t from, uint32_t to) {
    for_each_site([this, from, to](uint32_t site) {
      add(site, to);
      delete_pair(client_, pair(site, from));
    });
  }

  void round() {
    for_each_site([this](uint32_t site) { add(site, 0); });
    rekey(0, 1);
    rekey(1, 0);
    for_each_site([this](uint32_t site) { delete_pair(client_, pair(site, 0)); });
  }

  void quiet(const char* name) {
    step(name, 0, [this] { std::this_thread::sleep_for(std::chrono::duration<double>(arguments_.seconds)); });
  }

  void step(const char* name, uint32_t sas, const std::function<void()>& work) {
    const CpuSeconds cpu_before = cpu_seconds(client_.hello().pid);
    const PacketCounts before = watch_.packets();
    const auto start = Clock::now();
    work();
    const double seconds = seconds_since(start);
    const PacketCounts counts = watch_.packets() - before;
    const CpuSeconds cpu = cpu_seconds(client_.hello().pid);
    const auto unaccounted = static_cast<int64_t>(counts.received - counts.sent - counts.dropped());
    const api::HelloReply& hello = client_.say_hello();
    std::printf(
        "{\"step\":\"%s\",\"seconds\":%.6f,\"sas\":%u,\"sas_per_second\":%.0f,\"received\":%lu,\"sent\":%lu,"
        "\"dropped\":%lu,\"unaccounted\":%ld,\"drops\":%s,\"resident_kib\":%lu,\"memory_used_bytes\":%lu,"
        "\"memory_bytes\":%lu,\"manager_cpu_seconds\":%.6f,\"worker_cpu_seconds\":%.6f}\n",
        name, seconds, sas, sas / seconds, counts.received, counts.sent, counts.dropped(), unaccounted,
        counts.drops_json().c_str(), resident_kib(hello.pid), hello.memory_used_bytes, hello.memory_bytes,
        cpu.manager - cpu_before.manager, cpu.workers - cpu_before.workers);
    std::fflush(stdout);
  }

  const Arguments& arguments_;
  StaticGateway others_;
  ApiClient client_;
  DataplaneWatch watch_;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Installs, rekeys and deletes SAs while others carry traffic; prints JSON lines.");
  app.add_option("--socket", arguments.socket, "The dataplane's API socket: RUNDIR/dataplane.sock")
      ->required();
  app.add_option("--lan-device", arguments.gateway.lan_device, "DPDK's string of the LAN device")->required();
  app.add_option("--wan-device", arguments.gateway.wan_device, "DPDK's string of the public device")
      ->required();
  app.add_option("--traffic-sites", arguments.traffic_sites, "Sites with traffic, the first ones")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_option("--sites", arguments.sites, "Sites whose SAs come and go, two each")
      ->check(CLI::Range(1u, kMaxSites - 1000))
      ->capture_default_str();
  app.add_option("--replay-window", arguments.replay_window, "Packets, of the SAs that come and go")
      ->capture_default_str();
  app.add_option("--seconds", arguments.seconds, "Of traffic alone, before and after")->capture_default_str();
  app.add_option("--minutes", arguments.minutes,
                 "Of adding, rekeying and deleting; 0: install and delete once")
      ->capture_default_str();
  app.add_option("--round-seconds", arguments.round_seconds, "That a round takes at least")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  try {
    Run run(arguments);
    run.prepare();
    if (arguments.minutes > 0)
      run.churn();
    else
      run.install_and_delete();
  } catch (const ApiError& error) {
    std::fprintf(stderr, "sa_churn: %s\n", error.what());
    return 1;
  }
  return 0;
}
