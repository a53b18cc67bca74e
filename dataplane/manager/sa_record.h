// SPDX-License-Identifier: BSD-3-Clause
// What the manager keeps of an SA beside the SA itself: the message it came by, without keys and without room
// for selectors it doesn't have (a message has room for 64, a record mostly holds 2). Those are sorted, as
// their order means nothing. Manager thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "dataplane/api/messages.h"
#include "dataplane/policy/selector_set.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

template <typename Message>
class StoredSaMessage {
 public:
  explicit StoredSaMessage(const Message& message)
      : algorithm_(message.keys.algorithm), integrity_(message.keys.integrity) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&message);
    std::memcpy(before_keys_.data(), bytes + kBeforeKeys, before_keys_.size());
    std::memcpy(after_keys_.data(), bytes + kAfterKeys, after_keys_.size());
    key_bytes_ = message.keys.key_bytes;
    integrity_key_bytes_ = message.keys.integrity_key_bytes;
    local_count_ = message.local_selector_count;
    remote_count_ = message.remote_selector_count;
    selectors_ = std::make_unique<api::Selector[]>(local_count_ + remote_count_);
    std::copy_n(message.selectors.begin(), local_count_ + remote_count_, selectors_.get());
    std::sort(selectors_.get(), selectors_.get() + local_count_);
    std::sort(selectors_.get() + local_count_, selectors_.get() + local_count_ + remote_count_);
  }

  // As it came but for the header, which is zero, as keys are.
  Message message() const {
    Message message;
    std::memset(static_cast<void*>(&message), 0, sizeof message);
    auto* bytes = reinterpret_cast<std::byte*>(&message);
    std::memcpy(bytes + kBeforeKeys, before_keys_.data(), before_keys_.size());
    std::memcpy(bytes + kAfterKeys, after_keys_.data(), after_keys_.size());
    message.keys.algorithm = algorithm_;
    message.keys.integrity = integrity_;
    message.keys.key_bytes = key_bytes_;
    message.keys.integrity_key_bytes = integrity_key_bytes_;
    std::copy_n(selectors_.get(), local_count_ + remote_count_, message.selectors.begin());
    return message;
  }

  bool same_selectors(const StoredSaMessage& other) const {
    return local_count_ == other.local_count_ && remote_count_ == other.remote_count_ &&
           std::equal(selectors_.get(), selectors_.get() + local_count_ + remote_count_,
                      other.selectors_.get());
  }

 private:
  static constexpr size_t kBeforeKeys = sizeof(api::Header), kAfterKeys = offsetof(Message, lifetimes);

  std::array<std::byte, offsetof(Message, keys) - kBeforeKeys> before_keys_;
  api::Algorithm algorithm_;
  api::Integrity integrity_;
  uint16_t key_bytes_, integrity_key_bytes_;
  uint32_t local_count_, remote_count_;
  std::array<std::byte, offsetof(Message, selectors) - kAfterKeys> after_keys_;
  std::unique_ptr<api::Selector[]> selectors_;
};

template <typename Message, typename SaPtr>
struct SaRecord {
  explicit SaRecord(const Message& message) : stored(message) {}

  StoredSaMessage<Message> stored;
  SelectorSet selectors;
  std::unique_ptr<OuterHeader> outer;  // of outbound SAs whose addresses have moved
  SaPtr sa;                            // points to the two above: destroyed first
  uint32_t next_slot = api::kNone;     // another SA of the same tunnel and direction
};

using InboundRecord = SaRecord<api::SetInboundSa, InboundSaPtr>;
using OutboundRecord = SaRecord<api::SetOutboundSa, OutboundSaPtr>;

}  // namespace sallyport::dataplane
