// SPDX-License-Identifier: BSD-3-Clause
// RFC 6040 section 4.2, figure 4. Pure functions, any thread.
#include "dataplane/esp/ecn.h"

namespace sallyport::dataplane {

std::optional<Ecn> decapsulated_ecn(Ecn inner, Ecn outer) {
  if (inner == Ecn::kNotEct) {
    if (outer == Ecn::kCe) return std::nullopt;
    return Ecn::kNotEct;
  }
  if (inner == Ecn::kCe || outer == Ecn::kCe) return Ecn::kCe;
  return outer == Ecn::kEct1 ? Ecn::kEct1 : inner;
}

}  // namespace sallyport::dataplane
