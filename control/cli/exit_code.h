// SPDX-License-Identifier: BSD-3-Clause
// What the shell gets from `sallyport`.
#pragma once

namespace sallyport::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  // no answer, or the gateway could not do it
  kUsage = 2,   // a wrong command line, or a configuration with mistakes
};

}  // namespace sallyport::cli
