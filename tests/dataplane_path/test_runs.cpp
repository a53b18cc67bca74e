// SPDX-License-Identifier: BSD-3-Clause
// One unusual packet, or two, at every place of a run of one SA's packets: what is forwarded, dropped and
// counted is what the RFCs say of each, however the packets are spread over bursts.
#include <algorithm>
#include <random>
#include <utility>

#include "tests/dataplane_path/run_receiver.h"

namespace sallyport::dataplane::testing {

namespace {

using api::DropReason;
using api::Family;

constexpr uint64_t kFurtherThanAnyWindow = 70 * 64;
constexpr uint32_t kSlots[] = {4, 6}, kTunnels[] = {kTunnel, 2};

enum class Spread : uint8_t { kOneBurst, kOneByOne, kAlternating, kPairsInTurn, kHandedOver, kRandom };

using Kinds = std::vector<const RunCase*>;
const RunCase kGood = {"", make_good};

struct Place {
  const char* name;
  std::set<size_t> positions;
};
constexpr size_t kRunPackets = 7;
const std::vector<Place> kPlaces = {{"first", {0}}, {"in the middle", {3}}, {"last", {6}}, {"two", {3, 4}}};

// Every other number is left out.
std::vector<RunPacket> make_run(const Kinds& kinds, const RunSa& run_sa, const OracleSa& sa) {
  uint64_t last = run_sa.edge, next = run_sa.edge + run_sa.gap + 2, late = 1;
  const auto number_of = [&](Number number) {
    switch (number) {
      case Number::kRepeated:
        return last;
      case Number::kLate:
        return last > run_sa.edge + late ? last - std::exchange(late, late + 2) : next - 1;
      case Number::kLeftEdge:
        return last >= run_sa.window ? last - run_sa.window + 1 : 0;
      case Number::kBehind:
        return last >= run_sa.window ? last - run_sa.window : 0;
      case Number::kZero:
        return uint64_t{0};
      case Number::kJump:
        return next + 10;
      case Number::kFar:
        return next + kFurtherThanAnyWindow;
      case Number::kNext:
        break;
    }
    return next;
  };
  std::vector<RunPacket> packets;
  for (const RunCase* kind : kinds) {
    const uint64_t number = number_of(kind->number);
    packets.push_back({kind->make(sa, number), number, kind->buffer});
    if (number < next) continue;
    last = number;
    next = number + 2;
  }
  return packets;
}

OracleSa oracle_of(const RunSa& run_sa, const DualA& site, uint32_t which) {
  for (const AlgorithmRow& row : all_algorithms()) {
    if (row.name != std::string_view(run_sa.algorithm)) continue;
    OracleSa sa = oracle_sa(row, run_sa.esn);
    (sa.key.empty() ? sa.integrity_key : sa.key).at(3) = static_cast<uint8_t>(which);
    sa.encap = run_sa.encap;
    sa.source = kPublicB;
    sa.destination = kPublicA;
    sa.source6 = site.inbound.source6;
    sa.destination6 = site.inbound.destination6;
    return sa;
  }
  ADD_FAILURE() << "no such algorithm";
  return {};
}

rte_mbuf* frame_in(Buffer buffer, const Bytes& frame) {
  constexpr size_t kHeadBytes = 33;
  if (buffer == Buffer::kOwn) return to_packet(frame);
  if (buffer == Buffer::kShared) {
    const PacketPtr original(to_packet(frame));
    return rte_pktmbuf_clone(original.get(), packet_pool());
  }
  rte_mbuf* head = to_packet({frame.begin(), frame.begin() + kHeadBytes});
  EXPECT_EQ(rte_pktmbuf_chain(head, to_packet({frame.begin() + kHeadBytes, frame.end()})), 0);
  return head;
}

// A gateway that is given new SAs for each run.
class RunGateway {
 public:
  RunGateway(const RunSa& run_sa, Spread spread)
      : site_(run_sa.outer, {.workers = spread == Spread::kHandedOver ? 2u : 1u}),
        run_sa_(run_sa),
        spread_(spread) {
    for (Tunnel* tunnel : {site_.tunnel, &site_.gateway.add_tunnel(kTunnels[1], kVrf, kPeerNeighbour)}) {
      tunnel->path_mtu_bytes = kPathMtu;
      tunnel->mss_clamp = true;
    }
    const api::Selector local = range(kLanA, kLanA | 255), remote = range(kLanB, kLanB | 255);
    EXPECT_EQ(selectors_.assign({&local, 1}, {&remote, 1}), api::Error::kNone);
  }

  // Of both SAs.
  void run(const Kinds& kinds) {
    std::array<Receiver, 2> receivers = {Receiver(run_sa_), Receiver(run_sa_)};
    std::array<std::vector<RunPacket>, 2> runs;
    for (uint32_t which = 0; which < 2; ++which)
      runs[which] = make_run(kinds, run_sa_, new_sa(which));
    Outcome expected;
    for (const auto& [which, i] : order(kinds.size())) {
      const RunPacket& packet = runs[which][i];
      receivers[which].receive(packet, expected);
      receive(packet);
      if (is_polled()) site_.gateway.poll(1);
    }
    site_.gateway.poll();
    expect(expected);
    for (uint32_t which = 0; which < 2; ++which)
      EXPECT_EQ(row_of(kSlots[which]), receivers[which].row);
  }

