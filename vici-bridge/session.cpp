// SPDX-License-Identifier: BSD-3-Clause
// The session: a queue whose head is with charon. VICI has no request numbers, one command may be open per
// connection, so the next packet leaves when the head is answered. On the io_context's one thread.
#include "vici-bridge/session.h"

#include <sys/un.h>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include "vici-bridge/peer_check.h"
#include "vici-bridge/wipe.h"

namespace sallyport::vici {

struct Session::Pending {
  PacketType type;
  std::string name;      // command or event
  Bytes packet{};        // to be written; wiped when it was
  std::string stream{};  // event that carries the items of this command; empty: none
  Bytes register_stream{};
  OnItem on_item{};
  Reply reply{};  // empty once answered: a request that timed out waits for charon without an audience
  asio::steady_timer timer;
  bool registering = false;  // the stream's event is being registered, the command comes next

  Pending(asio::io_context& io, PacketType type, std::string_view name) : type(type), name(name), timer(io) {}
  ~Pending() { wipe(packet); }

  void answer(Result<Message> result) {
    timer.cancel();
    if (Reply to_call = std::exchange(reply, nullptr)) to_call(std::move(result));
  }
};

std::shared_ptr<Session> Session::create(asio::io_context& io) {
  return std::shared_ptr<Session>(new Session(io));
}

Session::Session(asio::io_context& io) : io_(io), socket_(io) {}
Session::~Session() = default;

void Session::connect(const std::string& socket_path, Done done) {
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path)) {
    asio::post(io_, [done, socket_path] { done(Error{socket_path + ": too long for a unix socket"}); });
    return;
  }
  socket_.async_connect(asio::local::stream_protocol::endpoint(socket_path),
                        [self = shared_from_this(), socket_path, done](std::error_code code) {
                          self->finish_connect(socket_path, code, done);
                        });
}

void Session::finish_connect(const std::string& socket_path, std::error_code code, const Done& done) {
  if (closed_) return done(Error{"charon: the session was closed"});
  // A listener whose backlog is full answers EAGAIN, after which asio calls the socket connected when it
  // isn't.
  if (!code) socket_.remote_endpoint(code);
  if (code) {
    const Error error{"charon: can't connect to " + socket_path + ": " + code.message(),
                      "is charon running with this VICI socket?"};
    fail(error);
    return done(error);
  }
  if (Result<void> peer = check_peer(socket_.native_handle(), socket_path); !peer) {
    fail(peer.error());
    return done(peer);
  }
  connected_ = true;
  read_length();
  done({});
  if (!queue_.empty()) send_head();
}

void Session::request(std::string_view command, const Message& message, Timeout timeout, Reply reply) {
  stream(command, {}, message, timeout, {}, std::move(reply));
}

void Session::stream(std::string_view command, std::string_view event, const Message& message,
                     Timeout timeout, OnItem on_item, Reply reply) {
  auto pending = std::make_shared<Pending>(io_, PacketType::kRequest, command);
  pending->stream = event;
  pending->on_item = std::move(on_item);
  pending->reply = std::move(reply);
  if (!event.empty()) {
    Result<Bytes> packet = encode_packet(PacketType::kRegister, event, {});
    if (!packet) return answer_later(pending, packet.error());
    pending->register_stream = std::move(*packet);
  }
  enqueue(pending, encode_packet(PacketType::kRequest, command, message), timeout);
}

void Session::subscribe(std::string_view event, OnEvent on_event, Done done) {
  auto pending = std::make_shared<Pending>(io_, PacketType::kRegister, event);
  pending->reply = [self = shared_from_this(), event = std::string(event), on_event = std::move(on_event),
                    done = std::move(done)](Result<Message> result) {
    if (!result) return done(result.error());
    self->events_[event] = on_event;
    done({});
  };
  enqueue(pending, encode_packet(PacketType::kRegister, event, {}), kDefaultTimeout);
}

void Session::unsubscribe(std::string_view event, Done done) {
  auto pending = std::make_shared<Pending>(io_, PacketType::kUnregister, event);
  events_.erase(std::string(event));
  pending->reply = [done = std::move(done)](Result<Message> result) {
    done(result ? Result<void>() : Result<void>(result.error()));
  };
  enqueue(pending, encode_packet(PacketType::kUnregister, event, {}), kDefaultTimeout);
}

void Session::enqueue(const std::shared_ptr<Pending>& pending, Result<Bytes> packet, Timeout timeout) {
  if (!packet) return answer_later(pending, packet.error());
  pending->packet = std::move(*packet);
  if (closed_) return answer_later(pending, Error{"charon: not connected"});
  start_timer(pending, timeout);
  queue_.push_back(pending);
  if (connected_ && queue_.size() == 1) send_head();
}

void Session::answer_later(const std::shared_ptr<Pending>& pending, Error error) {
  asio::post(io_, [pending, error = std::move(error)] { pending->answer(error); });
}

// A request still waiting in the queue is taken out of it; the head stays, charon's answer to it will come.
void Session::start_timer(const std::shared_ptr<Pending>& pending, Timeout timeout) {
  pending->timer.expires_after(timeout);
  pending->timer.async_wait([self = shared_from_this(), pending, timeout](std::error_code code) {
    if (code || !pending->reply) return;
    const bool sent = self->connected_ && !self->queue_.empty() && self->queue_.front() == pending;
    if (!sent) std::erase(self->queue_, pending);
    const std::string after = " within " + std::to_string(timeout.count()) + " ms";
    pending->answer(sent ? Error{"charon: no answer to " + pending->name + after, "charon is busy or hangs"}
                         : Error{"charon: " + pending->name + " was not sent" + after,
                                 "earlier requests of this session are still being worked on"});
  });
}

