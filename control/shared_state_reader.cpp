// SPDX-License-Identifier: BSD-3-Clause
#include "control/shared_state_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace sallyport::control {
namespace {

uint64_t load(const api::Counter& counter) {
  return counter.load(std::memory_order_relaxed);
}

// The whole file has the layout that its own header describes.
bool layout_is_sound(const api::SharedStateHeader& header, uint64_t file_bytes) {
  const auto fits = [&](uint64_t offset, uint64_t rows, uint64_t row_bytes) {
    return offset <= file_bytes && rows <= (file_bytes - offset) / row_bytes;
  };
  return header.magic == api::kSharedStateMagic && header.version == api::kSharedStateVersion &&
         header.size_bytes <= file_bytes && header.workers > 0 &&
         fits(header.worker_offset, header.workers, sizeof(api::WorkerCounters)) &&
         fits(header.port_offset, uint64_t{header.ports} * header.workers, sizeof(api::PortCounters)) &&
         fits(header.inbound_offset, header.slots, sizeof(api::InboundRow)) &&
         fits(header.outbound_offset, header.slots, sizeof(api::OutboundRow));
}

}  // namespace

SharedStateReader::Mapping::~Mapping() {
  ::munmap(const_cast<void*>(base_), bytes_);
}

bool SharedStateReader::open(const std::string& path, std::string& why) {
  mapping_.reset();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    why = fmt::format("{}: {}", path, std::strerror(errno));
    return false;
  }
  struct stat info {};
  void* base = MAP_FAILED;
  if (::fstat(fd, &info) == 0 && info.st_size >= static_cast<off_t>(sizeof(api::SharedStateHeader))) {
    base = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (base == MAP_FAILED) {
    why = path + ": too short, or cannot be mapped";
    return false;
  }
  auto mapping = std::make_unique<Mapping>(base, static_cast<size_t>(info.st_size));
  if (!layout_is_sound(*static_cast<const api::SharedStateHeader*>(base), mapping->bytes_)) {
    why = path + ": not the shared state of this version of the dataplane";
    return false;
  }
  mapping_ = std::move(mapping);
  return true;
}

const api::SharedStateHeader& SharedStateReader::header() const {
  return *static_cast<const api::SharedStateHeader*>(mapping_->base_);
}

template <typename Row>
const Row* SharedStateReader::rows(uint64_t offset) const {
  return reinterpret_cast<const Row*>(static_cast<const char*>(mapping_->base_) + offset);
}

uint32_t SharedStateReader::counters() const {
  return mapping_ ? header().workers : 0;
}

WorkerTotals SharedStateReader::worker(uint32_t index) const {
  const auto& row = rows<api::WorkerCounters>(header().worker_offset)[index];
  return {load(row.rx_packets),  load(row.tx_packets), load(row.loops),       load(row.idle_sleeps),
          load(row.handed_over), load(row.punted),     load(row.busy_cycles), load(row.cycles)};
}

uint64_t SharedStateReader::drops(uint32_t index, api::DropReason reason) const {
  return load(rows<api::WorkerCounters>(header().worker_offset)[index].drops[static_cast<size_t>(reason)]);
}

PortTotals SharedStateReader::port(uint32_t port_id) const {
  PortTotals totals;
  if (!mapping_ || port_id >= header().ports) return totals;
  const auto* row = rows<api::PortCounters>(header().port_offset) + size_t{port_id} * header().workers;
  for (uint32_t worker = 0; worker < header().workers; ++worker, ++row) {
    totals.rx_packets += load(row->rx_packets);
    totals.rx_bytes += load(row->rx_bytes);
    totals.tx_packets += load(row->tx_packets);
    totals.tx_bytes += load(row->tx_bytes);
    totals.rx_dropped += load(row->rx_dropped);
    totals.tx_dropped += load(row->tx_dropped);
  }
  return totals;
}

std::optional<InboundTotals> SharedStateReader::inbound(uint32_t slot, uint32_t spi) const {
  if (!mapping_ || slot >= header().slots) return std::nullopt;
  const auto& row = rows<api::InboundRow>(header().inbound_offset)[slot];
  if (load(row.spi) != spi) return std::nullopt;
  return InboundTotals{load(row.right_edge),    load(row.packets),    load(row.bytes),
                       load(row.last_use_ns),   load(row.icv_failed), load(row.replayed),
                       load(row.policy_dropped)};
}

std::optional<OutboundTotals> SharedStateReader::outbound(uint32_t slot, uint32_t spi) const {
  if (!mapping_ || slot >= header().slots) return std::nullopt;
  const auto& row = rows<api::OutboundRow>(header().outbound_offset)[slot];
  if (load(row.spi) != spi) return std::nullopt;
  return OutboundTotals{load(row.reserved_sequence), load(row.packets), load(row.bytes),
                        load(row.last_use_ns), load(row.policy_dropped)};
}

}  // namespace sallyport::control
