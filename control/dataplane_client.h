// SPDX-License-Identifier: BSD-3-Clause
// The connection to the dataplane's API socket: requests are pipelined, each completes exactly once, in order
// of the answers; events come as they are. Reconnects by itself (50 ms, doubling to 1 s). Main thread only.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::control {

using Bytes = std::vector<uint8_t>;

struct DataplaneAnswer {
  bool lost = false;  // the connection ended before the answer came
  api::Error error = api::Error::kNone;
  std::string text;
  std::vector<Bytes> items;  // of a dump: whole messages, lengths already checked against their type
  [[nodiscard]] bool ok() const { return !lost && error == api::Error::kNone; }
};

// Whether the bytes, at least a header, are as long as a message of the header's type is.
[[nodiscard]] bool has_right_size(std::span<const uint8_t> bytes);

template <typename Message>
[[nodiscard]] Message message_cast(std::span<const uint8_t> bytes) {
  static_assert(std::is_trivially_copyable_v<Message>);
  Message message{};
  std::memcpy(&message, bytes.data(), std::min(sizeof message, bytes.size()));
  return message;
}

class DataplaneClient {
 public:
  using Completion = std::function<void(const DataplaneAnswer&)>;

  DataplaneClient(asio::io_context& io, std::string socket_path);
  ~DataplaneClient();
  DataplaneClient(const DataplaneClient&) = delete;
  DataplaneClient& operator=(const DataplaneClient&) = delete;

  // Set before start(). connected: Hello was answered. disconnected: with the reason in words.
  std::function<void(const api::HelloReply&)> on_connected;
  std::function<void(const std::string&)> on_disconnected;
  std::function<void(const api::Header&, std::span<const uint8_t>)> on_event;

  void start();
  void stop();
  [[nodiscard]] bool connected() const { return ready_; }
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

  // Fills in the header. The copy of the message is wiped when it has been written. fds are not taken over.
  template <typename Message>
  void request(api::Type type, const Message& message, Completion completion = {},
               const std::vector<int>& fds = {}) {
    static_assert(std::is_trivially_copyable_v<Message> && sizeof(Message) <= api::kMaxMessageBytes);
    Bytes bytes(api::wire_bytes(message));
    std::memcpy(bytes.data(), &message, bytes.size());
    request_bytes(type, std::move(bytes), std::move(completion), fds);
  }
  void request_bytes(api::Type type, Bytes bytes, Completion completion, const std::vector<int>& fds = {});
  // All that the dataplane holds of this kind.
  void dump(api::Type what, Completion completion);

 private:
  struct Outgoing {
    Bytes bytes;
    std::vector<int> fds;  // duplicates, closed when written
  };
  struct Pending {
    api::Type what = api::Type::kHello;  // of a dump: the type of its items
    Completion completion;
    std::vector<Bytes> items;
  };

  void connect();
  void disconnect(const std::string& reason);
  void retry_later();
  void wait_readable();
  void wait_writable();
  void read_all();
  void write_all();
  bool handle(std::span<const uint8_t> bytes);
  bool handle_reply(const api::Header& header, std::span<const uint8_t> bytes);
  static void discard(Outgoing& outgoing);

  asio::io_context& io_;
  std::string socket_path_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer retry_timer_;
  std::chrono::milliseconds backoff_{50};
  std::deque<Outgoing> outgoing_;
  std::unordered_map<uint32_t, Pending> pending_;
  std::string last_error_ = "not connected yet";
  uint32_t next_sequence_ = 1;
  uint64_t generation_ = 0;  // of the connection; handlers of an older one do nothing
  bool ready_ = false;
  bool stopped_ = false;
  bool writing_ = false;
};

}  // namespace sallyport::control