void Session::send_head() {
  Pending& head = *queue_.front();
  head.registering = !head.stream.empty() && !streams_.contains(head.stream);
  write(std::move(head.registering ? head.register_stream : head.packet));
}

void Session::write(Bytes packet) {
  auto bytes = std::make_shared<Bytes>(std::move(packet));
  asio::async_write(socket_, asio::buffer(*bytes),
                    [self = shared_from_this(), bytes](std::error_code code, size_t) {
                      wipe(*bytes);
                      if (code && !self->closed_) self->fail(Error{"charon: write: " + code.message()});
                    });
}

void Session::read_length() {
  asio::async_read(
      socket_, asio::buffer(length_be_), [self = shared_from_this()](std::error_code code, size_t) {
        if (self->closed_) return;
        if (code == asio::error::eof) return self->fail(Error{"charon: closed the VICI connection"});
        if (code) return self->fail(Error{"charon: read: " + code.message()});
        size_t length_bytes = 0;
        for (uint8_t byte : self->length_be_)
          length_bytes = length_bytes << 8 | byte;
        if (length_bytes == 0 || length_bytes > kMaxPacketBytes) {
          return self->fail(Error{"charon: a VICI packet of " + std::to_string(length_bytes) + " bytes"});
        }
        self->read_body(length_bytes);
      });
}

void Session::read_body(size_t length_bytes) {
  body_.resize(length_bytes);
  asio::async_read(socket_, asio::buffer(body_), [self = shared_from_this()](std::error_code code, size_t) {
    if (self->closed_) return;
    if (code) return self->fail(Error{"charon: connection lost inside a VICI packet: " + code.message()});
    Result<Packet> packet = decode_packet(self->body_);
    if (!packet) return self->fail(packet.error());
    self->handle(std::move(*packet));
    if (!self->closed_) self->read_length();
  });
}

void Session::handle(Packet packet) {
  if (packet.type == PacketType::kEvent) return handle_event(packet);
  if (queue_.empty()) return fail(Error{"charon: a VICI answer to no question"});
  const Pending& head = *queue_.front();
  const bool command_open = head.type == PacketType::kRequest && !head.registering;
  switch (packet.type) {
    case PacketType::kResponse:
      if (!command_open) break;
      if (packet.message.value("success") == "no") {
        return finish_head(
            Error{"charon: " + head.name + ": " + std::string(packet.message.value_or("errmsg", "refused"))});
      }
      return finish_head(std::move(packet.message));
    case PacketType::kUnknownCommand:
      if (!command_open) break;
      return finish_head(Error{"charon: unknown VICI command " + head.name});
    case PacketType::kConfirm:
    case PacketType::kUnknownEvent:
      if (command_open) break;
      return handle_confirm(packet.type == PacketType::kConfirm);
    default:
      break;
  }
  fail(Error{"charon: VICI packet of type " + std::to_string(int(packet.type)) + " out of place"});
}

void Session::handle_confirm(bool known) {
  Pending& head = *queue_.front();
  const std::string& event = head.registering ? head.stream : head.name;
  if (!known) return finish_head(Error{"charon: unknown VICI event " + event});
  if (!head.registering) return finish_head(Message());
  streams_.insert(head.stream);
  // A command whose asker has gone while its event was being registered need not be sent.
  if (!head.reply) return finish_head(Message());
  send_head();
}

void Session::handle_event(const Packet& packet) {
  if (!queue_.empty() && !queue_.front()->stream.empty() && queue_.front()->stream == packet.name) {
    const std::shared_ptr<Pending> head = queue_.front();
    if (head->reply && head->on_item) head->on_item(packet.message);
    return;
  }
  auto found = events_.find(packet.name);
  if (found == events_.end()) return;
  const OnEvent on_event = found->second;  // the handler may replace itself
  on_event(packet.message);
}

// The queue goes on first: the reply's handler may ask again, or close the session.
void Session::finish_head(Result<Message> result) {
  const std::shared_ptr<Pending> head = std::move(queue_.front());
  queue_.pop_front();
  if (!queue_.empty()) send_head();
  head->answer(std::move(result));
}

void Session::answer_all(const Error& error) {
  const auto waiting = std::exchange(queue_, {});
  for (const std::shared_ptr<Pending>& pending : waiting)
    pending->answer(error);
}

void Session::fail(const Error& error) {
  if (closed_) return;
  const auto self = shared_from_this();
  const auto on_closed = std::exchange(on_closed_, nullptr);
  const bool was_connected = std::exchange(connected_, false);
  closed_ = true;
  std::error_code ignored;
  socket_.close(ignored);
  events_.clear();
  answer_all(error);
  if (on_closed && was_connected) on_closed(error);
}

void Session::close() {
  if (closed_) return;
  closed_ = true;
  connected_ = false;
  on_closed_ = nullptr;
  events_.clear();
  std::error_code ignored;
  socket_.close(ignored);
  asio::post(io_, [self = shared_from_this()] { self->answer_all(Error{"charon: the session was closed"}); });
}

}  // namespace sallyport::vici
