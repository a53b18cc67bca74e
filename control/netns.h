// SPDX-License-Identifier: BSD-3-Clause
// Named network namespaces, made exactly as `ip netns add` makes them, and calls that run inside one. A call
// runs on a thread of its own, so that no thread of the daemon ever changes its namespace.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sallyport::control {

// The empty name is the namespace that the process runs in.
using NetnsName = std::string;

// Throws std::system_error. Idempotent.
void create_netns(const NetnsName& name);
void delete_netns(const NetnsName& name);
[[nodiscard]] bool netns_exists(const NetnsName& name);
// Names that begin with prefix.
[[nodiscard]] std::vector<NetnsName> list_netns(const std::string& prefix);

// Runs in the namespace (and with its /sys) and waits; exceptions are passed on.
void run_in_netns(const NetnsName& name, const std::function<void()>& work);

// Writes /proc/sys/PATH there, PATH with slashes. Throws std::system_error.
void write_sysctl(const std::string& path, const std::string& value);

}  // namespace sallyport::control
