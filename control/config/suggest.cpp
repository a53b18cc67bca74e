// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/suggest.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace sallyport::control {

namespace {

constexpr size_t kLongestWord = 64;  // longer ones are not typing mistakes of ours

// Levenshtein's distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string did_you_mean(const std::string& word, const std::set<std::string>& known) {
  const std::string* nearest = nullptr;
  size_t least = 0;
  if (word.size() <= kLongestWord) {
    for (const std::string& candidate : known) {
      const size_t steps = distance(word, candidate);
      if (nearest == nullptr || steps < least) {
        nearest = &candidate;
        least = steps;
      }
    }
  }
  if (nearest != nullptr && least < nearest->size() && least <= std::max<size_t>(1, nearest->size() / 3)) {
    return "did you mean '" + *nearest + "'?";
  }
  return "";
}

std::string suggest(const std::string& word, const std::set<std::string>& known) {
  std::string nearest = did_you_mean(word, known);
  if (!nearest.empty() || known.empty()) return nearest;
  std::string list;
  for (const std::string& candidate : known)
    list += (list.empty() ? "" : ", ") + candidate;
  return "known here: " + list;
}

}  // namespace sallyport::control
