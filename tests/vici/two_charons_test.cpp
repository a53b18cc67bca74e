// SPDX-License-Identifier: BSD-3-Clause
// Two real charons with our plugin, a veth pair between them, and our session and feed reader on both: what
// is negotiated arrives by both ways and alike on both sides.
#include <cstdlib>
#include <map>

#include "tests/vici/charon_fixture.h"
#include "vici-bridge/feed_reader.h"
#include "vici-bridge/feed_text.h"

namespace sallyport::vici {
namespace {

using namespace std::chrono_literals;

// Holds the SAs as sallyportd would, and acknowledges them at once.
class Ledger : public FeedHandler {
 public:
  std::shared_ptr<FeedReader> reader{};
  std::map<FeedSaId, FeedSaAdd> sas{};
  std::vector<FeedChildEvent> children{};
  std::vector<FeedIkeEvent> ikes{};
  std::vector<sp_alert> alerts{};
  std::string version{}, lost{};
  int snapshots = 0;

  void on_hello(const FeedHello& hello) override { version = hello.strongswan_version; }
  void on_snapshot_begin() override { sas.clear(); }
  void on_snapshot_end() override { snapshots++; }
  void on_sa_add(FeedSaAdd sa) override {
    reader->send_sa_ack(sa.id, SaAnswer::kInstalled);
    sas.insert_or_assign(sa.id, std::move(sa));
  }
  void on_sa_update(const FeedSaUpdate&) override {}
  void on_sa_del(const FeedSaDel& del) override { sas.erase(del.id); }
  void on_child_event(const FeedChildEvent& event) override { children.push_back(event); }
  void on_ike_event(const FeedIkeEvent& event) override { ikes.push_back(event); }
  void on_alert(const FeedAlert& alert) override { alerts.push_back(alert.alert); }
  void on_sa_expired(const FeedSaExpired&) override {}
  void on_feed_lost(const Error& error) override { lost = error.text(); }

  std::vector<const FeedSaAdd*> of(bool inbound) const {
    std::vector<const FeedSaAdd*> found;
    for (const auto& [id, sa] : sas) {
      if (id.inbound == inbound) found.push_back(&sa);
    }
    return found;
  }
};

struct Gateway {
  Charon charon{SALLYPORT_PLUGIN};
  std::shared_ptr<Session> session{};
  Ledger ledger{};
};

class TwoCharonsTest : public CharonFixture {
 protected:
  void SetUp() override {
    CharonFixture::SetUp();
    if (IsSkipped()) return;
    for (Gateway* gateway : {&a_, &b_}) {
      gateway->session = start(gateway->charon);
      ASSERT_TRUE(gateway->session);
    }
    join_namespaces();
    load(a_, "192.0.2.1", "a.example", "192.0.2.2", "b.example");
    load(b_, "192.0.2.2", "b.example", "192.0.2.1", "a.example");
  }

  void TearDown() override {
    for (Gateway* gateway : {&a_, &b_}) {
      close(gateway->session);
      if (gateway->ledger.reader) gateway->ledger.reader->close();
    }
  }

  // The namespaces have no names: they go with their charons, and the veth pair with them.
  void join_namespaces() {
    const std::string in_a = "nsenter -n -t " + std::to_string(a_.charon.pid()) + " ip ";
    const std::string in_b = "nsenter -n -t " + std::to_string(b_.charon.pid()) + " ip ";
    for (const std::string& command :
         {in_a + "link add wan type veth peer name wan netns " + std::to_string(b_.charon.pid()),
          in_a + "address add 192.0.2.1/24 dev wan", in_b + "address add 192.0.2.2/24 dev wan",
          in_a + "link set wan up", in_b + "link set wan up"}) {
      ASSERT_EQ(std::system(command.c_str()), 0) << command;
    }
  }

  void load(Gateway& gateway, const char* local, const char* local_id, const char* remote,
            const char* remote_id) {
    const SharedSecret secret{
        .id = "psk", .type = "IKE", .data = "a secret of the test", .owners = {local_id, remote_id}};
    ASSERT_TRUE(wait<void>([&](auto done) { load_shared(*gateway.session, secret, done); }));
    ConnectionConfig connection{
        .name = "site", .version = 2, .local_addrs = {local}, .remote_addrs = {remote}};
    connection.proposals = {"aes256gcm16-prfsha384-ecp384"};
    connection.unique = "never";
    connection.mobike = false;
    connection.encap = true;
    connection.local = {{.auth = "psk", .id = local_id}};
    connection.remote = {{.auth = "psk", .id = remote_id}};
    ChildConfig child{.name = "net", .esp_proposals = {"aes256gcm16-ecp384-esn"}};
    child.local_ts = child.remote_ts = {"0.0.0.0/0"};
    child.replay_window = 1024;
    connection.children = {child};
    const auto loaded = wait<void>([&](auto done) { load_connection(*gateway.session, connection, done); });
    ASSERT_TRUE(loaded) << loaded.error().text() << gateway.charon.log();
  }

