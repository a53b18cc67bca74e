// SPDX-License-Identifier: BSD-3-Clause
// Does things once every worker has let go of what was taken out of the World: frees objects, closes devices,
// answers requests. Never waits. Manager thread.
#pragma once

#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace sallyport::dataplane {

class Retirer {
 public:
  explicit Retirer(rte_rcu_qsbr* qsbr) : qsbr_(qsbr) {}

  // Call after the object was taken out. `action` runs in a later poll(), in the order of the calls.
  template <typename Action>
  void after_grace(Action action) {
    fresh_.push_back(std::make_unique<Deferred<Action>>(std::move(action)));
  }
  // Frees `object` after a quiescent state of all workers.
  template <typename T, typename Deleter>
  void retire(std::unique_ptr<T, Deleter> object) {
    if (object) after_grace([owned = std::move(object)] {});
  }
  // One grace period serves all that came since the last poll: each new one costs the workers a cache miss.
  // It is waited for as long as a loop of busy workers takes, a few microseconds, because sleeping takes
  // longer.
  void poll() {
    unsigned patience = fresh_.empty() ? 0 : kPauses;
    if (!fresh_.empty()) waiting_.push_back({rte_rcu_qsbr_start(qsbr_), std::exchange(fresh_, {})});
    while (!waiting_.empty()) {
      if (rte_rcu_qsbr_check(qsbr_, waiting_.front().token, false) != 1) {
        if (patience-- == 0) return;
        rte_pause();
        continue;
      }
      const auto actions = std::move(waiting_.front().actions);
      waiting_.pop_front();
      for (const auto& action : actions)
        action->run();
    }
  }
  bool idle() const { return waiting_.empty() && fresh_.empty(); }

 private:
  // What std::function can't hold: something that owns what it can't copy.
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <typename Action>
  struct Deferred final : Base {
    explicit Deferred(Action deferred) : action(std::move(deferred)) {}
    void run() override { action(); }
    Action action;
  };
  static constexpr unsigned kPauses = 100;

  using Actions = std::vector<std::unique_ptr<Base>>;
  struct Waiting {
    uint64_t token;
    Actions actions;
  };

  rte_rcu_qsbr* qsbr_;
  Actions fresh_;  // since the last poll
  std::deque<Waiting> waiting_;
};

}  // namespace sallyport::dataplane
