// SPDX-License-Identifier: BSD-3-Clause
// One VICI connection to charon: requests with replies, streamed lists, events. Runs on the one thread of its
// io_context and never blocks it; every callback comes from that thread, never from inside the call that
// asked.
//
// charon works through a session's requests one after the other, and some wait for an IKE_SA that is busy
// (list-sas) or for the outcome of an exchange (initiate, terminate): whatever is asked after them on this
// session waits too. Open a session for each kind of work that must not wait for another; they are cheap.
#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "vici-bridge/message.h"
#include "vici-bridge/result.h"

namespace sallyport::vici {

using Timeout = std::chrono::milliseconds;
inline constexpr Timeout kDefaultTimeout = std::chrono::seconds(10);

using Done = std::function<void(Result<void>)>;
using Reply = std::function<void(Result<Message>)>;
using OnItem = std::function<void(const Message&)>;
using OnEvent = std::function<void(const Message&)>;

// Reconnecting is the caller's: make a new Session. Only charon running as root, or as ourselves, is spoken
// to.
class Session : public std::enable_shared_from_this<Session> {
 public:
  static std::shared_ptr<Session> create(asio::io_context& io);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void connect(const std::string& socket_path, Done done);

  // Called once when charon closes the connection or breaks the protocol, after every waiting request got its
  // error. Not called for close().
  void on_closed(std::function<void(Error)> handler) { on_closed_ = std::move(handler); }

  // The timeout covers waiting in the queue as well. A request that timed out still holds its place until
  // charon answers it. A reply with success=no becomes an Error with charon's errmsg.
  void request(std::string_view command, const Message& message, Timeout timeout, Reply reply);

  // A command that answers with one event per item (list-sas: "list-sa"), then a reply.
  void stream(std::string_view command, std::string_view event, const Message& message, Timeout timeout,
              OnItem on_item, Reply reply);

  // One handler per event; `done` says whether charon knows the event. Subscribing again replaces the
  // handler.
  void subscribe(std::string_view event, OnEvent on_event, Done done);
  void unsubscribe(std::string_view event, Done done);

  // Drops the connection. Waiting requests are answered with an error; no event or on_closed call follows.
  void close();
  bool connected() const { return connected_; }

 private:
  struct Pending;
  explicit Session(asio::io_context& io);

  void finish_connect(const std::string& socket_path, std::error_code code, const Done& done);
  void enqueue(const std::shared_ptr<Pending>& pending, Result<Bytes> packet, Timeout timeout);
  void answer_later(const std::shared_ptr<Pending>& pending, Error error);
  void start_timer(const std::shared_ptr<Pending>& pending, Timeout timeout);
  void send_head();
  void write(Bytes packet);
  void read_length();
  void read_body(size_t length_bytes);
  void handle(Packet packet);
  void handle_event(const Packet& packet);
  void handle_confirm(bool known);
  void finish_head(Result<Message> result);
  void fail(const Error& error);
  void answer_all(const Error& error);

  asio::io_context& io_;
  asio::local::stream_protocol::socket socket_;
  bool connected_ = false;
  bool closed_ = false;
  std::deque<std::shared_ptr<Pending>> queue_;  // charon works on the head
  std::map<std::string, OnEvent, std::less<>> events_;
  std::set<std::string, std::less<>> streams_;  // events of stream(), registered once and kept
  std::function<void(Error)> on_closed_;
  std::array<uint8_t, 4> length_be_{};
  Bytes body_;
};

}  // namespace sallyport::vici