  void read_feed(Gateway& gateway) {
    gateway.ledger.reader = FeedReader::create(io_, gateway.ledger);
    FeedReader& reader = *gateway.ledger.reader;
    const Result<void> connected = reader.connect(gateway.charon.feed_socket());
    ASSERT_TRUE(connected) << connected.error().text();
    reader.send_hello(2, 1024);
    reader.send_ready();
    const int snapshots = gateway.ledger.snapshots;
    run_until([&] { return gateway.ledger.snapshots > snapshots; }, 2s);
    ASSERT_EQ(gateway.ledger.snapshots, snapshots + 1) << gateway.charon.log();
  }

  Result<void> bring_up(Timeout patience) {
    return wait<void>(
        [&](auto done) { initiate(*a_.session, {.child = "net", .ike = "site"}, patience, {}, done); });
  }

  std::vector<IkeSa> sas_of(Gateway& gateway) {
    const auto sas = wait<std::vector<IkeSa>>([&](auto on) { list_sas(*gateway.session, {}, 5s, on); });
    EXPECT_TRUE(sas) << sas.error().text();
    return sas ? *sas : std::vector<IkeSa>();
  }

  Gateway a_{}, b_{};
};

TEST_F(TwoCharonsTest, DeliverWhatTheyNegotiate) {
  for (Gateway* gateway : {&a_, &b_})
    read_feed(*gateway);
  EXPECT_TRUE(a_.ledger.version.starts_with("5.9."));
  std::vector<ChildUpdown> updowns;
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_child_updown(
        *a_.session, [&](const ChildUpdown& event) { updowns.push_back(event); }, done);
  }));

  const Result<void> up = bring_up(10s);
  ASSERT_TRUE(up) << up.error().text() << a_.charon.log();
  run_until([&] { return a_.ledger.sas.size() == 2 && b_.ledger.sas.size() == 2 && updowns.size() == 1; },
            5s);
  ASSERT_EQ(a_.ledger.sas.size(), 2u) << a_.ledger.lost;
  ASSERT_EQ(b_.ledger.sas.size(), 2u) << b_.ledger.lost;
  for (const auto& [from, to] : {std::pair(&a_, &b_), std::pair(&b_, &a_)}) {
    const FeedSaAdd& out = *from->ledger.of(false).at(0);
    const FeedSaAdd& in = *to->ledger.of(true).at(0);
    EXPECT_EQ(out.id.spi, in.id.spi);
    EXPECT_EQ(out.id.slot, from->ledger.of(true).at(0)->id.slot);
    ASSERT_EQ(out.encryption_key.size_bytes(), 36u);
    EXPECT_TRUE(std::ranges::equal(out.encryption_key.bytes(), in.encryption_key.bytes()));
    EXPECT_TRUE(in.esn && in.tunnel_mode && in.encap);
    EXPECT_EQ(in.encryption, 20);
    EXPECT_EQ(in.replay_window, 1024u);
    EXPECT_EQ(to_string(in.local_selectors.at(0)), "0.0.0.0-255.255.255.255");
    EXPECT_EQ(in.ike_name, "site");
    EXPECT_EQ(in.child_name, "net");
  }

  // VICI tells the same story.
  ASSERT_EQ(updowns.size(), 1u);
  EXPECT_TRUE(updowns[0].up);
  const std::vector<IkeSa> sas = sas_of(a_);
  ASSERT_EQ(sas.size(), 1u);
  EXPECT_EQ(sas[0].state, "ESTABLISHED");
  EXPECT_EQ(sas[0].local_id, "a.example");
  EXPECT_EQ(sas[0].encr_alg, "AES_GCM_16");
  ASSERT_EQ(sas[0].children.size(), 1u);
  const ChildSa& child = sas[0].children[0];
  EXPECT_EQ(child.name, "net");
  EXPECT_EQ(child.state, "INSTALLED");
  EXPECT_EQ(child.spi_in, a_.ledger.of(true).at(0)->id.spi);
  EXPECT_EQ(child.spi_out, a_.ledger.of(false).at(0)->id.spi);
  EXPECT_EQ(child.encr_keysize, 256u);
  EXPECT_TRUE(child.esn && child.encap);
  EXPECT_EQ(child.remote_ts, Strings{"0.0.0.0/0"});
  EXPECT_EQ(updowns[0].sas.at(0).children.at(0).unique_id, child.unique_id);
}

