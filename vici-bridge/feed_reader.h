// SPDX-License-Identifier: BSD-3-Clause
// FeedReader: sallyportd's end of the SA feed (key_message.h). Connects to the plugin's seqpacket socket,
// delivers what charon negotiates and sends back what the dataplane counts. Runs on the one thread of its
// io_context, never blocks.
//
// After connect(): send_hello(), send_live_spis() for everything the dataplane holds, send_ready(). From
// send_ready() on a heartbeat leaves every SP_FEED_HEARTBEAT_MS. Handler calls come in the plugin's order; a
// message that breaks the rules (decode_feed_message, numbering, hello first, snapshots paired) ends the
// connection.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vici-bridge/feed_message.h"
#include "vici-bridge/result.h"

namespace sallyport::vici {

// What the owner of a FeedReader wants to hear. Every SA of a snapshot comes between begin and end; what the
// owner has and the snapshot doesn't is gone (mark and sweep).
class FeedHandler {
 public:
  virtual ~FeedHandler() = default;
  virtual void on_hello(const FeedHello& hello) = 0;
  virtual void on_snapshot_begin() = 0;
  virtual void on_snapshot_end() = 0;
  virtual void on_sa_add(FeedSaAdd sa) = 0;  // answer with send_sa_ack
  virtual void on_sa_update(const FeedSaUpdate& update) = 0;
  virtual void on_sa_del(const FeedSaDel& del) = 0;
  virtual void on_child_event(const FeedChildEvent& event) = 0;
  virtual void on_ike_event(const FeedIkeEvent& event) = 0;
  virtual void on_alert(const FeedAlert& alert) = 0;
  virtual void on_sa_expired(const FeedSaExpired& expired) = 0;
  // Once, when the plugin went away or broke the rules; not for close(). Make a new reader to connect again.
  virtual void on_feed_lost(const Error& error) = 0;
};

enum class SaAnswer : uint8_t { kInstalled, kRefused };

class FeedReader : public std::enable_shared_from_this<FeedReader> {
 public:
  // The handler must outlive the reader or its close().
  static std::shared_ptr<FeedReader> create(asio::io_context& io, FeedHandler& handler);
  ~FeedReader();
  FeedReader(const FeedReader&) = delete;
  FeedReader& operator=(const FeedReader&) = delete;

  // Connects at once (a unix socket answers immediately or not at all). Only root, or ourselves, is spoken
  // to.
  Result<void> connect(const std::string& socket_path);
  bool connected() const { return descriptor_.is_open(); }
  void close();  // no handler call follows

  void send_hello(uint32_t workers, uint32_t slots);
  void send_live_spis(std::span<const uint32_t> inbound_spis);
  void send_ready();
  void send_sa_ack(const FeedSaId& sa, SaAnswer answer);
  void send_stats(std::span<const sp_feed_sa_stats> sas);
  void send_expire(const FeedSaId& sa, Expiry expiry);
  void send_acquire(uint32_t reqid);
  void send_mapping(uint32_t inbound_spi, const sp_address& remote);
  void send_resync();
  void send_slot_free(std::span<const uint32_t> inbound_spis);

 private:
  FeedReader(asio::io_context& io, FeedHandler& handler);

  void send_spis(sp_feed_type type, std::span<const uint32_t> spis);
  void send(std::span<const uint8_t> message);
  bool write(std::span<const uint8_t> message);
  void wait_writable();
  void wait_readable();
  void read_burst();
  Result<void> check_order(const FeedMessage& message);
  void deliver(FeedBody body);
  void start_heartbeat();
  void fail(const Error& error);

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer heartbeat_;
  FeedHandler& handler_;
  uint64_t last_number_ = 0;
  bool snapshot_seen_ = false;  // begun, ever
  bool in_snapshot_ = false;
  std::deque<std::vector<uint8_t>> outbox_;  // what the socket had no room for; bounded
};

}  // namespace sallyport::vici
