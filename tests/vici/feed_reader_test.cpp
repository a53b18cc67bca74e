// SPDX-License-Identifier: BSD-3-Clause
// FeedReader over a real seqpacket socket; the test writes and reads the plugin's end with plain system
// calls.
#include "vici-bridge/feed_reader.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/vici/feed_samples.h"

namespace sallyport::vici {
namespace {

using namespace std::chrono_literals;

// Writes down what it hears.
class Listener : public FeedHandler {
 public:
  std::vector<std::string> heard{};
  std::vector<FeedSaAdd> sas{};

  void on_hello(const FeedHello& hello) override { heard.push_back("hello " + hello.strongswan_version); }
  void on_snapshot_begin() override { heard.push_back("begin"); }
  void on_snapshot_end() override { heard.push_back("end"); }
  void on_sa_add(FeedSaAdd sa) override {
    heard.push_back("add " + std::to_string(sa.id.slot));
    sas.push_back(std::move(sa));
  }
  void on_sa_update(const FeedSaUpdate& update) override {
    heard.push_back("update " + std::to_string(update.id.slot));
  }
  void on_sa_del(const FeedSaDel& del) override { heard.push_back("del " + std::to_string(del.id.slot)); }
  void on_child_event(const FeedChildEvent& event) override { heard.push_back("child " + event.state_name); }
  void on_ike_event(const FeedIkeEvent& event) override { heard.push_back("ike " + event.state_name); }
  void on_alert(const FeedAlert& alert) override { heard.push_back("alert " + std::to_string(alert.alert)); }
  void on_sa_expired(const FeedSaExpired& expired) override {
    heard.push_back("expired " + std::to_string(expired.id.slot));
  }
  void on_feed_lost(const Error& error) override { heard.push_back("lost: " + error.message); }
};

class FeedReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-feed-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/feed.sock";
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  void TearDown() override {
    reader_->close();
    if (plugin_ >= 0) ::close(plugin_);
    ::close(listener_);
    std::filesystem::remove_all(directory_);
  }

  void connect() {
    ASSERT_EQ(listen(listener_, 1), 0);
    const Result<void> connected = reader_->connect(path_);
    ASSERT_TRUE(connected) << connected.error().text();
    plugin_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ASSERT_GE(plugin_, 0);
    const timeval patience{2, 0};
    setsockopt(plugin_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  void say(const Datagram& datagram) {
    ASSERT_EQ(::send(plugin_, datagram.data(), datagram.size(), MSG_NOSIGNAL), ssize_t(datagram.size()));
  }

  void say_snapshot() {
    say(sample_hello());
    say(to_datagram(sample_header(SP_FEED_SNAPSHOT_BEGIN, 2)));
    say(to_datagram(sample_header(SP_FEED_SNAPSHOT_END, 3)));
  }

  // The next message the reader sent, checked for its header.
  Datagram hear(sp_feed_type type) {
    Datagram datagram(SP_FEED_MAX_MESSAGE);
    const ssize_t size = recv(plugin_, datagram.data(), datagram.size(), 0);
    datagram.resize(size > 0 ? size_t(size) : 0);
    sp_feed_header header{};
    if (datagram.size() >= sizeof header) std::memcpy(&header, datagram.data(), sizeof header);
    EXPECT_EQ(header.magic, SP_FEED_MAGIC);
    EXPECT_EQ(header.version, SP_FEED_VERSION);
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.length, datagram.size());
    EXPECT_EQ(header.number, 0u);
    return datagram;
  }

  template <typename T>
  T hear_as(sp_feed_type type) {
    const Datagram datagram = hear(type);
    EXPECT_EQ(datagram.size(), sizeof(T));
    T message{};
    std::memcpy(static_cast<void*>(&message), datagram.data(), std::min(datagram.size(), sizeof message));
    return message;
  }

  // Runs the reader until `done`, two seconds at most.
  void run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 2s;
    while (!done() && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_one_for(20ms);
    }
  }
  void run_until_heard(size_t count) {
    run_until([&] { return handler_.heard.size() >= count; });
  }

