// SPDX-License-Identifier: BSD-3-Clause
// What the shell gets from `sallyport`.
#pragma once

namespace sallyport::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  // no answer, the gateway could not do it, or `why` found a tunnel that does not carry
  kUsage = 2,   // a wrong command line, or a configuration with mistakes
};

}  // namespace sallyport::cli
