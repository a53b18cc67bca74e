// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/hardening.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sallyport::dataplane {

namespace {

constexpr uint64_t bit(int capability) {
  return uint64_t{1} << capability;
}
constexpr uint64_t kKept =
    bit(CAP_NET_ADMIN) | bit(CAP_NET_RAW) | bit(CAP_BPF) | bit(CAP_SYS_ADMIN) | bit(CAP_IPC_LOCK);

}  // namespace

Failure harden_process() {
  umask(0077);
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return {api::Error::kDeviceFailed,
            std::string("core dumps could not be switched off: ") + std::strerror(errno)};
  return success();
}

Failure drop_capabilities() {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The bounding set first, which takes CAP_SETPCAP; who lacks that has little to lose.
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    if ((kKept & bit(capability)) == 0) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  bool done = syscall(SYS_capget, &header, sets.data()) == 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    sets[i].permitted &= static_cast<uint32_t>(kKept >> (32 * i));
    sets[i].effective = sets[i].permitted;
    sets[i].inheritable = 0;
  }
  done = done && syscall(SYS_capset, &header, sets.data()) == 0;
  if (done) return success();
  return {api::Error::kDeviceFailed,
          std::string("capabilities could not be dropped: ") + std::strerror(errno)};
}

}  // namespace sallyport::dataplane
