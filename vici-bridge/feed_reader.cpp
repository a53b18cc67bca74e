// SPDX-License-Identifier: BSD-3-Clause
// The reader: non-blocking reads in short bursts, sends at once or from a bounded outbox when the socket is
// full. On the io_context's one thread.
#include "vici-bridge/feed_reader.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>

#include "vici-bridge/peer_check.h"
#include "vici-bridge/wipe.h"

namespace sallyport::vici {
namespace {

constexpr size_t kMaxOutbox = 4096;    // messages; a plugin this far behind is stuck
constexpr int kMessagesPerBurst = 64;  // then others of the io_context get their turn
constexpr int kReceiveBufferBytes = 4 * 1024 * 1024;

Error system_error(const std::string& what) {
  return Error{"SA feed: " + what + ": " + std::strerror(errno)};
}

template <typename T>
std::span<const uint8_t> bytes_of(const T& message) {
  return {reinterpret_cast<const uint8_t*>(&message), sizeof message};
}

sp_feed_header header_of(sp_feed_type type, size_t length_bytes) {
  sp_feed_header header{};
  header.magic = SP_FEED_MAGIC;
  header.version = SP_FEED_VERSION;
  header.type = uint16_t(type);
  header.length = uint32_t(length_bytes);
  return header;
}

template <typename T>
T make(sp_feed_type type) {
  T message{};
  message.header = header_of(type, sizeof message);
  return message;
}

// A message with a count and that many items behind it.
template <typename Head, typename Item>
std::vector<uint8_t> make_list(sp_feed_type type, std::span<const Item> items) {
  Head head{};
  const size_t length_bytes = sizeof head + items.size_bytes();
  head.header = header_of(type, length_bytes);
  head.count = uint32_t(items.size());
  std::vector<uint8_t> message(length_bytes);
  memcpy(message.data(), &head, sizeof head);
  if (!items.empty()) memcpy(message.data() + sizeof head, items.data(), items.size_bytes());
  return message;
}

}  // namespace

std::shared_ptr<FeedReader> FeedReader::create(asio::io_context& io, FeedHandler& handler) {
  return std::shared_ptr<FeedReader>(new FeedReader(io, handler));
}

FeedReader::FeedReader(asio::io_context& io, FeedHandler& handler)
    : descriptor_(io), heartbeat_(io), handler_(handler) {}
FeedReader::~FeedReader() = default;

Result<void> FeedReader::connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path)
    return Error{socket_path + ": too long for a unix socket"};
  memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return system_error("socket");
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Error error = system_error("can't connect to " + socket_path);
    error.hint = "is charon running with the kernel-sallyport plugin?";
    ::close(socket);
    return error;
  }
  if (Result<void> peer = check_peer(socket, socket_path); !peer) {
    ::close(socket);
    return peer;
  }
  // A large buffer keeps a burst of rekeys from looking like a slow reader; without privilege the kernel
  // gives less.
  setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  descriptor_.assign(socket);
  wait_readable();
  return {};
}

void FeedReader::close() {
  std::error_code ignored;
  heartbeat_.cancel();
  descriptor_.close(ignored);
  outbox_.clear();
}

void FeedReader::fail(const Error& error) {
  if (!connected()) return;
  close();
  handler_.on_feed_lost(error);
}

void FeedReader::wait_readable() {
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](std::error_code code) {
                           if (!code && self->connected()) self->read_burst();
                         });
}

void FeedReader::read_burst() {
  std::array<uint8_t, SP_FEED_MAX_MESSAGE> datagram;
  for (int i = 0; i < kMessagesPerBurst && connected(); i++) {
    const ssize_t size_bytes = recv(descriptor_.native_handle(), datagram.data(), datagram.size(), MSG_TRUNC);
    if (size_bytes < 0 && errno == EINTR) continue;
    if (size_bytes < 0 && errno == EAGAIN) break;
    if (size_bytes < 0) return fail(system_error("read"));
    if (size_bytes == 0) return fail(Error{"SA feed: the plugin closed the connection"});
    if (size_t(size_bytes) > datagram.size()) {
      wipe(datagram);
      return fail(Error{"SA feed: a message of " + std::to_string(size_bytes) + " bytes"});
    }
    Result<FeedMessage> message = decode_feed_message({datagram.data(), size_t(size_bytes)});
    wipe(std::span(datagram).first(size_t(size_bytes)));
    if (!message) return fail(message.error());
    if (Result<void> order = check_order(*message); !order) return fail(order.error());
    deliver(std::move(message->body));
  }
  if (connected()) wait_readable();
}

// Numbers without a gap; the hello, then a snapshot, then anything; snapshots begin and end in pairs.
Result<void> FeedReader::check_order(const FeedMessage& message) {
  if (message.number != last_number_ + 1) {
    return Error{"SA feed: message " + std::to_string(message.number) + " after " +
                 std::to_string(last_number_)};
  }
  last_number_ = message.number;
  const bool is_hello = std::holds_alternative<FeedHello>(message.body);
  if (is_hello != (message.number == 1)) return Error{"SA feed: the hello must come first, and once"};
  if (std::holds_alternative<FeedSnapshotBegin>(message.body)) {
    if (in_snapshot_) return Error{"SA feed: a snapshot within a snapshot"};
    in_snapshot_ = snapshot_seen_ = true;
  } else if (std::holds_alternative<FeedSnapshotEnd>(message.body)) {
    if (!in_snapshot_) return Error{"SA feed: the end of no snapshot"};
    in_snapshot_ = false;
  } else if (!is_hello && !snapshot_seen_) {
    return Error{"SA feed: changes before the first snapshot"};
  }
  return {};
}

