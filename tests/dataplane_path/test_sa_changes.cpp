// SPDX-License-Identifier: BSD-3-Clause
// The manager's own Sas and Tunnels install, rekey and remove the outbound SAs of a tunnel, one and several
// side by side, while two workers send by them. Run under ThreadSanitizer, too (scripts/test threads).
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "dataplane/manager/codec.h"
#include "dataplane/manager/sas.h"
#include "tests/dataplane_path/sites.h"

namespace sallyport::dataplane::testing {

namespace {

constexpr uint32_t kManaged = 2, kOther = 3;  // tunnels
constexpr uint32_t kGroupManaged = 5, kGroupOther = 6;
constexpr uint32_t kSas = 8, kHostsOfSa = 32;  // side by side
constexpr uint32_t kOtherFlow = kSas, kFlows = kSas + 1;
constexpr uint32_t kLanOther = 0x0a030000;
constexpr uint32_t kAhead = 256, kPacketsAtOnce = 8, kCycles = 80, kRekeys = 2 * kSas;

// What holds the SAs, for a World that workers read.
class SaManager {
 public:
  explicit SaManager(World& world)
      : context_{world, pools_, Retirer(world.qsbr()), {}, 1500, [](auto) {}, {}} {
    for (uint32_t slot = 0; slot < Gateway::kSlots; ++slot)
      free_slots_.push_back(slot);
  }
  ~SaManager() {
    while (!context_.retirer.idle())
      context_.retirer.poll();
    std::filesystem::remove(state_.path());
  }
  SaManager(const SaManager&) = delete;
  SaManager& operator=(const SaManager&) = delete;

  void add_tunnel(uint32_t id) {
    auto message = make_message<api::SetTunnel>(api::Type::kSetTunnel, 1);
    message.tunnel_id = message.path_tunnel_id = id;
    message.vrf_id = kVrf;
    message.neighbour_id = kPeerNeighbour;
    ASSERT_EQ(tunnels_.set_tunnel(message).error, api::Error::kNone);
  }
  // The slot it is in. `remote`: its selector there.
  uint32_t add(const OracleSa& sa, uint32_t tunnel_id, const api::Selector& remote) {
    auto message = outbound_message(sa);
    message.tunnel_id = tunnel_id;
    message.slot = take_slot();
    message.activate = 1;
    message.local_selector_count = message.remote_selector_count = 1;
    message.selectors[0] = range(kLanA, kLanA | 255);
    message.selectors[1] = remote;
    const Failure failure = sas_.set_outbound(message);
    EXPECT_EQ(failure.error, api::Error::kNone) << failure.text;
    return message.slot;
  }
  void remove(uint32_t slot, uint32_t spi) {
    auto message = make_message<api::DeleteSa>(api::Type::kDeleteSa, 1);
    message.direction = api::Direction::kOutbound;
    message.slot = slot;
    message.spi = spi;
    ASSERT_EQ(sas_.remove(message, [this, slot] { free_slots_.push_back(slot); }).error, api::Error::kNone);
  }
  void poll() { context_.retirer.poll(); }

 private:
  // The one that became free last: whoever still looks for its former SA finds the new one.
  uint32_t take_slot() {
    while (free_slots_.empty())
      poll();
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  static SharedStateFile open_state() {
    const auto path =
        std::filesystem::temp_directory_path() / ("sallyport-changes-" + std::to_string(getpid()));
    auto state = SharedStateFile::open(path, 2, Gateway::kSlots);
    return std::move(state.value());
  }

  PacketPools pools_{16, 1500};
  TablesContext context_;
  std::unique_ptr<CryptoEngine> engine_ = CryptoEngine::create();
  SharedStateFile state_ = open_state();
  std::vector<uint32_t> free_slots_;
  Tunnels tunnels_{context_};
  Sas sas_{context_, state_, tunnels_, *engine_};
};

// Flows 0 to 7 go by an SA each of the managed tunnel, flow 8 by one of the other tunnel, whose selectors all
// of the packets are within.
class SaChangesTest : public PathTest {
 protected:
  SaChangesTest() {
    a_.gateway.add_group(kGroupManaged, kVrf, {{api::MemberKind::kTunnel, 1, 1, kManaged}});
    a_.gateway.add_group(kGroupOther, kVrf, {{api::MemberKind::kTunnel, 1, 1, kOther}});
    a_.gateway.add_route(kVrf, kLanB, 25, kGroupManaged);
    a_.gateway.add_route(kVrf, kLanB | 128, 25, kGroupManaged);
    a_.gateway.add_route(kVrf, kLanOther, 24, kGroupOther);
    manager_.add_tunnel(kManaged);
    manager_.add_tunnel(kOther);
    add(0);
    add(kOtherFlow);
  }

