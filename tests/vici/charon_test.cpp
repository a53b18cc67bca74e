// SPDX-License-Identifier: BSD-3-Clause
// The session and the commands against a real charon: what we send is what it understands, what it sends we
// understand.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/vici/charon_fixture.h"

namespace sallyport::vici {
namespace {

using namespace std::chrono_literals;

class CharonTest : public CharonFixture {
 protected:
  void SetUp() override {
    CharonFixture::SetUp();
    if (IsSkipped()) return;
    session_ = start(charon_);
    ASSERT_TRUE(session_);
  }
  void TearDown() override { close(session_); }

  std::string log() const { return charon_.log(); }

  Charon charon_{};
  std::shared_ptr<Session> session_{};
};

// All that a Sallyport connection sets.
ConnectionConfig berlin() {
  ConnectionConfig connection{.name = "prod-berlin-a-1", .version = 2};
  connection.local_addrs = {"192.0.2.1"};
  connection.remote_addrs = {"198.51.100.1"};
  connection.proposals = {"aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048"};
  connection.encap = true;
  connection.mobike = false;
  connection.unique = "never";
  connection.fragmentation = "yes";
  connection.send_cert = "ifasked";
  connection.send_certreq = true;
  connection.childless = "allow";
  connection.aggressive = false;
  connection.keyingtries = 1;
  connection.dpd_delay = Seconds(2);
  connection.dpd_timeout = Seconds(10);
  connection.rekey_time = Seconds(14400);
  connection.reauth_time = Seconds(0);
  connection.over_time = Seconds(1440);
  connection.rand_time = Seconds(1440);
  connection.local = {{.auth = "psk", .id = "gw.example"}};
  connection.remote = {{.auth = "psk", .id = "berlin.example"}};
  ChildConfig child{.name = "prod-berlin-a-1"};
  child.esp_proposals = {"aes256gcm16-ecp384-esn-noesn"};
  child.local_ts = {"0.0.0.0/0"};
  child.remote_ts = {"10.1.0.0/16", "10.2.0.0/16[tcp/443]"};
  child.mode = "tunnel";
  child.rekey_time = Seconds(3600);
  child.life_time = Seconds(3960);
  child.rand_time = Seconds(360);
  child.rekey_bytes = 500000000;
  child.life_bytes = 600000000;
  child.rand_bytes = 1000000;
  child.rekey_packets = 4000000000;
  child.life_packets = 4200000000;
  child.rand_packets = 1000;
  child.replay_window = 4096;
  child.start_action = "none";
  child.close_action = "none";
  child.dpd_action = "clear";
  child.policies = true;
  child.copy_df = false;
  child.copy_ecn = true;
  child.copy_dscp = "out";
  child.hw_offload = "no";
  connection.children = {child};
  return connection;
}

TEST_F(CharonTest, TellsItsVersion) {
  const auto version = wait<VersionInfo>([&](auto on) { get_version(*session_, on); });
  ASSERT_TRUE(version) << version.error().text();
  EXPECT_EQ(version->daemon, "charon-systemd");
  EXPECT_TRUE(version->version.starts_with("5.9.")) << version->version;
  EXPECT_EQ(version->sysname, "Linux");
}

TEST_F(CharonTest, LoadsListsAndUnloadsAConnection) {
  const auto loaded = wait<void>([&](auto done) { load_connection(*session_, berlin(), done); });
  ASSERT_TRUE(loaded) << loaded.error().text() << log();
  const auto names = wait<Strings>([&](auto on) { get_connections(*session_, on); });
  ASSERT_TRUE(names) << names.error().text();
  EXPECT_EQ(*names, Strings{"prod-berlin-a-1"});

  const auto listed = wait<std::vector<ConnectionInfo>>([&](auto on) { list_connections(*session_, on); });
  ASSERT_TRUE(listed) << listed.error().text();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ((*listed)[0].name, "prod-berlin-a-1");
  EXPECT_EQ((*listed)[0].version, "IKEv2");
  EXPECT_EQ((*listed)[0].unique, "UNIQUE_NEVER");
  EXPECT_EQ((*listed)[0].remote_addrs, Strings{"198.51.100.1"});
  EXPECT_EQ((*listed)[0].children, Strings{"prod-berlin-a-1"});

  ASSERT_TRUE(wait<void>([&](auto done) { unload_connection(*session_, "prod-berlin-a-1", done); }));
  EXPECT_TRUE(wait<Strings>([&](auto on) { get_connections(*session_, on); })->empty());
}

TEST_F(CharonTest, SaysWhatItDoesNotTake) {
  ConnectionConfig connection = berlin();
  connection.proposals = {"rot13"};
  const auto refused = wait<void>([&](auto done) { load_connection(*session_, connection, done); });
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("charon: load-conn: invalid value for: proposals"),
            std::string::npos)
      << refused.error().text();
  EXPECT_FALSE(wait<void>([&](auto done) { unload_connection(*session_, "absent", done); }));
  EXPECT_FALSE(wait<uint32_t>([&](auto on) { terminate(*session_, {.ike = "absent"}, {}, on); }));
  EXPECT_FALSE(wait<uint32_t>([&](auto on) { rekey(*session_, {.child = "absent"}, on); }));

