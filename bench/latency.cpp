// SPDX-License-Identifier: BSD-3-Clause
// The time a packet spends in the gateway, from its arrival at one port to its departure from the other, at
// fractions of the highest load; while nothing else happens, while another core is merely busy, and while a
// hundred thousand sites' SAs are installed and deleted.
//
// One thread is NIC, wire and worker: it puts packets into the receive ring when they are due and times them
// where they are sent, so that what is measured is the gateway: waiting for the poll, the burst's work, and
// the wait for the rest of the burst. Another is the manager, a third the client of its API.
#include <rte_cycles.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/latency_rig.h"

namespace {

using namespace sallyport;
using namespace sallyport::bench;

constexpr double kWarmUpSeconds = 0.3, kDrainSeconds = 0.01;
constexpr uint64_t kLoopsPerLook = 256;  // between looks at the clock and the client

struct Arguments {
  RigOptions rig;
  std::vector<unsigned> load_percent = {10, 50};
  double seconds = 3;
  unsigned rounds = 2;  // of installing and deleting, in each row
  std::string csv;
};

// What was seen in one phase, over all of its rounds.
struct Tally {
  Histogram latency;
  Arrivals arrivals;
  uint64_t dropped = 0;
  double seconds = 0;
  double sas = 0, sa_seconds = 0;  // installed or deleted, and how long that took

  uint64_t preemptions = 0;  // by other processes; that time is not in `seconds`
  uint64_t stalls = 0;       // of more than RigOptions::jump_tsc, by interrupts and the hypervisor
  double stalled_seconds = 0;

  uint64_t lost() const {
    return arrivals.missed + arrivals.taken - std::min(arrivals.taken, latency.count());
  }
};

// busy: another core counts, which takes from this one what they share, if anything. What installing and
// deleting do beyond that is the gateway's doing.
struct Phases {
  Tally idle, busy, installing, deleting;
};

double to_us(uint64_t cycles) {
  return static_cast<double>(cycles) * 1e6 / static_cast<double>(rte_get_tsc_hz());
}

uint64_t in_tsc(double seconds) {
  return static_cast<uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
}

// One direction through the gateway.
class Stream {
 public:
  Stream(LatencyRig& rig, ScheduledPort& in, ScheduledPort& out, const std::vector<Frame>& frames)
      : rig_(rig), in_(in), out_(out), frames_(frames) {}

  // Packets per second with the wire always full.
  double highest_pps() {
    offer(0);
    poll_for(kWarmUpSeconds);
    out_.departures().clear();
    const uint64_t start = rig_.clock().now_tsc();
    poll_for(1);
    const double seconds = to_us(rig_.clock().now_tsc() - start) / 1e6;
    const double pps = static_cast<double>(out_.departures().count()) / seconds;
    drain();
    return pps;
  }

  // 0: the wire is always full.
  void offer(double pps) { in_.start(&frames_, pps == 0 ? 0 : static_cast<double>(rte_get_tsc_hz()) / pps); }

  void poll_for(double seconds) {
    const uint64_t end = rte_rdtsc() + in_tsc(seconds);
    while (rte_rdtsc() < end)
      rig_.poll();
  }

  void drain() {
    in_.stop();
    poll_for(kDrainSeconds);
  }

  // Some seconds of nothing else, some with another core busy, then installing and deleting; again and again.
  std::unique_ptr<Phases> measure(const Arguments& arguments) {
    auto phases = std::make_unique<Phases>();
    for (unsigned round = 0; round < arguments.rounds; ++round) {
      begin();
      poll_for(arguments.seconds);
      end(phases->idle);
      perform(Work::kSpin, arguments.rig, phases->busy);
      perform(Work::kInstall, arguments.rig, phases->installing);
      perform(Work::kDelete, arguments.rig, phases->deleting);
    }
    drain();
    return phases;
  }

 private:
  void perform(Work work, const RigOptions& options, Tally& tally) {
    begin();
    rig_.user().begin(work);
    while (!rig_.user().done())
      for (uint64_t i = 0; i < kLoopsPerLook; ++i)
        rig_.poll();
    end(tally);
    if (work == Work::kSpin) return;
    tally.sas += 2.0 * options.other_sites;
    tally.sa_seconds += rig_.user().seconds();
  }

