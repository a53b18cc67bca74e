// SPDX-License-Identifier: BSD-3-Clause
// What the manager keeps of an SA beside the SA itself: the message it came by, without keys and without room
// for selectors it doesn't have (a message is 2.8 KB, a record mostly 0.4). Manager thread.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/api/messages.h"
#include "dataplane/policy/selector_set.h"
#include "dataplane/sa/sa.h"

namespace sallyport::dataplane {

template <typename Message>
class StoredSaMessage {
 public:
  explicit StoredSaMessage(const Message& message) {
    std::memcpy(head_.data(), static_cast<const void*>(&message), offsetof(Message, keys.key));
    std::memcpy(head_.data() + kAfterKeys, reinterpret_cast<const std::byte*>(&message) + kAfterKeys,
                kHeadBytes - kAfterKeys);
    for (unsigned i = 0; i < message.local_selector_count; ++i)
      selectors_.push_back(message.local_selectors[i]);
    for (unsigned i = 0; i < message.remote_selector_count; ++i)
      selectors_.push_back(message.remote_selectors[i]);
  }

  // As it came, keys zero.
  Message message() const {
    Message message;
    std::memset(static_cast<void*>(&message), 0, sizeof message);
    std::memcpy(static_cast<void*>(&message), head_.data(), kHeadBytes);
    for (unsigned i = 0; i < message.local_selector_count; ++i)
      message.local_selectors[i] = selectors_[i];
    for (unsigned i = 0; i < message.remote_selector_count; ++i)
      message.remote_selectors[i] = selectors_[message.local_selector_count + i];
    return message;
  }

 private:
  static constexpr size_t kAfterKeys = offsetof(Message, lifetimes);
  static constexpr size_t kHeadBytes = offsetof(Message, local_selectors);

  std::array<std::byte, kHeadBytes> head_{};  // the keys stay zero
  std::vector<api::Selector> selectors_;
};

template <typename Message, typename SaPtr>
struct SaRecord {
  explicit SaRecord(const Message& message) : stored(message) {}

  StoredSaMessage<Message> stored;
  SelectorSet selectors;
  std::unique_ptr<OuterHeader> outer;  // of outbound SAs
  SaPtr sa;                            // points to the two above: destroyed first
};

using InboundRecord = SaRecord<api::SetInboundSa, InboundSaPtr>;
using OutboundRecord = SaRecord<api::SetOutboundSa, OutboundSaPtr>;

}  // namespace sallyport::dataplane
