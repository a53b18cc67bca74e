// SPDX-License-Identifier: BSD-3-Clause
// What a flood of outer fragments that never make a packet does to good traffic, whole or fragmented itself,
// and to the packet buffers, at set rates. The gateway is that of bench/latency.cpp: its worker's loop and
// the ports' wires are in this program's hands, so that what is lost is counted exactly.
#include <rte_cycles.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/fragment_frames.h"
#include "bench/latency_rig.h"

namespace {

using namespace sallyport;
using namespace sallyport::bench;

constexpr uint32_t kFloodFrames = 1 << 16;  // made beforehand, and sent again and again
constexpr double kDrainSeconds = 0.01;
constexpr unsigned kForgetSeconds = 3;  // more than twice Reassembler::kTimeoutNs
constexpr uint64_t kLoopsPerLook = 64;  // between looks at the packet pool

struct Arguments {
  RigOptions rig;
  double good_pps = 100'000;
  std::vector<double> flood_pps = {100'000, 1'000'000};
  double spacing_us = 120;  // between the two fragments of a good packet: 1,500 bytes on 100 Mbit/s
  double seconds = 5;
  std::string csv;
};

enum class Good : uint8_t { kWhole, kFragmented };

// What arrives at the public port, in order.
struct Traffic {
  std::vector<Frame> frames;
  std::vector<uint32_t> good_until;  // by frame: good packets complete with it and those before
  double pps = 0;

  uint64_t good_in(uint64_t taken) const {
    const uint64_t left = taken % frames.size();
    return taken / frames.size() * good_until.back() + (left == 0 ? 0 : good_until[left - 1]);
  }
};

struct Arrival {
  double seconds;
  Frame frame;
  bool completes;  // a good packet
};

void add_good(std::vector<Arrival>& arrivals, const std::vector<Frame>& frames, Good good,
              const Arguments& arguments, double seconds) {
  const double spacing = arguments.spacing_us / 1e6;
  uint16_t id = 0;
  size_t next = 0;
  for (double at = 0; at + spacing < seconds; at += 1 / arguments.good_pps) {
    const Frame& frame = frames[next++ % frames.size()];
    if (good == Good::kWhole) {
      arrivals.push_back({at, frame, true});
      continue;
    }
    auto pieces = in_two(frame, id++);
    arrivals.push_back({at, std::move(pieces[0]), false});
    arrivals.push_back({at + spacing, std::move(pieces[1]), true});
  }
}

Traffic make_traffic(LatencyRig& rig, const Arguments& arguments, Good good, Flood flood, double flood_pps) {
  const double seconds = kFloodFrames / std::max(flood_pps, arguments.good_pps);
  std::vector<Arrival> arrivals;
  add_good(arrivals, rig.wan_frames(), good, arguments, seconds);
  FloodMaker maker(flood, rig.wan_mac(), rig.wan_frames().front());
  if (flood != Flood::kNone)
    for (double at = 0; at < seconds; at += 1 / flood_pps)
      arrivals.push_back({at, maker.next(), false});
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const Arrival& a, const Arrival& b) { return a.seconds < b.seconds; });
  Traffic traffic;
  traffic.pps = static_cast<double>(arrivals.size()) / seconds;
  uint32_t complete = 0;
  for (Arrival& arrival : arrivals) {
    traffic.good_until.push_back(complete += arrival.completes);
    traffic.frames.push_back(std::move(arrival.frame));
  }
  return traffic;
}

struct Row {
  uint64_t taken, missed, good, lost, given_up, timed_out;
  uint32_t most_held, held_after;  // packet buffers
};

void poll_for(LatencyRig& rig, double seconds) {
  const uint64_t end = rte_rdtsc() + static_cast<uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
  while (rte_rdtsc() < end)
    rig.poll();
}

Row measure(LatencyRig& rig, const Traffic& traffic, double seconds) {
  using api::DropReason;
  const auto hz = static_cast<double>(rte_get_tsc_hz());
  const uint32_t free_before = rte_mempool_avail_count(rig.pool());
  const uint64_t given_up = rig.drops(DropReason::kFragmentTableFull),
                 timed_out = rig.drops(DropReason::kFragmentTimeout);
  Row row{};
  rig.lan().departures().clear();
  rig.wan().start(&traffic.frames, hz / traffic.pps);
  const uint64_t end = rte_rdtsc() + static_cast<uint64_t>(seconds * hz);
  while (rte_rdtsc() < end) {
    for (uint64_t i = 0; i < kLoopsPerLook; ++i)
      rig.poll();
    row.most_held = std::max(row.most_held, free_before - rte_mempool_avail_count(rig.pool()));
  }
  rig.wan().stop();
  poll_for(rig, kDrainSeconds);
  row.taken = rig.wan().arrivals().taken;
  row.missed = rig.wan().arrivals().missed;
  row.good = traffic.good_in(row.taken);
  row.lost = row.good - std::min(row.good, rig.lan().departures().count());
  poll_for(rig, kForgetSeconds);
  row.given_up = rig.drops(DropReason::kFragmentTableFull) - given_up;
  row.timed_out = rig.drops(DropReason::kFragmentTimeout) - timed_out;
  row.held_after = free_before - rte_mempool_avail_count(rig.pool());
  return row;
}

