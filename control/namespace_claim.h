// SPDX-License-Identifier: BSD-3-Clause
// One gateway per network namespace: two would share mirrors of the same name and remove each other's rules.
// Main thread.
#pragma once

namespace sallyport::control {

// An abstract unix socket, which the kernel keeps apart by network namespace and frees when the process ends.
class NamespaceClaim {
 public:
  // Throws std::runtime_error that names the process which has the namespace.
  NamespaceClaim();
  ~NamespaceClaim();
  NamespaceClaim(const NamespaceClaim&) = delete;
  NamespaceClaim& operator=(const NamespaceClaim&) = delete;

 private:
  int fd_;
};

}  // namespace sallyport::control