TEST_F(TwoCharonsTest, TellOfRekeysCountersAndTheEnd) {
  for (Gateway* gateway : {&a_, &b_})
    read_feed(*gateway);
  ASSERT_TRUE(bring_up(10s));
  std::vector<ChildRekey> rekeys;
  std::vector<IkeRekey> ike_rekeys;
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_child_rekey(
        *a_.session, [&](const ChildRekey& r) { rekeys.push_back(r); }, done);
  }));
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_ike_rekey(
        *a_.session, [&](const IkeRekey& r) { ike_rekeys.push_back(r); }, done);
  }));

  const FeedSaId inbound = a_.ledger.of(true).at(0)->id;
  sp_feed_sa_stats stats{};
  stats.spi = inbound.spi;
  stats.slot = inbound.slot;
  stats.inbound = 1;
  stats.packets = 12;
  stats.bytes = 3456;
  a_.ledger.reader->send_stats({&stats, 1});
  io_.restart();
  io_.run_for(100ms);
  EXPECT_EQ(sas_of(a_).at(0).children.at(0).packets_in, 12u);
  EXPECT_EQ(sas_of(a_).at(0).children.at(0).bytes_in, 3456u);

  ASSERT_EQ(*wait<uint32_t>([&](auto on) { rekey(*a_.session, {.child = "net"}, on); }), 1u);
  run_until([&] { return !rekeys.empty(); }, 5s);
  ASSERT_EQ(rekeys.size(), 1u) << a_.charon.log();
  EXPECT_EQ(rekeys[0].old_sa.spi_in, inbound.spi);
  EXPECT_NE(rekeys[0].new_sa.spi_in, inbound.spi);
  EXPECT_TRUE(
      a_.ledger.sas.contains({rekeys[0].new_sa.spi_in, rekeys[0].new_sa.spi_in & SP_SLOT_MASK, true}));

  ASSERT_TRUE(wait<uint32_t>([&](auto on) { rekey(*a_.session, {.ike = "site"}, on); }));
  run_until([&] { return !ike_rekeys.empty(); }, 5s);
  ASSERT_EQ(ike_rekeys.size(), 1u);
  EXPECT_NE(ike_rekeys[0].old_sa.unique_id, ike_rekeys[0].new_sa.unique_id);
  // The feed tells it, too: over another socket, so perhaps a moment later.
  const auto told = [&] {
    return std::ranges::any_of(a_.ledger.ikes, [](const FeedIkeEvent& event) { return event.rekey; });
  };
  run_until(told, 5s);
  EXPECT_TRUE(told());
  EXPECT_TRUE(
      std::ranges::any_of(a_.ledger.children, [](const FeedChildEvent& event) { return event.rekey; }));

  const uint32_t ike_id = ike_rekeys[0].new_sa.unique_id;
  const auto ended =
      wait<uint32_t>([&](auto on) { terminate(*a_.session, {.ike_id = ike_id}, {.wait = 5s}, on); });
  ASSERT_TRUE(ended) << ended.error().text() << a_.charon.log();
  run_until([&] { return a_.ledger.sas.empty() && b_.ledger.sas.empty(); }, 5s);
  EXPECT_TRUE(a_.ledger.sas.empty() && b_.ledger.sas.empty());
  const auto deadline =
      std::chrono::steady_clock::now() + 5s;  // charon takes the IKE_SA out of its list last
  while (!sas_of(a_).empty() && std::chrono::steady_clock::now() < deadline)
    run_until([] { return false; }, 20ms);
  EXPECT_TRUE(sas_of(a_).empty());
}

// No reader, no SPI. With one the tunnel comes up; another reader gets all of it from its snapshot, as
// installed before.
TEST_F(TwoCharonsTest, NeedAReaderAndGiveTheNextOneASnapshot) {
  EXPECT_FALSE(bring_up(2s));
  for (Gateway* gateway : {&a_, &b_})
    read_feed(*gateway);
  ASSERT_TRUE(bring_up(10s)) << a_.charon.log();
  run_until([&] { return a_.ledger.sas.size() == 2; }, 2s);
  const FeedSaId inbound = a_.ledger.of(true).at(0)->id;

  a_.ledger.reader->close();
  a_.ledger.sas.clear();
  read_feed(a_);
  ASSERT_EQ(a_.ledger.sas.size(), 2u);
  EXPECT_EQ(a_.ledger.of(true).at(0)->id, inbound);
  EXPECT_TRUE(a_.ledger.of(true).at(0)->installed);

  b_.charon.kill();
  run_until([&] { return !b_.ledger.lost.empty(); }, 2s);
  EXPECT_FALSE(b_.ledger.lost.empty());
}

}  // namespace
}  // namespace sallyport::vici
