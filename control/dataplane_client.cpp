// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/post.hpp>
#include <cerrno>

namespace sallyport::control {
namespace {

using api::Type;

int connect_seqpacket(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int wanted_bytes = 4 << 20;  // a whole dump of SAs without a pause
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted_bytes, sizeof wanted_bytes);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted_bytes, sizeof wanted_bytes);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

ssize_t send_with_fds(int socket, const Bytes& bytes, const std::vector<int>& fds) {
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

// The size that a message of this type has, of an SA's all but its selectors; 0 for an unknown type.
size_t least_bytes(Type type) {
  switch (type) {
    case Type::kHello:
      return sizeof(api::Hello);
    case Type::kSetPort:
      return sizeof(api::SetPort);
    case Type::kSetMirror:
      return sizeof(api::SetMirror);
    case Type::kSetVrf:
      return sizeof(api::SetVrf);
    case Type::kSetAddress:
    case Type::kDeleteAddress:
      return sizeof(api::SetAddress);
    case Type::kSetNeighbour:
      return sizeof(api::SetNeighbour);
    case Type::kSetGroup:
      return sizeof(api::SetGroup);
    case Type::kSetRoute:
      return sizeof(api::SetRoute);
    case Type::kDeleteRoute:
      return sizeof(api::DeleteRoute);
    case Type::kSetTunnel:
      return sizeof(api::SetTunnel);
    case Type::kDeletePort:
    case Type::kDeleteVrf:
    case Type::kDeleteNeighbour:
    case Type::kDeleteGroup:
    case Type::kDeleteTunnel:
      return sizeof(api::DeleteById);
    case Type::kSetInboundSa:
      return offsetof(api::SetInboundSa, selectors);
    case Type::kSetOutboundSa:
      return offsetof(api::SetOutboundSa, selectors);
    case Type::kUpdateSa:
      return sizeof(api::UpdateSa);
    case Type::kDeleteSa:
      return sizeof(api::DeleteSa);
    case Type::kDump:
      return sizeof(api::Dump);
    case Type::kFlushPunts:
      return sizeof(api::FlushPunts);
    case Type::kActivateSa:
      return sizeof(api::ActivateSa);
    case Type::kReply:
      return sizeof(api::Reply);
    case Type::kHelloReply:
      return sizeof(api::HelloReply);
    case Type::kNeighbourWanted:
      return sizeof(api::NeighbourWanted);
    case Type::kPeerMoved:
      return sizeof(api::PeerMoved);
    case Type::kSaExpired:
      return sizeof(api::SaExpired);
    case Type::kLinkChanged:
      return sizeof(api::LinkChanged);
    case Type::kPathMtuChanged:
      return sizeof(api::PathMtuChanged);
    case Type::kHealthChanged:
      return sizeof(api::HealthChanged);
    case Type::kGroupChanged:
      return sizeof(api::GroupChanged);
    case Type::kPacketAudited:
      return sizeof(api::PacketAudited);
  }
  return 0;
}

}  // namespace

bool has_right_size(std::span<const uint8_t> bytes) {
  const Type type = message_cast<api::Header>(bytes).type;
  if (bytes.size() < least_bytes(type)) return false;
  if (type == Type::kSetInboundSa)
    return api::wire_bytes(message_cast<api::SetInboundSa>(bytes)) == bytes.size();
  if (type == Type::kSetOutboundSa)
    return api::wire_bytes(message_cast<api::SetOutboundSa>(bytes)) == bytes.size();
  return bytes.size() == least_bytes(type);
}

DataplaneClient::DataplaneClient(asio::io_context& io, std::string socket_path)
    : io_(io), socket_path_(std::move(socket_path)), socket_(io), retry_timer_(io) {}

DataplaneClient::~DataplaneClient() {
  stop();
}

void DataplaneClient::start() {
  connect();
}

void DataplaneClient::stop() {
  stopped_ = true;
  ++generation_;
  retry_timer_.cancel();
  asio::error_code ignored;
  if (socket_.is_open()) socket_.close(ignored);
  for (Outgoing& outgoing : outgoing_)
    discard(outgoing);
  outgoing_.clear();
  pending_.clear();
  ready_ = false;
}

void DataplaneClient::connect() {
  const int fd = connect_seqpacket(socket_path_);
  if (fd < 0) {
    last_error_ = fmt::format("cannot connect to {}: {}", socket_path_, std::strerror(errno));
    retry_later();
    return;
  }
  socket_.assign(fd);
  ++generation_;
  wait_readable();
  request(Type::kHello, api::Hello{}, {});
}

void DataplaneClient::retry_later() {
  if (stopped_) return;
  retry_timer_.expires_after(backoff_);
  backoff_ = std::min(backoff_ * 2, std::chrono::milliseconds(1000));
  retry_timer_.async_wait([this](asio::error_code error) {
    if (!error) connect();
  });
}

void DataplaneClient::disconnect(const std::string& reason) {
  if (!socket_.is_open()) return;
  ++generation_;
  asio::error_code ignored;
  socket_.close(ignored);
  for (Outgoing& outgoing : outgoing_)
    discard(outgoing);
  outgoing_.clear();
  writing_ = false;
  const bool was_ready = std::exchange(ready_, false);
  last_error_ = reason;
  auto pending = std::exchange(pending_, {});
  DataplaneAnswer lost;
  lost.lost = true;
  lost.text = "the connection to the dataplane was lost";
  for (auto& [sequence, request] : pending) {
    if (request.completion) request.completion(lost);
  }
  if (was_ready && on_disconnected) on_disconnected(reason);
  backoff_ = std::chrono::milliseconds(50);
  retry_later();
}

void DataplaneClient::request_bytes(Type type, Bytes bytes, Completion completion,
                                    const std::vector<int>& fds) {
  if (!socket_.is_open()) {
    explicit_bzero(bytes.data(), bytes.size());
    if (completion) {
      asio::post(io_, [completion = std::move(completion)] {
        DataplaneAnswer lost;
        lost.lost = true;
        lost.text = "the dataplane is not connected";
        completion(lost);
      });
    }
    return;
  }
  const uint32_t sequence = next_sequence_;
  next_sequence_ = next_sequence_ == UINT32_MAX ? 1 : next_sequence_ + 1;
  const api::Header header{api::kMagic, api::kVersion, type, static_cast<uint32_t>(bytes.size()), sequence};
  std::memcpy(bytes.data(), &header, sizeof header);
  Pending pending;
  pending.completion = std::move(completion);
  if (type == Type::kDump) pending.what = message_cast<api::Dump>(bytes).what;
  pending_.emplace(sequence, std::move(pending));

  Outgoing outgoing{std::move(bytes), {}};
  for (const int fd : fds)
    outgoing.fds.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  outgoing_.push_back(std::move(outgoing));
  if (!writing_) write_all();
}

void DataplaneClient::dump(Type what, Completion completion) {
  api::Dump message{};
  message.what = what;
  request(Type::kDump, message, std::move(completion));
}

void DataplaneClient::discard(Outgoing& outgoing) {
  explicit_bzero(outgoing.bytes.data(), outgoing.bytes.size());
  for (const int fd : outgoing.fds)
    ::close(fd);
}

void DataplaneClient::write_all() {
  writing_ = false;
  while (!outgoing_.empty()) {
    Outgoing& first = outgoing_.front();
    const ssize_t sent = send_with_fds(socket_.native_handle(), first.bytes, first.fds);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
      writing_ = true;
      wait_writable();
      return;
    }
    if (sent < 0) {
      // Not from here: the caller may be in the middle of a batch of requests.
      asio::post(io_, [this, generation = generation_, error = errno] {
        if (generation == generation_) disconnect(fmt::format("write failed: {}", std::strerror(error)));
      });
      return;
    }
    discard(first);
    outgoing_.pop_front();
  }
}