  const auto unknown =
      wait<Message>([&](auto on) { session_->request("make-coffee", {}, kDefaultTimeout, on); });
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "charon: unknown VICI command make-coffee");
  const auto event = wait<void>([&](auto done) {
    session_->subscribe(
        "tea-time", [](const Message&) {}, done);
  });
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message, "charon: unknown VICI event tea-time");
  const auto stream = wait<Message>([&](auto on) {
    session_->stream(
        "list-sas", "tea-time", {}, kDefaultTimeout, [](const Message&) {}, on);
  });
  EXPECT_FALSE(stream);
  EXPECT_FALSE(wait<void>([&](auto done) {
    session_->subscribe(
        std::string(256, 'e'), [](const Message&) {}, done);
  }));
  EXPECT_TRUE(wait<VersionInfo>([&](auto on) { get_version(*session_, on); })) << "the session goes on";
}

TEST_F(CharonTest, TakesSharedSecrets) {
  const SharedSecret secret{
      .id = "psk-berlin", .type = "IKE", .data = std::string("a\0secret", 8), .owners = {"gw", "berlin"}};
  const auto loaded = wait<void>([&](auto done) { load_shared(*session_, secret, done); });
  ASSERT_TRUE(loaded) << loaded.error().text();
  EXPECT_EQ(*wait<Strings>([&](auto on) { get_shared(*session_, on); }), Strings{"psk-berlin"});
  ASSERT_TRUE(wait<void>([&](auto done) { unload_shared(*session_, "psk-berlin", done); }));
  EXPECT_TRUE(wait<Strings>([&](auto on) { get_shared(*session_, on); })->empty());
}

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_F(CharonTest, TakesCertificatesAndKeys) {
  const std::string key_path = charon_.directory() + "/key.pem",
                    cert_path = charon_.directory() + "/cert.pem";
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=gw.example"
      " -addext subjectAltName=DNS:gw.example -keyout " +
      key_path + " -out " + cert_path + " 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const std::string cert = contents(cert_path), key = contents(key_path);

  const auto loaded = wait<void>([&](auto done) { load_certificate(*session_, "X509", "CA", cert, done); });
  ASSERT_TRUE(loaded) << loaded.error().text() << log();
  const auto id = wait<std::string>([&](auto on) { load_key(*session_, "any", key, on); });
  ASSERT_TRUE(id) << id.error().text() << log();
  EXPECT_EQ(id->size(), 40u) << "the key's SHA-1 in hex: " << *id;
  EXPECT_EQ(*wait<Strings>([&](auto on) { get_keys(*session_, on); }), Strings{*id});

  ConnectionConfig connection = berlin();
  connection.local = {{.auth = "pubkey", .id = "gw.example", .certs = {cert}}};
  connection.remote = {
      {.auth = "pubkey", .id = "berlin.example", .cacerts = {cert}, .revocation = "relaxed"}};
  const auto with_certs = wait<void>([&](auto done) { load_connection(*session_, connection, done); });
  EXPECT_TRUE(with_certs) << with_certs.error().text() << log();

  ASSERT_TRUE(wait<void>([&](auto done) { unload_key(*session_, *id, done); }));
  EXPECT_TRUE(wait<Strings>([&](auto on) { get_keys(*session_, on); })->empty());
  EXPECT_TRUE(wait<void>([&](auto done) { clear_credentials(*session_, done); }));
  EXPECT_FALSE(wait<std::string>([&](auto on) { load_key(*session_, "any", "no key", on); }));
}

