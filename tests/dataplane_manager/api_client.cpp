// SPDX-License-Identifier: BSD-3-Clause
#include "tests/dataplane_manager/api_client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace sallyport::test {
namespace {

constexpr int kAnswerMs = 10'000;

api::Header header_of(const ApiClient::Bytes& bytes) {
  api::Header header{};
  std::memcpy(&header, bytes.data(), std::min(sizeof header, bytes.size()));
  return header;
}

}  // namespace

ApiClient::~ApiClient() {
  if (fd_ >= 0) close(fd_);
}

ApiClient::ApiClient(ApiClient&& other) noexcept {
  *this = std::move(other);
}

ApiClient& ApiClient::operator=(ApiClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(sequence_, other.sequence_);
  std::swap(hello_, other.hello_);
  std::swap(events_, other.events_);
  return *this;
}

bool ApiClient::connect(const std::string& path, int timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (std::chrono::steady_clock::now() < end) {
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      fd_ = fd;
      send(make<api::Hello>(api::Type::kHello));
      const auto answer = receive(timeout_ms);
      if (!answer || answer->size() != sizeof hello_) return false;
      std::memcpy(static_cast<void*>(&hello_), answer->data(), sizeof hello_);
      return hello_.header.type == api::Type::kHelloReply;
    }
    close(fd);
    usleep(10'000);
  }
  return false;
}

void ApiClient::send_bytes(std::span<const std::byte> bytes, std::span<const int> fds) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(64 * sizeof(int))> control{};
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  EXPECT_GE(sendmsg(fd_, &header, MSG_NOSIGNAL), 0) << std::strerror(errno);
}

std::optional<ApiClient::Bytes> ApiClient::receive(int timeout_ms) {
  pollfd wait{fd_, POLLIN, 0};
  if (poll(&wait, 1, timeout_ms) <= 0) return std::nullopt;
  Bytes bytes(api::kMaxMessageBytes);
  const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
  if (size <= 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

api::Reply ApiClient::wait_reply(uint32_t sequence) {
  api::Reply reply{};
  reply.error = static_cast<api::Error>(~0u);
  while (const auto bytes = receive(kAnswerMs)) {
    const auto header = header_of(*bytes);
    if (header.sequence == 0 && header.type != api::Type::kReply) {
      events_.push_back(*bytes);
      continue;
    }
    if (header.sequence != sequence || bytes->size() != sizeof reply) continue;
    std::memcpy(static_cast<void*>(&reply), bytes->data(), sizeof reply);
    return reply;
  }
  ADD_FAILURE() << "no answer to request " << sequence;
  return reply;
}

api::Reply ApiClient::request_bytes(std::span<const std::byte> bytes, std::span<const int> fds,
                                    uint32_t sequence) {
  send_bytes(bytes, fds);
  return wait_reply(sequence);
}

std::vector<ApiClient::Bytes> ApiClient::dump_bytes(api::Type what) {
  auto request = make<api::Dump>(api::Type::kDump);
  request.what = what;
  const uint32_t sequence = send(request);
  std::vector<Bytes> items;
  while (const auto bytes = receive(kAnswerMs)) {
    const auto header = header_of(*bytes);
    if (header.type == api::Type::kReply) {
      api::Reply reply;
      std::memcpy(static_cast<void*>(&reply), bytes->data(), sizeof reply);
      EXPECT_EQ(header.sequence, sequence);
      EXPECT_EQ(reply.count, items.size());
      return items;
    }
    if (header.sequence == 0) {
      events_.push_back(*bytes);
      continue;
    }
    EXPECT_EQ(header.type, what);
    items.push_back(*bytes);
  }
  ADD_FAILURE() << "the dump did not end";
  return items;
}

std::optional<ApiClient::Bytes> ApiClient::wait_event_bytes(api::Type type, int timeout_ms) {
  for (;;) {
    while (!events_.empty()) {
      const Bytes bytes = events_.front();
      events_.pop_front();
      if (header_of(bytes).type == type) return bytes;
    }
    const auto bytes = receive(timeout_ms);
    if (!bytes) return std::nullopt;
    events_.push_back(*bytes);
  }
}

}  // namespace sallyport::test