 private:
  OracleSa new_sa(uint32_t which) {
    OracleSa sa = oracle_of(run_sa_, site_, which);
    sa.spi = ++spis_ << 21 | kSlots[which];
    const auto add = [&] {
      site_.gateway.add_inbound(sa, kTunnels[which], run_sa_.selectors ? &selectors_ : nullptr,
                                run_sa_.lifetimes, run_sa_.window);
    };
    add();
    if (run_sa_.edge != 0) {
      site_.gateway.inbound_row(kSlots[which]).right_edge = run_sa_.edge;
      add();
    }
    InboundSa& made = *site_.gateway.world.inbound_sas.at(kSlots[which]);
    if (spread_ == Spread::kHandedOver) made.opening = SaOpening::kOpen;  // its packets are held otherwise
    return sa;
  }

  // Whose packet comes when.
  std::vector<std::pair<uint32_t, size_t>> order(size_t packets) {
    const size_t together = spread_ == Spread::kAlternating ? 1 : 2;
    std::vector<std::pair<uint32_t, size_t>> result;
    std::array<size_t, 2> taken{};
    for (uint32_t which = 0; result.size() < 2 * packets; which ^= 1) {
      for (size_t left = spread_ == Spread::kRandom ? random_() % 12 : together; left > 0; --left) {
        if (taken.at(which) < packets) result.emplace_back(which, taken.at(which)++);
      }
    }
    if (spread_ == Spread::kOneBurst) std::stable_sort(result.begin(), result.end());
    return result;
  }

  // Whether a burst ends here.
  bool is_polled() {
    return spread_ == Spread::kOneByOne || (spread_ == Spread::kRandom && random_() % 40 == 0);
  }

  void receive(const RunPacket& packet) {
    const Bytes frame = ethernet6(packet.made.packet, site_.gateway.mac(kPublicPort));
    site_.gateway.receive(kPublicPort, frame_in(packet.buffer, frame),
                          spread_ == Spread::kHandedOver ? 1 : 0);
  }

  void expect(const Outcome& expected) {
    Outcome outcome;
    for (const Bytes& frame : site_.gateway.sent(kLanPort))
      (ether_type_of(frame) == 0x86dd ? outcome.ipv6 : outcome.ipv4).push_back(without_ethernet(frame));
    EXPECT_EQ(outcome.ipv4, expected.ipv4);
    EXPECT_EQ(outcome.ipv6, expected.ipv6);
    EXPECT_TRUE(site_.gateway.sent(kPublicPort).empty());
    EXPECT_EQ(site_.gateway.exception(), nullptr);
    EXPECT_EQ(new_drops(), expected.drops);
    EXPECT_EQ(expiries(), expected.expiries);
  }

  std::map<DropReason, uint64_t> new_drops() {
    std::map<DropReason, uint64_t> result;
    for (size_t i = 0; i < static_cast<size_t>(DropReason::kCount); ++i) {
      const auto reason = static_cast<DropReason>(i);
      const uint64_t now = site_.gateway.drops(reason), before = std::exchange(drops_[reason], now);
      if (now != before) result[reason] = now - before;
    }
    return result;
  }

  std::vector<std::pair<bool, api::ExpireCause>> expiries() {
    std::vector<std::pair<bool, api::ExpireCause>> result;
    for (WorkerEvent event; site_.gateway.rings->pop_event(0, event);) {
      if (event.kind == EventKind::kSaExpired)
        result.emplace_back(event.hard != 0, static_cast<api::ExpireCause>(event.cause));
    }
    return result;
  }

  Row row_of(uint32_t slot) {
    const api::InboundRow& row = site_.gateway.inbound_row(slot);
    return {row.packets,    row.bytes,          row.right_edge,      row.replayed,
            row.icv_failed, row.policy_dropped, row.last_use_ns != 0};
  }