// Nobody answers at the remote address: the IKE_SA is half open, is listed, ends, and all of it can be
// watched.
TEST_F(CharonTest, InitiatesListsAndTerminates) {
  ASSERT_TRUE(wait<void>([&](auto done) { load_connection(*session_, berlin(), done); }));
  const auto none = wait<std::vector<IkeSa>>([&](auto on) { list_sas(*session_, {}, 5s, on); });
  ASSERT_TRUE(none) << none.error().text();
  EXPECT_TRUE(none->empty());

  std::vector<LogLine> lines;
  const auto initiated = wait<void>([&](auto done) {
    initiate(
        *session_, {.child = "prod-berlin-a-1", .ike = "prod-berlin-a-1"}, 300ms,
        [&](const LogLine& line) { lines.push_back(line); }, done);
  });
  ASSERT_FALSE(initiated);
  EXPECT_NE(initiated.error().message.find("not established after 300ms"), std::string::npos)
      << initiated.error().text() << log();
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0].ike_name, "prod-berlin-a-1");
  EXPECT_EQ(lines[0].group, "IKE");

  const auto sas = wait<std::vector<IkeSa>>([&](auto on) { list_sas(*session_, {}, 5s, on); });
  ASSERT_TRUE(sas) << sas.error().text();
  ASSERT_EQ(sas->size(), 1u) << log();
  const IkeSa& sa = (*sas)[0];
  EXPECT_EQ(sa.name, "prod-berlin-a-1");
  EXPECT_EQ(sa.state, "CONNECTING");
  EXPECT_EQ(sa.version, 2);
  EXPECT_EQ(sa.remote_host, "198.51.100.1");
  EXPECT_TRUE(sa.initiator);
  EXPECT_NE(sa.initiator_spi, 0u);
  EXPECT_FALSE(sa.tasks_active.empty());

  const auto ended = wait<uint32_t>(
      [&](auto on) { terminate(*session_, {.ike_id = sa.unique_id}, {.wait = 2s, .force = true}, on); });
  ASSERT_TRUE(ended) << ended.error().text();
  EXPECT_EQ(*ended, 1u);
  EXPECT_TRUE(wait<std::vector<IkeSa>>([&](auto on) { list_sas(*session_, {}, 5s, on); })->empty());
  EXPECT_TRUE(wait<Message>([&](auto on) { get_stats(*session_, on); })->find_section("ikesas"));
}

TEST_F(CharonTest, SendsEvents) {
  std::vector<LogLine> lines;
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_log(
        *session_, [&](const LogLine& l) { lines.push_back(l); }, done);
  }));
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_ike_updown(
        *session_, [](const IkeUpdown&) {}, done);
  }));
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_child_updown(
        *session_, [](const ChildUpdown&) {}, done);
  }));
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_ike_rekey(
        *session_, [](const IkeRekey&) {}, done);
  }));
  ASSERT_TRUE(wait<void>([&](auto done) {
    on_child_rekey(
        *session_, [](const ChildRekey&) {}, done);
  }));

  ASSERT_TRUE(wait<void>([&](auto done) { load_connection(*session_, berlin(), done); }));
  run_until([&] { return !lines.empty(); }, 2s);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines[0].group, "CFG");

  ASSERT_TRUE(wait<void>([&](auto done) { session_->unsubscribe("log", done); }));
  lines.clear();
  ASSERT_TRUE(wait<void>([&](auto done) { load_connection(*session_, berlin(), done); }));
  EXPECT_TRUE(lines.empty());
}

