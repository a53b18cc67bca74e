// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/hardening.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace sallyport::dataplane {

Failure harden_process() {
  umask(0077);
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return {api::Error::kDeviceFailed,
            std::string("core dumps could not be switched off: ") + std::strerror(errno)};
  return success();
}

}  // namespace sallyport::dataplane
