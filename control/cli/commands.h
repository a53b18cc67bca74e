// SPDX-License-Identifier: BSD-3-Clause
// The verbs of `sallyport`. Each writes its result to stdout, what went wrong to stderr in one line, and says
// what the shell gets. Errors of the API come out as ApiError.
#pragma once

#include <string>

#include "control/cli/client.h"
#include "control/cli/exit_code.h"
#include "control/cli/show.h"

namespace sallyport::cli {

enum class Output : uint8_t { kText, kJson };
enum class Consent : uint8_t { kAsk, kGiven };
enum class Rehearsal : uint8_t { kDryRun, kForReal };

[[nodiscard]] ExitCode check(const std::string& file);
[[nodiscard]] ExitCode print_dataplane_args(const std::string& file);
[[nodiscard]] ExitCode print_public_ports(const std::string& file);
[[nodiscard]] ExitCode apply(const Client& client, const std::string& file, Consent consent,
                             Rehearsal rehearsal);
[[nodiscard]] ExitCode show_once(const Client& client, const std::string& noun, Output output,
                                 const ShowStyle& style);
// Until interrupted: tables again each second, events as they come.
[[nodiscard]] ExitCode watch(const Client& client, const std::string& noun, Output output,
                             const ShowStyle& style);
// verb: up, down or rekey.
[[nodiscard]] ExitCode act(const Client& client, const std::string& verb, const std::string& connection);
// Why each tunnel of a connection is up or not; kOk when all of them are.
[[nodiscard]] ExitCode why(const Client& client, const std::string& connection, Output output);
[[nodiscard]] ExitCode print_version(const Client& client, Output output);
// The names of the connections, for the shell's completion.
[[nodiscard]] ExitCode print_connection_names(const Client& client);

// On a terminal that wants them.
[[nodiscard]] Colours stdout_colours();

}  // namespace sallyport::cli
