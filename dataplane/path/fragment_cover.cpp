// SPDX-License-Identifier: BSD-3-Clause
// Two searches in depth from the first range, to the datagram's start and to its end, whose ways are then
// combined. A range from where no way leads on is left out on all later ones, so that each way found costs no
// more than a look at every pair of ranges.
#include "dataplane/path/fragment_cover.h"

namespace sallyport::dataplane {

namespace {

struct ToStart {
  static bool is_there(const FragmentRange& range) { return range.begin_bytes == 0; }
  static bool leads_on(const FragmentRange& from, const FragmentRange& to) {
    return to.end_bytes == from.begin_bytes && !to.last;
  }
};

struct ToEnd {
  static bool is_there(const FragmentRange& range) { return range.last; }
  static bool leads_on(const FragmentRange& from, const FragmentRange& to) {
    return to.begin_bytes == from.end_bytes;
  }
};

// Ways from the first range on, that one included.
template <typename Direction>
struct Search {
  std::span<const FragmentRange> ranges;
  FragmentCovers found;
  FragmentCover way;
  uint32_t dead_ends = 0;  // bits

  // Whether one of them goes over `place`, which is added to the way so far.
  bool go_on(uint32_t place) {
    way.push(place);
    bool leads_there = Direction::is_there(ranges[place]);
    if (leads_there) {
      found.push(way);
    } else {
      for (uint32_t i = 0; i < ranges.size() && !found.full(); ++i)
        if ((dead_ends >> i & 1) == 0 && Direction::leads_on(ranges[place], ranges[i]) && go_on(i))
          leads_there = true;
    }
    --way.count;
    if (!leads_there) dead_ends |= 1u << place;
    return leads_there;
  }
};

template <typename Direction>
FragmentCovers ways_from_first(std::span<const FragmentRange> ranges) {
  Search<Direction> search{ranges, {}, {}};
  search.go_on(0);
  return search.found;
}

}  // namespace

FragmentCovers covers_with_first(std::span<const FragmentRange> ranges) {
  FragmentCovers covers;
  const FragmentCovers to_start = ways_from_first<ToStart>(ranges);
  if (to_start.count == 0) return covers;
  const FragmentCovers to_end = ways_from_first<ToEnd>(ranges);
  for (const FragmentCover& back : to_start.all())
    for (const FragmentCover& forth : to_end.all()) {
      if (covers.full()) return covers;
      FragmentCover cover;
      for (uint32_t i = back.count; i > 0; --i)
        cover.push(back.places[i - 1]);
      for (uint32_t i = 1; i < forth.count; ++i)
        cover.push(forth.places[i]);
      covers.push(cover);
    }
  return covers;
}

}  // namespace sallyport::dataplane