TEST_F(CharonTest, AnswersInOrderOnSeveralSessions) {
  const auto other = open_session(charon_);
  ASSERT_TRUE(other) << other.error().text();
  std::vector<int> answered;
  for (int i = 0; i < 20; i++) {
    get_version(i % 2 ? **other : *session_, [&answered, i](Result<VersionInfo> version) {
      EXPECT_TRUE(version);
      answered.push_back(i);
    });
  }
  EXPECT_TRUE(answered.empty()) << "a callback from inside the call";
  run_until([&] { return answered.size() == 20; }, 5s);
  ASSERT_EQ(answered.size(), 20u);
  std::erase_if(answered, [](int i) { return i % 2 == 1; });
  EXPECT_TRUE(std::is_sorted(answered.begin(), answered.end()));
  (*other)->close();
}

// A charon that hangs costs its asker a timeout; its late answer is not taken for the answer to something
// else.
TEST_F(CharonTest, TimesOutAndRecovers) {
  charon_.signal(SIGSTOP);
  std::vector<std::string> errors;
  const auto note = [&](Result<Message> reply) {
    errors.push_back(reply ? "answered" : reply.error().message);
  };
  session_->request("get-conns", {}, 100ms, note);
  session_->request("get-keys", {}, 200ms, note);
  run_until([&] { return errors.size() == 2; }, 2s);
  const std::vector<std::string> expected = {"charon: no answer to get-conns within 100 ms",
                                             "charon: get-keys was not sent within 200 ms"};
  EXPECT_EQ(errors, expected);
  charon_.signal(SIGCONT);
  const auto version = wait<VersionInfo>([&](auto on) { get_version(*session_, on); });
  ASSERT_TRUE(version) << version.error().text();
  EXPECT_EQ(version->daemon, "charon-systemd");
  EXPECT_EQ(errors.size(), 2u);
}

TEST_F(CharonTest, TellsWhenCharonDies) {
  int closed = 0;
  session_->on_closed([&](const Error&) { closed++; });
  charon_.signal(SIGSTOP);
  std::vector<std::string> errors;
  for (int i = 0; i < 3; i++)
    get_connections(*session_, [&](Result<Strings> r) { errors.push_back(r ? "" : r.error().message); });
  io_.restart();
  io_.poll();
  charon_.kill();
  run_until([&] { return closed > 0; }, 5s);
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(errors.size(), 3u);
  for (const std::string& error : errors)
    EXPECT_TRUE(error.starts_with("charon: ")) << error;
  EXPECT_FALSE(session_->connected());
  const auto after = wait<Strings>([&](auto on) { get_connections(*session_, on); });
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().message, "charon: not connected");
  const auto again = open_session(charon_);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("can't connect"), std::string::npos) << again.error().text();

  session_ = start(charon_);
  ASSERT_TRUE(session_);
  EXPECT_TRUE(wait<VersionInfo>([&](auto on) { get_version(*session_, on); }));
}

TEST_F(CharonTest, SpeaksOnlyToRoot) {
  charon_.kill();
  const std::string path = charon_.directory() + "/other.sock";
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(seteuid(65534), 0);
  const int listening = listen(listener, 1);
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_EQ(listening, 0);
  const auto session = Session::create(io_);
  const auto connected = wait<void>([&](auto done) { session->connect(path, done); });
  ASSERT_FALSE(connected);
  EXPECT_NE(connected.error().message.find("runs as user 65534"), std::string::npos)
      << connected.error().text();
  ::close(listener);
}

}  // namespace
}  // namespace sallyport::vici