void measure_all(LatencyRig& rig, const Arguments& arguments) {
  std::FILE* csv = arguments.csv.empty() ? nullptr : std::fopen(arguments.csv.c_str(), "w");
  if (!arguments.csv.empty() && csv == nullptr) throw ApiError(arguments.csv + ": cannot be written");
  if (csv != nullptr)
    std::fputs(
        "good,flood,flood_pps,frames,missed,good_packets,lost,lost_percent,most_held,held_after,given_up,"
        "timed_out\n",
        csv);
  std::printf("%-10s %-20s %10s %10s %8s %10s %8s %8s %9s %10s %10s %9s\n", "good", "flood", "flood pps",
              "frames", "missed", "good", "lost", "lost %", "most held", "held after", "given up",
              "timed out");
  for (const Good good : {Good::kWhole, Good::kFragmented})
    for (const auto& [flood, name] : kFloods)
      for (const double flood_pps : arguments.flood_pps) {
        if (flood == Flood::kNone && flood_pps != arguments.flood_pps.front()) continue;
        const Traffic traffic = make_traffic(rig, arguments, good, flood, flood_pps);
        const Row row = measure(rig, traffic, arguments.seconds);
        const double pps = flood == Flood::kNone ? 0 : flood_pps;
        const double percent =
            100 * static_cast<double>(row.lost) / static_cast<double>(std::max<uint64_t>(row.good, 1));
        const char* kind = good == Good::kWhole ? "whole" : "fragmented";
        std::printf("%-10s %-20s %10.0f %10lu %8lu %10lu %8lu %8.4f %9u %10u %10lu %9lu\n", kind, name.data(),
                    pps, row.taken, row.missed, row.good, row.lost, percent, row.most_held, row.held_after,
                    row.given_up, row.timed_out);
        std::fflush(stdout);
        if (csv != nullptr)
          std::fprintf(csv, "%s,\"%s\",%.0f,%lu,%lu,%lu,%lu,%.5f,%u,%u,%lu,%lu\n", kind, name.data(), pps,
                       row.taken, row.missed, row.good, row.lost, percent, row.most_held, row.held_after,
                       row.given_up, row.timed_out);
      }
  if (csv != nullptr) std::fclose(csv);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  arguments.rig.other_sites = 0;
  arguments.rig.inner_bytes = 1000;
  arguments.rig.stalls = Stalls::kForgive;
  bool no_huge = false;
  CLI::App app("Good traffic beside a flood of outer fragments.");
  app.add_option("--good-pps", arguments.good_pps, "Good packets per second")
      ->check(CLI::Range(100.0, 1e7))
      ->capture_default_str();
  app.add_option("--flood-pps", arguments.flood_pps, "Fragments per second, as in 100000,1000000")
      ->delimiter(',')
      ->check(CLI::Range(1000.0, 1e7))
      ->capture_default_str();
  app.add_option("--spacing-us", arguments.spacing_us, "Between the two fragments of a good packet")
      ->check(CLI::Range(0.0, 10'000.0))
      ->capture_default_str();
  app.add_option("--seconds", arguments.seconds, "Of each row")->capture_default_str();
  app.add_option("--bytes", arguments.rig.inner_bytes, "Of the inner packets")
      ->check(CLI::Range(28u, 1400u))
      ->capture_default_str();
  app.add_option("--traffic-sites", arguments.rig.traffic_sites, "Sites with traffic")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_option("--core", arguments.rig.worker_core, "The worker's core")->capture_default_str();
  app.add_option("--memory", arguments.rig.memory_mb, "MB for packet buffers and tables")
      ->capture_default_str();
  app.add_flag("--no-huge", no_huge, "Without hugepages");
  app.add_option("--csv", arguments.csv, "File to write as well");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (no_huge) arguments.rig.memory_kind = dataplane::MemoryKind::kNoHuge;
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  spdlog::set_level(spdlog::level::warn);
  try {
    LatencyRig rig(arguments.rig);
    rig.run([&arguments](LatencyRig& running) { measure_all(running, arguments); });
  } catch (const ApiError& error) {
    std::fprintf(stderr, "fragments: %s\n", error.what());
    return 1;
  }
  return 0;
}
