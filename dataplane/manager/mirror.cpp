// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/mirror.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <array>
#include <string>

namespace sallyport::dataplane {
namespace {

constexpr size_t kMaxSegments = 16;

Failure wrong(std::string text) {
  return {api::Error::kInvalid, std::move(text)};
}

}  // namespace

Result<Mirror> Mirror::adopt(api::MirrorKind kind, std::vector<UniqueFd> fds) {
  if (fds.empty()) return wrong("kSetMirror came without a file descriptor");
  std::string device;
  for (const auto& fd : fds) {
    ifreq request{};
    if (ioctl(fd.get(), TUNGETIFF, &request) != 0)
      return wrong("a file descriptor of the mirror is no attached TUN or TAP queue");
    const auto flags = static_cast<unsigned short>(request.ifr_flags);
    const bool is_tap = (flags & IFF_TAP) != 0;
    if (is_tap != (kind == api::MirrorKind::kPort))
      return wrong(std::string(request.ifr_name) +
                   (is_tap ? ": a virtual network's mirror must be a TUN, this is a TAP"
                           : ": a port's mirror must be a TAP, this is a TUN"));
    if (!(flags & IFF_NO_PI) || (flags & IFF_VNET_HDR))
      return wrong(std::string(request.ifr_name) +
                   ": make the mirror with IFF_NO_PI and without IFF_VNET_HDR");
    const int status = fcntl(fd.get(), F_GETFL);
    if (status < 0 || fcntl(fd.get(), F_SETFL, status | O_NONBLOCK) != 0)
      return wrong(std::string(request.ifr_name) + ": cannot be made non-blocking");
    device = request.ifr_name;
  }
  return Mirror(std::move(fds), std::move(device));
}

unsigned Mirror::read(rte_mempool& pool, std::span<rte_mbuf*> packets) {
  unsigned count = 0;
  size_t empty_queues = 0;
  while (count < packets.size() && empty_queues < fds_.size()) {
    rte_mbuf* packet = rte_pktmbuf_alloc(&pool);
    if (packet == nullptr) break;  // the kernel's queue holds the rest
    const int fd = fds_[next_read_++ % fds_.size()].get();
    const ssize_t size = ::read(fd, rte_pktmbuf_mtod(packet, void*), rte_pktmbuf_tailroom(packet));
    if (size <= 0) {
      rte_pktmbuf_free(packet);
      ++empty_queues;
      continue;
    }
    empty_queues = 0;
    packet->data_len = static_cast<uint16_t>(size);
    packet->pkt_len = static_cast<uint32_t>(size);
    packets[count++] = packet;
  }
  return count;
}

bool Mirror::write(const rte_mbuf& packet) {
  std::array<iovec, kMaxSegments> parts;
  size_t count = 0;
  for (const rte_mbuf* segment = &packet; segment != nullptr; segment = segment->next) {
    if (count == parts.size()) return false;
    parts[count++] = {rte_pktmbuf_mtod(segment, void*), segment->data_len};
  }
  return writev(fds_.front().get(), parts.data(), static_cast<int>(count)) >= 0;
}

}  // namespace sallyport::dataplane
