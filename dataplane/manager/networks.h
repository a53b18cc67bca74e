// SPDX-License-Identifier: BSD-3-Clause
// The virtual networks: their route tables and mirror TUNs. Manager thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <tuple>

#include "dataplane/manager/api_server.h"
#include "dataplane/manager/mirror.h"
#include "dataplane/manager/tables_context.h"

namespace sallyport::dataplane {

class Networks {
 public:
  explicit Networks(TablesContext& context) : context_(context) {}
  ~Networks();
  Networks(const Networks&) = delete;
  Networks& operator=(const Networks&) = delete;

  Failure set_vrf(const api::SetVrf& message);
  Failure delete_vrf(uint32_t id);
  Failure set_route(const api::SetRoute& message);
  Failure delete_route(const api::DeleteRoute& message);
  Failure set_mirror(uint32_t id, Mirror mirror);

  Mirror* mirror(uint32_t id);  // nullptr: none

  DumpSource dump_vrfs() const;
  DumpSource dump_routes() const;

 private:
  // VRF, prefix in network order, its length
  using RouteKey = std::tuple<uint32_t, api::Family, std::array<uint8_t, 16>, uint8_t>;

  struct Entry {
    api::SetVrf message;
    std::unique_ptr<Vrf> vrf;
    std::unique_ptr<Mirror> mirror;
    uint32_t routes = 0;
  };

  static RouteKey key_of(uint32_t vrf_id, const api::Prefix& prefix);

  TablesContext& context_;
  std::map<uint32_t, Entry> entries_;
  std::map<RouteKey, api::SetRoute> routes_;
};

}  // namespace sallyport::dataplane
