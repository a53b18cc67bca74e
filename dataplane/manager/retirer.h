// SPDX-License-Identifier: BSD-3-Clause
// Does things once every worker has let go of what was taken out of the World: frees objects, closes devices,
// answers requests. Never waits. Manager thread.
#pragma once

#include <rte_rcu_qsbr.h>

#include <deque>
#include <functional>
#include <memory>

namespace sallyport::dataplane {

class Retirer {
 public:
  explicit Retirer(rte_rcu_qsbr* qsbr) : qsbr_(qsbr) {}

  // Call after the object was taken out. `action` runs in a later poll(), in the order of the calls.
  void after_grace(std::function<void()> action) {
    waiting_.push_back({rte_rcu_qsbr_start(qsbr_), std::move(action)});
  }
  // Frees `object` after a quiescent state of all workers.
  template <typename T>
  void retire(std::unique_ptr<T> object) {
    if (object) after_grace([shared = std::shared_ptr<T>(std::move(object))] {});
  }
  void poll() {
    while (!waiting_.empty() && rte_rcu_qsbr_check(qsbr_, waiting_.front().token, false) == 1) {
      const auto action = std::move(waiting_.front().action);
      waiting_.pop_front();
      action();
    }
  }
  bool idle() const { return waiting_.empty(); }

 private:
  struct Waiting {
    uint64_t token;
    std::function<void()> action;
  };

  rte_rcu_qsbr* qsbr_;
  std::deque<Waiting> waiting_;
};

}  // namespace sallyport::dataplane
