// SPDX-License-Identifier: BSD-3-Clause
// A small synchronous client of the dataplane's API for tests: one request, its answer, events kept for
// later.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::test {

class ApiClient {
 public:
  using Bytes = std::vector<std::byte>;

  ApiClient() = default;
  ~ApiClient();
  ApiClient(ApiClient&& other) noexcept;
  ApiClient& operator=(ApiClient&& other) noexcept;

  // Waits up to `timeout_ms` for the socket to be there and Hello to be answered.
  bool connect(const std::string& path, int timeout_ms);
  const api::HelloReply& hello() const { return hello_; }

  // Fills in the header.
  template <typename Message>
  static Message make(api::Type type) {
    Message message;
    std::memset(static_cast<void*>(&message), 0, sizeof message);
    message.header = {api::kMagic, api::kVersion, type, sizeof message, 0};
    return message;
  }
  template <typename Message>
  api::Reply request(Message message, std::span<const int> fds = {}) {
    message.header.sequence = ++sequence_;
    return request_bytes(on_wire(message), fds, sequence_);
  }
  // Whatever bytes; the answer must carry `sequence`.
  api::Reply request_bytes(std::span<const std::byte> bytes, std::span<const int> fds, uint32_t sequence);
  // Sent without waiting.
  template <typename Message>
  uint32_t send(Message message) {
    message.header.sequence = ++sequence_;
    send_bytes(on_wire(message), {});
    return sequence_;
  }
  api::Reply wait_reply(uint32_t sequence);
  // The next message, whatever it is.
  std::optional<Bytes> receive(int timeout_ms);

  template <typename Message>
  std::vector<Message> dump(api::Type what) {
    std::vector<Message> items;
    for (const Bytes& bytes : dump_bytes(what)) {
      Message message{};
      std::memcpy(static_cast<void*>(&message), bytes.data(), std::min(bytes.size(), sizeof message));
      items.push_back(bytes.size() == api::wire_bytes(message) ? message : Message{});
    }
    return items;
  }
  // The next event of that type within the time; others before it are forgotten.
  template <typename Message>
  std::optional<Message> wait_event(api::Type type, int timeout_ms) {
    const auto bytes = wait_event_bytes(type, timeout_ms);
    if (!bytes || bytes->size() != sizeof(Message)) return std::nullopt;
    Message message;
    std::memcpy(static_cast<void*>(&message), bytes->data(), sizeof message);
    return message;
  }

 private:
  template <typename Message>
  static std::span<const std::byte> on_wire(Message& message) {
    message.header.length = api::wire_bytes(message);
    return {reinterpret_cast<const std::byte*>(&message), message.header.length};
  }
  void send_bytes(std::span<const std::byte> bytes, std::span<const int> fds);
  std::vector<Bytes> dump_bytes(api::Type what);
  std::optional<Bytes> wait_event_bytes(api::Type type, int timeout_ms);

  int fd_ = -1;
  uint32_t sequence_ = 100;
  api::HelloReply hello_{};
  std::deque<Bytes> events_;
};

}  // namespace sallyport::test