  void add(uint32_t flow) {
    const bool is_other = flow == kOtherFlow;
    const uint32_t first = kLanB | flow * kHostsOfSa;
    OracleSa sa = a_.outbound;
    sa.spi = ++last_spi_;
    sa.key = Bytes(20, static_cast<uint8_t>(sa.spi));
    sas_[sa.spi] = {sa, flow};  // before a packet can go by it
    flows_[flow].spi = sa.spi;
    flows_[flow].slot =
        manager_.add(sa, is_other ? kOther : kManaged,
                     is_other ? range(kLanB, kLanOther | 255) : range(first, first + kHostsOfSa - 1));
  }
  void remove(uint32_t flow) {
    manager_.remove(flows_[flow].slot, flows_[flow].spi);
    flows_[flow].slot = api::kNone;
  }
  void rekey(uint32_t flow) {
    const Flow old = flows_[flow];
    add(flow);
    manager_.remove(old.slot, old.spi);
  }

  // Some packets of each flow that has an SA, by either worker's queue; and takes what was sent.
  void go_on() {
    for (uint32_t i = 0; i < kPacketsAtOnce; ++i) {
      do
        next_flow_ = (next_flow_ + 1) % kFlows;
      while (flows_[next_flow_].slot == api::kNone);
      const uint32_t host = 1 + i % (kHostsOfSa - 2);
      const uint32_t to =
          next_flow_ == kOtherFlow ? kLanOther | host : kLanB | (next_flow_ * kHostsOfSa + host);
      a_.from_lan(ipv4_of_size(100, {kHostA, to}), ++offered_ % 2);
      ++flows_[next_flow_].on_their_way;
    }
    take();
    while (on_their_way() > kAhead && !lost())
      take();
  }
  void await(uint32_t flow) {
    while (flows_[flow].on_their_way > 0 && !lost())
      take();
  }
  void take() {
    manager_.poll();
    for (const Bytes& frame : a_.gateway.sent(kPublicPort)) {
      const Bytes packet = without_ethernet(frame);
      const auto sa = sas_.find(get32(packet, 20));
      ASSERT_NE(sa, sas_.end()) << "by nobody's SA";
      const auto opened = open(sa->second.sa, 0, packet);
      ASSERT_TRUE(opened) << "with another SA's key";
      const uint32_t to = get32(opened->inner, 16);
      const uint32_t flow = to >= kLanOther ? kOtherFlow : (to - kLanB) / kHostsOfSa;
      ASSERT_EQ(sa->second.flow, flow) << "by another flow's SA";
      --flows_[flow].on_their_way;
    }
  }
  uint32_t on_their_way() const {
    uint32_t total = 0;
    for (const Flow& flow : flows_)
      total += flow.on_their_way;
    return total;
  }
  // One, or something else is wrong.
  bool lost() const {
    return a_.gateway.all_drops() > 0 || HasFatalFailure() || std::chrono::steady_clock::now() > deadline_;
  }

  struct Flow {
    uint32_t slot = api::kNone, spi = 0;
    uint32_t on_their_way = 0;
  };
  struct FlowSa {
    OracleSa sa;
    uint32_t flow;
  };
  SiteA a_{{.workers = 2}};
  SaManager manager_{a_.gateway.world};
  std::array<Flow, kFlows> flows_;
  std::map<uint32_t, FlowSa> sas_;  // all there ever were, by SPI
  uint32_t last_spi_ = 0x41000000, next_flow_ = 0, offered_ = 0;
  std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(120);
};

// From one SA to eight, each of them rekeyed while it is the last of the list, and back to one.
TEST_F(SaChangesTest, EveryPacketGoesByAnSaOfItsOwnWhileTheyComeAndGo) {
  {
    const RunningWorkers running(a_.gateway);
    for (uint32_t cycle = 0; cycle < kCycles && !lost(); ++cycle) {
      for (uint32_t flow = 1; flow < kSas; ++flow) {
        add(flow);
        go_on();
      }
      for (uint32_t i = 0; i < kRekeys && !lost(); ++i) {
        rekey(i % kSas);
        go_on();
        rekey(kOtherFlow);
        go_on();
      }
      for (uint32_t flow = 1; flow < kSas; ++flow) {  // each but the last from before the oldest
        await(flow);
        remove(flow);
        go_on();
      }
      rekey(0);
      go_on();
    }
    for (uint32_t flow = 0; flow < kFlows; ++flow)
      await(flow);
  }
  take();
  EXPECT_EQ(on_their_way(), 0u);
  for (size_t reason = 0; reason < api::kDropReasonCount; ++reason)
    EXPECT_EQ(a_.gateway.drops(static_cast<api::DropReason>(reason)), 0u)
        << api::kDropReasonTexts[reason].name;
  EXPECT_GT(a_.gateway.counters(0).handed_over, 0u);
  EXPECT_GT(a_.gateway.counters(1).handed_over, 0u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
