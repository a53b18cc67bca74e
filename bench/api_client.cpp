// SPDX-License-Identifier: BSD-3-Clause
#include "bench/api_client.h"

#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace sallyport::bench {
namespace {

constexpr unsigned kAnswerSeconds = 60;  // opening a port takes some
constexpr int kBufferBytes = 4 << 20;

api::Header header_of(std::span<const std::byte> message) {
  api::Header header{};
  std::memcpy(&header, message.data(), std::min(sizeof header, message.size()));
  return header;
}

[[noreturn]] void fail(const std::string& what) {
  throw ApiError(what + ": " + std::strerror(errno));
}

}  // namespace

ApiClient::ApiClient(const std::string& path, unsigned timeout_s) : outgoing_(kBatch), incoming_(kBatch) {
  for (unsigned i = 0; i < kBatch; ++i) {
    outgoing_parts_[i] = {outgoing_[i].data(), 0};
    incoming_parts_[i] = {incoming_[i].data(), incoming_[i].size()};
    outgoing_headers_[i].msg_hdr.msg_iov = &outgoing_parts_[i];
    incoming_headers_[i].msg_hdr.msg_iov = &incoming_parts_[i];
    outgoing_headers_[i].msg_hdr.msg_iovlen = incoming_headers_[i].msg_hdr.msg_iovlen = 1;
  }
  connect(path, timeout_s);
  say_hello();
}

ApiClient::~ApiClient() {
  close(fd_);
}

const api::HelloReply& ApiClient::say_hello() {
  finish();
  submit(make_message<api::Hello>(api::Type::kHello));
  flush();
  while (unanswered_ > 0)
    receive([this](std::span<const std::byte> message) {
      if (header_of(message).type != api::Type::kHelloReply) return take_reply(message);
      if (message.size() != sizeof hello_) throw ApiError("the dataplane is of another release");
      std::memcpy(static_cast<void*>(&hello_), message.data(), sizeof hello_);
      --unanswered_;
    });
  return hello_;
}

void ApiClient::connect(const std::string& path, unsigned timeout_s) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw ApiError(path + ": too long for a socket's path");
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  const timeval patience{.tv_sec = kAnswerSeconds, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s);
  while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (std::chrono::steady_clock::now() >= end) fail("cannot connect to " + path);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void ApiClient::submit_bytes(std::span<const std::byte> message) {
  api::Header header = header_of(message);
  header.sequence = ++sequence_;
  header.length = static_cast<uint32_t>(message.size());
  std::memcpy(outgoing_[queued_].data(), message.data(), message.size());
  std::memcpy(outgoing_[queued_].data(), &header, sizeof header);
  outgoing_parts_[queued_].iov_len = message.size();
  ++unanswered_;
  if (++queued_ == kBatch) flush();
}

void ApiClient::pace(double requests_per_second) {
  interval_ = std::chrono::nanoseconds(
      requests_per_second == 0 ? 0 : static_cast<int64_t>(1e9 / requests_per_second));
  turn_ = std::chrono::steady_clock::now();
}

void ApiClient::wait_for_turn() {
  if (interval_.count() == 0) return;
  std::this_thread::sleep_until(turn_);
  turn_ += interval_ * queued_;
}

void ApiClient::flush() {
  wait_for_turn();
  for (unsigned sent = 0; sent < queued_;) {
    const int count = sendmmsg(fd_, outgoing_headers_.data() + sent, queued_ - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) fail("cannot send to the dataplane");
    sent += static_cast<unsigned>(std::max(count, 0));
  }
  queued_ = 0;
  while (unanswered_ > kWindow)
    receive([this](std::span<const std::byte> message) { take_reply(message); });
}

void ApiClient::finish() {
  flush();
  while (unanswered_ > 0)
    receive([this](std::span<const std::byte> message) { take_reply(message); });
}

void ApiClient::receive(const Take& take) {
  const int count = recvmmsg(fd_, incoming_headers_.data(), kBatch, MSG_WAITFORONE, nullptr);
  if (count < 0 && errno == EINTR) return;
  if (count < 0 && errno == EAGAIN) throw ApiError("the dataplane does not answer");
  if (count < 0) fail("cannot receive from the dataplane");
  for (int i = 0; i < count; ++i) {
    const size_t size = incoming_headers_[i].msg_len;
    if (size == 0) throw ApiError("the dataplane closed the connection");
    take(std::span(incoming_[i]).first(size));
  }
}

void ApiClient::take_reply(std::span<const std::byte> message) {
  const api::Header header = header_of(message);
  if (header.type != api::Type::kReply) return;  // an event
  api::Reply reply;
  if (message.size() != sizeof reply) throw ApiError("the dataplane is of another release");
  std::memcpy(static_cast<void*>(&reply), message.data(), sizeof reply);
  --unanswered_;
  if (reply.error != api::Error::kNone)
    throw ApiError("the dataplane refused a request: " + std::string(reply.text.data()));
}

void ApiClient::dump_bytes(api::Type what, const Take& take) {
  finish();
  auto request = make_message<api::Dump>(api::Type::kDump);
  request.what = what;
  submit(request);
  flush();
  while (unanswered_ > 0)
    receive([&](std::span<const std::byte> message) {
      if (header_of(message).type == what)
        take(message);
      else
        take_reply(message);
    });
}

}  // namespace sallyport::bench
