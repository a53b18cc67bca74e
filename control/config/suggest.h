// SPDX-License-Identifier: BSD-3-Clause
// Help with a mistyped word: the known one that is nearest. Pure; any thread.
#pragma once

#include <set>
#include <string>

namespace sallyport::control {

// "did you mean ...?" when a known word is close, else nothing.
[[nodiscard]] std::string did_you_mean(const std::string& word, const std::set<std::string>& known);
// The same, or the list of what there is when nothing is close.
[[nodiscard]] std::string suggest(const std::string& word, const std::set<std::string>& known);

}  // namespace sallyport::control