  std::string directory_{}, path_{};
  int listener_ = -1, plugin_ = -1;
  asio::io_context io_{};
  Listener handler_{};
  std::shared_ptr<FeedReader> reader_ = FeedReader::create(io_, handler_);
};

TEST_F(FeedReaderTest, DeliversInOrder) {
  connect();
  say_snapshot();
  say(sample_sa_datagram(sample_sa(4)));
  auto del = sample<sp_feed_sa_del>(SP_FEED_SA_DEL, 5);
  del.slot = 5;
  say(to_datagram(del));
  auto child = sample<sp_feed_child_event>(SP_FEED_CHILD_STATE, 6);
  put_text(child.state_name, "up");
  say(to_datagram(child));
  run_until_heard(6);
  const std::vector<std::string> expected = {"hello 5.9.8", "begin", "end", "add 5", "del 5", "child up"};
  EXPECT_EQ(handler_.heard, expected);
  ASSERT_EQ(handler_.sas.size(), 1u);
  EXPECT_EQ(handler_.sas[0].encryption_key.bytes()[35], 36);
}

TEST_F(FeedReaderTest, EndsTheFeedWhenTheOrderIsBroken) {
  struct Case {
    std::vector<Datagram> said;
    const char* error;
  };
  const auto header = [](sp_feed_type type, uint64_t number) {
    return to_datagram(sample_header(type, number));
  };
  const Case cases[] = {
      {{sample_hello(2)}, "message 2 after 0"},
      {{header(SP_FEED_SNAPSHOT_BEGIN, 1)}, "the hello must come first"},
      {{sample_hello(), sample_hello(2)}, "the hello must come first, and once"},
      {{sample_hello(), header(SP_FEED_SNAPSHOT_BEGIN, 3)}, "message 3 after 1"},
      {{sample_hello(), header(SP_FEED_SNAPSHOT_BEGIN, 2), header(SP_FEED_SNAPSHOT_BEGIN, 3)},
       "within a snapshot"},
      {{sample_hello(), header(SP_FEED_SNAPSHOT_END, 2)}, "the end of no snapshot"},
      {{sample_hello(), sample_sa_datagram(sample_sa(2))}, "before the first snapshot"},
      {{sample_hello(), {1, 2, 3}}, "a message of 3 bytes"},
      {{sample_hello(), Datagram(SP_FEED_MAX_MESSAGE + 1)}, "a message of 8193 bytes"},
  };
  for (const Case& c : cases) {
    handler_.heard.clear();
    reader_ = FeedReader::create(io_, handler_);
    connect();
    for (const Datagram& datagram : c.said)
      say(datagram);
    run_until([&] { return !reader_->connected(); });
    ASSERT_FALSE(handler_.heard.empty());
    EXPECT_TRUE(handler_.heard.back().starts_with("lost: ")) << c.error;
    EXPECT_NE(handler_.heard.back().find(c.error), std::string::npos) << handler_.heard.back();
    ::close(std::exchange(plugin_, -1));
  }
}

TEST_F(FeedReaderTest, TellsOnceThatThePluginIsGone) {
  connect();
  say_snapshot();
  run_until_heard(3);
  reader_->send_ready();
  ::close(std::exchange(plugin_, -1));
  run_until_heard(4);
  io_.restart();
  io_.run_for(60ms);
  ASSERT_EQ(handler_.heard.size(), 4u);
  EXPECT_TRUE(handler_.heard.back().starts_with("lost: SA feed: "));
  EXPECT_FALSE(reader_->connected());
  reader_->send_resync();
}

TEST_F(FeedReaderTest, SaysNothingAfterClose) {
  connect();
  say_snapshot();
  reader_->close();
  io_.run_for(50ms);
  EXPECT_TRUE(handler_.heard.empty());
}

TEST_F(FeedReaderTest, BeatsOnceReady) {
  connect();
  reader_->send_hello(4, 65536);
  const auto hello = hear_as<sp_feed_reader_hello>(SP_FEED_READER_HELLO);
  EXPECT_EQ(hello.workers, 4u);
  EXPECT_EQ(hello.slots, 65536u);
  io_.run_for(50ms);
  char byte;
  EXPECT_EQ(recv(plugin_, &byte, 1, MSG_DONTWAIT), -1) << "a heartbeat before ready";
  reader_->send_ready();
  hear(SP_FEED_READER_READY);
  io_.restart();
  io_.run_for(210ms);
  for (int i = 0; i < 3; i++)
    hear(SP_FEED_HEARTBEAT);
}

TEST_F(FeedReaderTest, SplitsLongLists) {
  connect();
  std::vector<uint32_t> spis(2500);
  for (uint32_t i = 0; i < spis.size(); i++)
    spis[i] = 1000 + i;
  reader_->send_live_spis(spis);
  std::vector<uint32_t> heard;
  for (const uint32_t count : {1024u, 1024u, 452u}) {
    const Datagram datagram = hear(SP_FEED_LIVE_SPIS);
    ASSERT_EQ(datagram.size(), sizeof(sp_feed_live_spis) + count * 4);
    uint32_t said = 0;
    std::memcpy(&said, datagram.data() + offsetof(sp_feed_live_spis, count), 4);
    EXPECT_EQ(said, count);
    heard.resize(heard.size() + count);
    std::memcpy(&heard[heard.size() - count], datagram.data() + sizeof(sp_feed_live_spis), count * 4);
  }
  EXPECT_EQ(heard, spis);

  std::vector<sp_feed_sa_stats> stats(129);
  stats[128].packets = 77;
  reader_->send_stats(stats);
  EXPECT_EQ(hear(SP_FEED_STATS).size(), sizeof(sp_feed_stats) + 128 * sizeof(sp_feed_sa_stats));
  const Datagram last = hear(SP_FEED_STATS);
  ASSERT_EQ(last.size(), sizeof(sp_feed_stats) + sizeof(sp_feed_sa_stats));
  sp_feed_sa_stats last_stats{};
  std::memcpy(&last_stats, last.data() + sizeof(sp_feed_stats), sizeof last_stats);
  EXPECT_EQ(last_stats.packets, 77u);
}

TEST_F(FeedReaderTest, NamesTheSaInEveryAnswer) {
  connect();
  const FeedSaId sa{0xabc00005, 5, true};
  reader_->send_sa_ack(sa, SaAnswer::kRefused);
  const auto ack = hear_as<sp_feed_sa_ack>(SP_FEED_SA_ACK);
  EXPECT_EQ((FeedSaId{ack.spi, ack.slot, ack.inbound == 1}), sa);
  EXPECT_EQ(ack.refused, 1);
  reader_->send_expire(sa, Expiry::kHard);
  const auto expire = hear_as<sp_feed_expire>(SP_FEED_EXPIRE);
  EXPECT_EQ((FeedSaId{expire.spi, expire.slot, expire.inbound == 1}), sa);
  EXPECT_EQ(expire.hard, 1);
  reader_->send_mapping(sa.spi, ipv4(7, 61000));
  const auto mapping = hear_as<sp_feed_mapping>(SP_FEED_MAPPING);
  EXPECT_EQ(mapping.spi, sa.spi);
  EXPECT_EQ(mapping.remote.port, 61000);
  EXPECT_EQ(mapping.remote.bytes[3], 7);
  reader_->send_acquire(12);
  EXPECT_EQ(hear_as<sp_feed_acquire>(SP_FEED_ACQUIRE).reqid, 12u);
  reader_->send_resync();
  hear(SP_FEED_RESYNC);
  reader_->send_slot_free(std::vector<uint32_t>{sa.spi});
  EXPECT_EQ(hear(SP_FEED_SLOT_FREE).size(), sizeof(sp_feed_live_spis) + 4);
}

// More than the socket holds, while the plugin isn't reading: all of it arrives, in order.
TEST_F(FeedReaderTest, KeepsWhatTheSocketHasNoRoomFor) {
  connect();
  constexpr uint32_t kCount = 3000;
  for (uint32_t i = 0; i < kCount; i++)
    reader_->send_acquire(i);
  for (uint32_t i = 0; i < kCount; i++) {
    io_.restart();
    io_.poll();
    ASSERT_EQ(hear_as<sp_feed_acquire>(SP_FEED_ACQUIRE).reqid, i);
  }
}

TEST_F(FeedReaderTest, GivesUpOnAPluginThatNeverReads) {
  connect();
  for (uint32_t i = 0; i < 10000; i++)
    reader_->send_acquire(i);
  run_until_heard(1);
  ASSERT_EQ(handler_.heard.size(), 1u);
  EXPECT_NE(handler_.heard[0].find("doesn't read"), std::string::npos);
}

TEST_F(FeedReaderTest, SpeaksOnlyToRootOrItself) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to listen as another user";
  ASSERT_EQ(seteuid(65534), 0);
  const int listening = listen(listener_, 1);
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_EQ(listening, 0);
  const Result<void> connected = reader_->connect(path_);
  ASSERT_FALSE(connected);
  EXPECT_NE(connected.error().message.find("runs as user 65534"), std::string::npos)
      << connected.error().text();
}

TEST_F(FeedReaderTest, SaysWhyItCannotConnect) {
  const Result<void> nobody = reader_->connect(directory_ + "/absent");
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().message.find("No such file"), std::string::npos);
  EXPECT_FALSE(nobody.error().hint.empty());
  EXPECT_FALSE(reader_->connect("/" + std::string(200, 'x')));
}

}  // namespace
}  // namespace sallyport::vici