  DualA site_;
  const RunSa& run_sa_;
  const Spread spread_;
  SelectorSet selectors_;
  std::mt19937_64 random_{1};
  uint32_t spis_ = 0;
  std::map<DropReason, uint64_t> drops_;
};

class SeenNumberTest : public PathTest {};

class RunTest : public PathTest, public ::testing::WithParamInterface<RunSa> {
 protected:
  // With ESN, a low word from left of the window means the epoch after.
  static bool is_of_this_epoch(const RunCase& unusual) {
    return !GetParam().esn || (unusual.number != Number::kBehind && unusual.number != Number::kZero);
  }
  static void run_all(Spread spread) {
    RunGateway gateway(GetParam(), spread);
    for (const RunCase& unusual : run_cases()) {
      if (!is_of_this_epoch(unusual)) continue;
      for (const Place& place : kPlaces) {
        SCOPED_TRACE(::testing::Message() << unusual.description << ", " << place.name);
        Kinds kinds(kRunPackets, &kGood);
        for (const size_t position : place.positions)
          kinds.at(position) = &unusual;
        gateway.run(kinds);
        if (HasFailure()) return;
      }
    }
  }
};

TEST_P(RunTest, InOneBurst) {
  run_all(Spread::kOneBurst);
}
TEST_P(RunTest, OneByOne) {
  run_all(Spread::kOneByOne);
}
TEST_P(RunTest, AlternatingWithAnothers) {
  run_all(Spread::kAlternating);
}
TEST_P(RunTest, InPairsBetweenAnothers) {
  run_all(Spread::kPairsInTurn);
}
TEST_P(RunTest, HandedOver) {
  run_all(Spread::kHandedOver);
}

// Of late packets with ESN, the epoch depends on where a burst begins.
TEST_P(RunTest, AnyMixtureInAnyBursts) {
  if (GetParam().esn) return;
  std::mt19937_64 random(GetParam().window + GetParam().edge);
  RunGateway gateway(GetParam(), Spread::kRandom);
  for (int round = 0; round < 100 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    const uint64_t one_in = 1 + random() % 8;
    Kinds kinds;
    for (size_t i = 0; i < 90; ++i)
      kinds.push_back(random() % one_in == 0 ? &run_cases().at(random() % run_cases().size()) : &kGood);
    gateway.run(kinds);
  }
}

// Runs of seven packets begin before, in and behind the border between two words of a window.
const RunSa kRunSas[] = {
    {.name = "New"},
    {.name = "AcrossWords", .edge = 54},
    {.name = "OntoAWordsLastNumber", .edge = 125},
    {.name = "SmallWindow", .window = 32, .gap = 117},
    {.name = "LargeWindow", .window = 4096, .gap = 5000},
    {.name = "NoWindow", .window = 0, .gap = 52},
    {.name = "Esn", .window = 1024, .edge = 0x7'0000'1000, .gap = 1100, .esn = true},
    {.name = "EsnAcrossEpochs", .edge = 0xffff'fff6, .esn = true},
    {.name = "EsnFirstEpochsEnd", .window = 4096, .edge = 0xffff'e000, .gap = 0x1ff4, .esn = true},
    {.name = "EsnWithoutWindow", .window = 0, .edge = 0xffff'fff6, .esn = true},
    {.name = "InUdp", .encap = true},
    {.name = "InIpv6", .outer = Family::kIpv6},
    {.name = "Selectors", .selectors = true},
    {.name = "Limits", .lifetimes = {0, 0, 3, 5}},
    {.name = "Gcm8Esn", .algorithm = "aes256gcm8", .esn = true},
    {.name = "Gmac", .algorithm = "aes128gmac"},
    {.name = "Ccm8", .algorithm = "aes128ccm8"},
    {.name = "Ccm8Esn", .algorithm = "aes256ccm8", .esn = true},
    {.name = "ChaCha", .algorithm = "chacha20poly1305"},
    {.name = "Cbc", .algorithm = "aes128_sha512"},
    {.name = "Null", .algorithm = "null_sha1"},
    {.name = "NullEsn", .algorithm = "null_sha256", .esn = true},
};
INSTANTIATE_TEST_SUITE_P(Sas, RunTest, ::testing::ValuesIn(kRunSas),
                         [](const auto& info) { return std::string(info.param.name); });

// RFC 4303 section 3.4.3: before its ICV is looked at.
TEST_F(SeenNumberTest, OfAnEarlierBurstIsRefusedBeforeDecryption) {
  SiteA a;
  a.add_sas();
  OracleSa forger = a.inbound;
  forger.key[0] ^= 1;
  const auto receive = [&](const OracleSa& sa, std::initializer_list<uint64_t> numbers) {
    for (const uint64_t number : numbers)
      a.from_outside(make_good(sa, number).packet);
  };
  receive(a.inbound, {1, 2, 4});
  a.gateway.poll();
  receive(a.inbound, {5});
  receive(forger, {4, 2, 1, 6, 3});
  receive(a.inbound, {6, 3});
  a.gateway.poll();
  EXPECT_EQ(a.gateway.sent(kLanPort).size(), 6u);
  EXPECT_EQ(a.gateway.drops(DropReason::kReplay), 3u);
  EXPECT_EQ(a.gateway.drops(DropReason::kIcvFailed), 2u);
  EXPECT_EQ(a.gateway.all_drops(), 5u);
  const api::InboundRow& row = a.gateway.inbound_row(4);
  EXPECT_EQ(row.replayed, 3u);
  EXPECT_EQ(row.icv_failed, 2u);
  EXPECT_EQ(row.right_edge, 6u);
}

}  // namespace

}  // namespace sallyport::dataplane::testing