void FeedReader::deliver(FeedBody body) {
  struct Visitor {
    FeedHandler& handler;
    void operator()(const FeedHello& hello) { handler.on_hello(hello); }
    void operator()(const FeedSnapshotBegin&) { handler.on_snapshot_begin(); }
    void operator()(const FeedSnapshotEnd&) { handler.on_snapshot_end(); }
    void operator()(FeedSaAdd& sa) { handler.on_sa_add(std::move(sa)); }
    void operator()(const FeedSaUpdate& update) { handler.on_sa_update(update); }
    void operator()(const FeedSaDel& del) { handler.on_sa_del(del); }
    void operator()(const FeedChildEvent& event) { handler.on_child_event(event); }
    void operator()(const FeedIkeEvent& event) { handler.on_ike_event(event); }
    void operator()(const FeedAlert& alert) { handler.on_alert(alert); }
    void operator()(const FeedSaExpired& expired) { handler.on_sa_expired(expired); }
  };
  std::visit(Visitor{handler_}, body);
}

void FeedReader::send(std::span<const uint8_t> message) {
  if (!connected()) return;
  if (outbox_.empty() && write(message)) return;
  if (outbox_.size() == kMaxOutbox) {
    // Told from the io_context, never from within a send.
    asio::post(descriptor_.get_executor(), [self = shared_from_this()] {
      self->fail(Error{"SA feed: the plugin doesn't read", "charon hangs or is overloaded"});
    });
    return;
  }
  outbox_.emplace_back(message.begin(), message.end());
  if (outbox_.size() == 1) wait_writable();
}

// True when the message has left, or never will: a broken connection is seen, and told, by the read side.
bool FeedReader::write(std::span<const uint8_t> message) {
  for (;;) {
    if (::send(descriptor_.native_handle(), message.data(), message.size(), MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    return errno != EAGAIN;
  }
}

void FeedReader::wait_writable() {
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [self = shared_from_this()](std::error_code code) {
                           if (code || !self->connected()) return;
                           while (!self->outbox_.empty() && self->write(self->outbox_.front())) {
                             self->outbox_.pop_front();
                           }
                           if (!self->outbox_.empty()) self->wait_writable();
                         });
}

void FeedReader::send_hello(uint32_t workers, uint32_t slots) {
  auto hello = make<sp_feed_reader_hello>(SP_FEED_READER_HELLO);
  hello.workers = workers;
  hello.slots = slots;
  send(bytes_of(hello));
}

void FeedReader::send_spis(sp_feed_type type, std::span<const uint32_t> spis) {
  while (!spis.empty()) {
    const size_t count = std::min<size_t>(spis.size(), SP_FEED_SPIS_PER_MESSAGE);
    send(make_list<sp_feed_live_spis>(type, spis.first(count)));
    spis = spis.subspan(count);
  }
}

void FeedReader::send_live_spis(std::span<const uint32_t> inbound_spis) {
  send_spis(SP_FEED_LIVE_SPIS, inbound_spis);
}

void FeedReader::send_slot_free(std::span<const uint32_t> inbound_spis) {
  send_spis(SP_FEED_SLOT_FREE, inbound_spis);
}

void FeedReader::send_ready() {
  send(bytes_of(header_of(SP_FEED_READER_READY, sizeof(sp_feed_header))));
  start_heartbeat();
}

void FeedReader::start_heartbeat() {
  heartbeat_.expires_after(std::chrono::milliseconds(SP_FEED_HEARTBEAT_MS));
  heartbeat_.async_wait([self = shared_from_this()](std::error_code code) {
    if (code || !self->connected()) return;
    // Behind other messages it would say nothing new.
    if (self->outbox_.empty()) self->send(bytes_of(header_of(SP_FEED_HEARTBEAT, sizeof(sp_feed_header))));
    self->start_heartbeat();
  });
}

void FeedReader::send_sa_ack(const FeedSaId& sa, SaAnswer answer) {
  auto ack = make<sp_feed_sa_ack>(SP_FEED_SA_ACK);
  ack.spi = sa.spi;
  ack.slot = sa.slot;
  ack.inbound = sa.inbound;
  ack.refused = answer == SaAnswer::kRefused;
  send(bytes_of(ack));
}

void FeedReader::send_stats(std::span<const sp_feed_sa_stats> sas) {
  while (!sas.empty()) {
    const size_t count = std::min<size_t>(sas.size(), SP_FEED_STATS_PER_MESSAGE);
    send(make_list<sp_feed_stats>(SP_FEED_STATS, sas.first(count)));
    sas = sas.subspan(count);
  }
}

void FeedReader::send_expire(const FeedSaId& sa, Expiry expiry) {
  auto expire = make<sp_feed_expire>(SP_FEED_EXPIRE);
  expire.spi = sa.spi;
  expire.slot = sa.slot;
  expire.inbound = sa.inbound;
  expire.hard = expiry == Expiry::kHard;
  send(bytes_of(expire));
}

void FeedReader::send_acquire(uint32_t reqid) {
  auto acquire = make<sp_feed_acquire>(SP_FEED_ACQUIRE);
  acquire.reqid = reqid;
  send(bytes_of(acquire));
}

void FeedReader::send_mapping(uint32_t inbound_spi, const sp_address& remote) {
  auto mapping = make<sp_feed_mapping>(SP_FEED_MAPPING);
  mapping.spi = inbound_spi;
  mapping.remote = remote;
  send(bytes_of(mapping));
}

void FeedReader::send_resync() {
  send(bytes_of(header_of(SP_FEED_RESYNC, sizeof(sp_feed_header))));
}

}  // namespace sallyport::vici