void DataplaneClient::wait_writable() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [this, generation = generation_](asio::error_code error) {
                       if (!error && generation == generation_) write_all();
                     });
}

void DataplaneClient::wait_readable() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [this, generation = generation_](asio::error_code error) {
                       if (!error && generation == generation_) read_all();
                     });
}

void DataplaneClient::read_all() {
  std::array<uint8_t, api::kMaxMessageBytes> buffer;
  const uint64_t generation = generation_;
  for (int messages = 0; messages < 512; ++messages) {  // then let others have a turn
    const ssize_t length = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    if (length <= 0) {
      disconnect(length == 0 ? "the dataplane closed the connection" : std::strerror(errno));
      return;
    }
    const size_t size = static_cast<size_t>(length);
    if (size > buffer.size() || !handle({buffer.data(), size})) {
      disconnect("the dataplane sent a message that this version does not understand");
      return;
    }
    if (generation != generation_) return;
  }
  wait_readable();
}

bool DataplaneClient::handle(std::span<const uint8_t> bytes) {
  if (bytes.size() < sizeof(api::Header)) return false;
  const auto header = message_cast<api::Header>(bytes);
  if (header.magic != api::kMagic || header.version != api::kVersion || header.length != bytes.size() ||
      !has_right_size(bytes)) {
    return false;
  }
  if (header.sequence == 0) {
    if (on_event) on_event(header, bytes);
    return true;
  }
  const auto it = pending_.find(header.sequence);
  if (it == pending_.end()) return false;
  if (header.type == Type::kHelloReply) {
    ready_ = true;
    backoff_ = std::chrono::milliseconds(50);
    last_error_.clear();
    // Whether a Reply follows or not, the greeting is over with this.
    it->second.completion = {};
    if (on_connected) on_connected(message_cast<api::HelloReply>(bytes));
    return true;
  }
  if (header.type == Type::kReply) return handle_reply(header, bytes);
  if (header.type != it->second.what) return false;
  it->second.items.emplace_back(bytes.begin(), bytes.end());
  return true;
}

bool DataplaneClient::handle_reply(const api::Header& header, std::span<const uint8_t> bytes) {
  const auto it = pending_.find(header.sequence);
  const auto reply = message_cast<api::Reply>(bytes);
  DataplaneAnswer answer;
  answer.error = reply.error;
  answer.text.assign(reply.text.data(), strnlen(reply.text.data(), reply.text.size()));
  answer.items = std::move(it->second.items);
  const Completion completion = std::move(it->second.completion);
  pending_.erase(it);
  if (completion) completion(answer);
  return true;
}

}  // namespace sallyport::control
