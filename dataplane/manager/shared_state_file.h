// SPDX-License-Identifier: BSD-3-Clause
// Creates or reopens the shared-state segment (dataplane/api/shared_state.h). Owned by the manager thread;
// the rows are written by the threads that the layout names.
#pragma once

#include <filesystem>

#include "dataplane/api/shared_state.h"
#include "dataplane/manager/failure.h"

namespace sallyport::dataplane {

class SharedStateFile {
 public:
  // A file of the same layout is kept with its rows and counters; any other is replaced. `workers` without
  // the manager.
  static Result<SharedStateFile> open(const std::filesystem::path& path, uint32_t workers, uint32_t slots);

  SharedStateFile(SharedStateFile&& other) noexcept;
  SharedStateFile& operator=(SharedStateFile&&) = delete;
  ~SharedStateFile();

  const std::filesystem::path& path() const { return path_; }
  bool reopened() const { return reopened_; }
  uint32_t slots() const { return header().slots; }
  api::WorkerCounters* workers() { return at<api::WorkerCounters>(header().worker_offset); }
  api::PortCounters* ports() { return at<api::PortCounters>(header().port_offset); }  // [port][worker]
  api::InboundRow* inbound() { return at<api::InboundRow>(header().inbound_offset); }
  api::OutboundRow* outbound() { return at<api::OutboundRow>(header().outbound_offset); }
  const api::SharedStateHeader& header() const { return *static_cast<const api::SharedStateHeader*>(base_); }

 private:
  SharedStateFile(std::filesystem::path path, void* base, size_t size_bytes, bool reopened)
      : path_(std::move(path)), base_(base), size_bytes_(size_bytes), reopened_(reopened) {}

  template <typename T>
  T* at(uint64_t offset) {
    return reinterpret_cast<T*>(static_cast<std::byte*>(base_) + offset);
  }

  std::filesystem::path path_;
  void* base_;
  size_t size_bytes_;
  bool reopened_;
};

}  // namespace sallyport::dataplane
