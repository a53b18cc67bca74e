// SPDX-License-Identifier: BSD-3-Clause
// A blocking client of the dataplane's API that keeps many requests under way: what a benchmark installs
// its gateway with. Requests go out in batches, a bounded number without their Reply, so that neither side's
// buffers ever fill. Anything that goes wrong throws ApiError. One thread.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "dataplane/api/messages.h"

namespace sallyport::bench {

struct ApiError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A message with its header filled in and everything else zero.
template <typename Message>
Message make_message(api::Type type) {
  Message message;
  std::memset(static_cast<void*>(&message), 0, sizeof message);
  message.header = {api::kMagic, api::kVersion, type, sizeof message, 0};
  return message;
}

class ApiClient {
 public:
  // Waits up to `timeout_s` for the socket to be there and Hello to be answered.
  ApiClient(const std::string& path, unsigned timeout_s);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  const api::HelloReply& hello() const { return hello_; }  // the last one
  // Asks again: what it says of memory changes.
  const api::HelloReply& say_hello();

  // Sends it soon. A refusal of it or of an earlier request throws, from here or from finish().
  template <typename Message>
  void submit(const Message& message) {
    submit_bytes(std::as_bytes(std::span(&message, 1)).first(api::wire_bytes(message)));
  }
  // Until every request was answered.
  void finish();
  // From now on at most so many requests per second; 0: as fast as they are answered.
  void pace(double requests_per_second);

  template <typename Message>
  std::vector<Message> dump(api::Type what) {
    std::vector<Message> items;
    dump_bytes(what, [&items](std::span<const std::byte> item) {
      Message message;
      std::memset(static_cast<void*>(&message), 0, sizeof message);
      std::memcpy(static_cast<void*>(&message), item.data(), std::min(item.size(), sizeof message));
      if (item.size() != api::wire_bytes(message)) throw ApiError("an item of a dump has the wrong size");
      items.push_back(message);
    });
    return items;
  }

 private:
  static constexpr unsigned kBatch = 32;
  static constexpr unsigned kWindow = 256;  // requests without a Reply
  using Buffer = std::array<std::byte, api::kMaxMessageBytes>;
  using Take = std::function<void(std::span<const std::byte>)>;

  void connect(const std::string& path, unsigned timeout_s);
  void submit_bytes(std::span<const std::byte> message);
  void dump_bytes(api::Type what, const Take& take);
  void flush();
  void wait_for_turn();
  // Takes what has come, but at least one message.
  void receive(const Take& take);
  void take_reply(std::span<const std::byte> message);

  int fd_ = -1;
  uint32_t sequence_ = 0;
  unsigned unanswered_ = 0, queued_ = 0;
  std::chrono::nanoseconds interval_{0};        // between requests
  std::chrono::steady_clock::time_point turn_;  // of the next batch
  api::HelloReply hello_{};
  std::vector<Buffer> outgoing_, incoming_;
  std::array<iovec, kBatch> outgoing_parts_{}, incoming_parts_{};
  std::array<mmsghdr, kBatch> outgoing_headers_{}, incoming_headers_{};
};

}  // namespace sallyport::bench
