// SPDX-License-Identifier: BSD-3-Clause
// Makes and frees the rings. Main thread.
#include "dataplane/path/rings.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <string>

namespace sallyport::dataplane {

namespace {

constexpr unsigned kSingle = RING_F_SP_ENQ | RING_F_SC_DEQ;

void free_packets(rte_ring* ring) {
  void* packet = nullptr;
  while (rte_ring_sc_dequeue(ring, &packet) == 0)
    rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
}

}  // namespace

std::unique_ptr<Rings> Rings::create(const RingsConfig& config) {
  static std::atomic<uint32_t> generation{0};  // ring names must be unique in the process
  const uint32_t number = generation.fetch_add(1);
  const int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::unique_ptr<Rings> rings(new Rings(config.workers, wake_fd));
  bool complete = wake_fd >= 0;
  auto make = [&](std::vector<rte_ring*>& rings_of_kind, const char* kind, uint32_t a, uint32_t b,
                  uint32_t elements, unsigned element_bytes) {
    const std::string name =
        std::string(kind) + '-' + std::to_string(number) + '-' + std::to_string(a) + '-' + std::to_string(b);
    rte_ring* ring = rte_ring_create_elem(name.c_str(), element_bytes, elements, SOCKET_ID_ANY, kSingle);
    if (ring == nullptr) {
      complete = false;
    } else {
      rings_of_kind.push_back(ring);
    }
  };
  for (uint32_t from = 0; from < config.workers && complete; ++from) {
    for (uint32_t to = 0; to < config.workers && complete; ++to) {
      make(rings->handover_, "handover", from, to, config.handover_packets, sizeof(rte_mbuf*));
    }
    make(rings->exceptions_, "exception", from, 0, config.exception_packets, sizeof(rte_mbuf*));
    make(rings->injections_, "injection", from, 0, config.injection_packets, sizeof(rte_mbuf*));
    make(rings->events_, "event", from, 0, config.events, sizeof(WorkerEvent));
  }
  return complete ? std::move(rings) : nullptr;
}

Rings::~Rings() {
  for (const auto* kind : {&handover_, &exceptions_, &injections_}) {
    for (rte_ring* ring : *kind) {
      free_packets(ring);
      rte_ring_free(ring);
    }
  }
  for (rte_ring* ring : events_)
    rte_ring_free(ring);
  if (wake_fd_ >= 0) close(wake_fd_);
}

void Rings::signal_manager() {
  eventfd_write(wake_fd_, 1);
}

// In this order: a worker that still sees the flag set has filled its ring before the manager looks there.
void Rings::take_wake() {
  eventfd_t ignored;
  eventfd_read(wake_fd_, &ignored);
  manager_woken_.exchange(false, std::memory_order_acq_rel);
}

}  // namespace sallyport::dataplane
