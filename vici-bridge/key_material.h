// SPDX-License-Identifier: BSD-3-Clause
// KeyMaterial: the bytes of one key, wiped when they are moved away or dropped. Any thread; one owner at a
// time. It can't be copied by accident, compared or printed.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vici-bridge/wipe.h"

namespace sallyport::vici {

class KeyMaterial {
 public:
  static constexpr size_t kMaxBytes = 64;

  KeyMaterial() = default;
  explicit KeyMaterial(std::span<const uint8_t> bytes) : size_bytes_(bytes.size()) {
    assert(bytes.size() <= kMaxBytes);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  KeyMaterial(KeyMaterial&& other) noexcept : bytes_(other.bytes_), size_bytes_(other.size_bytes_) {
    other.wipe();
  }
  KeyMaterial& operator=(KeyMaterial&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    size_bytes_ = other.size_bytes_;
    other.wipe();
    return *this;
  }
  KeyMaterial(const KeyMaterial&) = delete;
  KeyMaterial& operator=(const KeyMaterial&) = delete;
  ~KeyMaterial() { wipe(); }

  std::span<const uint8_t> bytes() const { return {bytes_.data(), size_bytes_}; }
  size_t size_bytes() const { return size_bytes_; }
  void wipe() {
    vici::wipe(bytes_);
    size_bytes_ = 0;
  }

 private:
  std::array<uint8_t, kMaxBytes> bytes_{};
  size_t size_bytes_ = 0;
};

}  // namespace sallyport::vici
