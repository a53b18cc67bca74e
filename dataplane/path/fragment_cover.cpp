// SPDX-License-Identifier: BSD-3-Clause
// A search in depth that looks at each range once in either direction: what did not lead to the start, or to
// the end, does not do so on another way either.
#include "dataplane/path/fragment_cover.h"

namespace sallyport::dataplane {

namespace {

struct Search {
  std::span<const FragmentRange> ranges;
  FragmentCover cover;
  uint32_t tried = 1;  // bits; the first range is where both directions begin

  bool is_first_try(uint32_t place) {
    const uint32_t before = tried;
    tried |= 1u << place;
    return tried != before;
  }

  // Appends what leads from the datagram's start up to and including the range at `place`.
  bool reach_start(uint32_t place) {
    const uint32_t begin = ranges[place].begin_bytes;
    if (begin == 0) return cover.push(place);
    for (uint32_t i = 0; i < ranges.size(); ++i)
      if (ranges[i].end_bytes == begin && !ranges[i].last && is_first_try(i) && reach_start(i))
        return cover.push(place);
    return false;
  }

  // Appends what leads from behind the range at `place` to the datagram's end.
  bool reach_end(uint32_t place) {
    if (ranges[place].last) return true;
    for (uint32_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].begin_bytes != ranges[place].end_bytes || !is_first_try(i)) continue;
      cover.push(i);
      if (reach_end(i)) return true;
      --cover.count;
    }
    return false;
  }
};

}  // namespace

FragmentCover cover_with_first(std::span<const FragmentRange> ranges) {
  Search search{ranges, {}};
  if (!search.reach_start(0) || !search.reach_end(0)) return {};
  return search.cover;
}

}  // namespace sallyport::dataplane