  // Between two polls nothing is under way: what was taken was sent, or lost.
  void begin() {
    poll_for(kWarmUpSeconds);
    in_.arrivals() = {};
    out_.departures().clear();
    drops_before_ = rig_.drops();
    preemptions_before_ = rig_.clock().preemptions();
    stalls_before_ = rig_.clock().stalls();
    stalled_before_tsc_ = rig_.clock().stalled_tsc();
    start_tsc_ = rig_.clock().now_tsc();
  }

  void end(Tally& tally) {
    tally.seconds += to_us(rig_.clock().now_tsc() - start_tsc_) / 1e6;
    tally.preemptions += rig_.clock().preemptions() - preemptions_before_;
    tally.stalls += rig_.clock().stalls() - stalls_before_;
    tally.stalled_seconds += to_us(rig_.clock().stalled_tsc() - stalled_before_tsc_) / 1e6;
    tally.latency.add(out_.departures());
    tally.arrivals.taken += in_.arrivals().taken;
    tally.arrivals.missed += in_.arrivals().missed;
    tally.arrivals.bursts += in_.arrivals().bursts;
    tally.dropped += rig_.drops() - drops_before_;
  }

  LatencyRig& rig_;
  ScheduledPort &in_, &out_;
  const std::vector<Frame>& frames_;
  uint64_t drops_before_ = 0, preemptions_before_ = 0, start_tsc_ = 0;
  uint64_t stalls_before_ = 0, stalled_before_tsc_ = 0;
};

class Report {
 public:
  explicit Report(const std::string& csv) {
    if (!csv.empty()) csv_ = std::fopen(csv.c_str(), "w");
    if (!csv.empty() && csv_ == nullptr) throw ApiError(csv + ": cannot be written");
    print(csv_,
          "direction,bytes,load_percent,phase,seconds,pps,packets,lost,dropped,packets_per_burst,p50_us,"
          "p99_us,p999_us,longest_us,p99_ratio,sas_per_second,preemptions,stalls,stalled_seconds\n");
    std::printf("%-9s %5s %-11s %9s %11s %6s %7s %8s %8s %8s %9s %8s %8s %6s %8s\n", "direction", "load",
                "phase", "Mpps", "packets", "lost", "burst", "p50 us", "p99 us", "p99.9 us", "longest",
                "stalls/s", "stalled%", "ratio", "kSA/s");
  }
  ~Report() {
    if (csv_ != nullptr) std::fclose(csv_);
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  // `reference`: what the 99th percentile is compared with.
  void add(const char* direction, uint32_t bytes, unsigned load, const char* phase, const Tally& tally,
           const Tally& reference) {
    const auto packets = static_cast<double>(tally.latency.count());
    const double pps = packets / tally.seconds;
    const double burst = static_cast<double>(tally.arrivals.taken) /
                         static_cast<double>(std::max<uint64_t>(tally.arrivals.bursts, 1));
    const double p50 = to_us(tally.latency.quantile(0.5)), p99 = to_us(tally.latency.quantile(0.99)),
                 p999 = to_us(tally.latency.quantile(0.999)), longest = to_us(tally.latency.longest());
    const double ratio = p99 / to_us(reference.latency.quantile(0.99));
    const double rate = tally.sa_seconds == 0 ? 0 : tally.sas / tally.sa_seconds;
    print(csv_, "%s,%u,%u,%s,%.3f,%.0f,%.0f,%lu,%lu,%.2f,%.3f,%.3f,%.3f,%.1f,%.3f,%.0f,%lu,%lu,%.4f\n",
          direction, bytes, load, phase, tally.seconds, pps, packets, tally.lost(), tally.dropped, burst, p50,
          p99, p999, longest, ratio, rate, tally.preemptions, tally.stalls, tally.stalled_seconds);
    std::printf("%-9s %4u%% %-11s %9.3f %11.0f %6lu %7.2f %8.2f %8.2f %8.2f %9.1f %8.0f %8.2f %6.2f %8.0f\n",
                direction, load, phase, pps / 1e6, packets, tally.lost(), burst, p50, p99, p999, longest,
                static_cast<double>(tally.stalls) / tally.seconds,
                100 * tally.stalled_seconds / tally.seconds, ratio, rate / 1e3);
    std::fflush(stdout);
  }

 private:
  template <typename... Values>
  static void print(FILE* file, const char* format, Values... values) {
    if (file == nullptr) return;
    if constexpr (sizeof...(values) == 0)
      std::fputs(format, file);
    else
      std::fprintf(file, format, values...);
  }

  FILE* csv_ = nullptr;
};

void measure(LatencyRig& rig, const Arguments& arguments) {
  Report report(arguments.csv);
  const uint32_t bytes = arguments.rig.inner_bytes;
  for (const char* direction : {"outbound", "inbound"}) {
    const bool outbound = direction == std::string_view("outbound");
    Stream stream(rig, outbound ? rig.lan() : rig.wan(), outbound ? rig.wan() : rig.lan(),
                  outbound ? rig.lan_frames() : rig.wan_frames());
    const double highest = stream.highest_pps();
    std::printf("%-9s %5s %-11s %9.3f\n", direction, "100%", "all it takes", highest / 1e6);
    for (const unsigned load : arguments.load_percent) {
      stream.offer(highest * load / 100);
      const auto phases = stream.measure(arguments);
      report.add(direction, bytes, load, "idle", phases->idle, phases->busy);
      report.add(direction, bytes, load, "busy", phases->busy, phases->busy);
      report.add(direction, bytes, load, "installing", phases->installing, phases->busy);
      report.add(direction, bytes, load, "deleting", phases->deleting, phases->busy);
    }
  }
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  bool no_huge = false, forgive_stalls = false;
  CLI::App app("Latency through the gateway, before and while SAs are installed and deleted.");
  app.add_option("--load", arguments.load_percent, "Percent of the highest rate, as in 10,50")
      ->delimiter(',')
      ->check(CLI::Range(1u, 95u))
      ->capture_default_str();
  app.add_option("--seconds", arguments.seconds, "Of each round without churn")->capture_default_str();
  app.add_option("--rounds", arguments.rounds, "Of installing and deleting, at each load")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_option("--bytes", arguments.rig.inner_bytes, "Of the inner packets")
      ->check(CLI::Range(28u, 1400u))
      ->capture_default_str();
  app.add_option("--traffic-sites", arguments.rig.traffic_sites, "Sites with traffic")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_option("--other-sites", arguments.rig.other_sites, "Sites whose SAs come and go, two each")
      ->check(CLI::Range(1u, kMaxSites - 1000))
      ->capture_default_str();
  app.add_option("--sas-per-second", arguments.rig.sas_per_second,
                 "Installed and deleted at most; 0: as fast as it goes")
      ->check(CLI::Range(0.0, 1e7))
      ->capture_default_str();
  app.add_option("--core", arguments.rig.worker_core, "The worker's core; everything else runs on the others")
      ->capture_default_str();
  app.add_option("--memory", arguments.rig.memory_mb, "MB for packet buffers and tables")
      ->capture_default_str();
  app.add_flag("--forgive-stalls", forgive_stalls,
               "Time in which the core stood still for longer than a burst takes counts as not passed");
  app.add_flag("--no-huge", no_huge, "Without hugepages");
  app.add_option("--csv", arguments.csv, "File to write as well");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  arguments.rig.spin_seconds = arguments.seconds;
  if (forgive_stalls) arguments.rig.stalls = Stalls::kForgive;
  if (no_huge) arguments.rig.memory_kind = dataplane::MemoryKind::kNoHuge;
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  spdlog::set_level(spdlog::level::warn);
  try {
    LatencyRig rig(arguments.rig);
    rig.run([&arguments](LatencyRig& running) { measure(running, arguments); });
  } catch (const ApiError& error) {
    std::fprintf(stderr, "latency: %s\n", error.what());
    return 1;
  }
  return 0;
}
