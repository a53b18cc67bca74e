// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "control/addresses.h"
#include "control/dataplane_tables.h"

namespace sallyport::control {
namespace {

using api::Type;

TableObject vrf(uint32_t id, const std::string& name) {
  api::SetVrf message{};
  message.vrf_id = id;
  set_name(message.name, name);
  return table_object(message);
}

TableObject port(uint32_t id, uint16_t mtu) {
  api::SetPort message{};
  message.port_id = id;
  message.mtu_bytes = mtu;
  set_name(message.name, "port");
  return table_object(message);
}

TableObject group(uint32_t id) {
  api::SetGroup message{};
  message.group_id = id;
  message.vrf_id = 1;
  return table_object(message);
}

TableObject route(const char* prefix, uint32_t group_id) {
  api::SetRoute message{};
  message.vrf_id = 1;
  message.group_id = group_id;
  message.prefix = to_api(*parse_prefix(prefix));
  return table_object(message);
}

std::vector<Type> types(const std::vector<TableRequest>& requests) {
  std::vector<Type> out;
  for (const TableRequest& request : requests)
    out.push_back(request.type);
  return out;
}

using Types = std::vector<Type>;

TEST(DataplaneTables, SetsInOrderOfReference) {
  DataplaneTables tables;
  tables.replace("b", {route("10.0.0.0/8", 3), group(3)});
  tables.replace("a", {port(0, 1500), vrf(1, "prod")});
  EXPECT_EQ(types(tables.commit()), (Types{Type::kSetVrf, Type::kSetPort, Type::kSetGroup, Type::kSetRoute}));
  EXPECT_TRUE(tables.commit().empty());
}

TEST(DataplaneTables, DeletesInTheOppositeOrderAfterAllSets) {
  DataplaneTables tables;
  tables.replace("a", {vrf(1, "prod"), group(3), route("10.0.0.0/8", 3)});
  (void)tables.commit();
  tables.replace("a", {vrf(1, "prod"), group(4), route("10.1.0.0/16", 4)});
  EXPECT_EQ(types(tables.commit()),
            (Types{Type::kSetGroup, Type::kSetRoute, Type::kDeleteRoute, Type::kDeleteGroup}));
}

TEST(DataplaneTables, ChangesOnlyWhatDiffersFromADump) {
  DataplaneTables tables;
  const auto dumped = [](const TableObject& object, auto fill) {
    auto message = message_cast<api::SetPort>(object.message);
    message.header = {api::kMagic, api::kVersion, Type::kSetPort, sizeof message, 7};
    fill(message);
    Bytes bytes(sizeof message);
    std::memcpy(bytes.data(), &message, sizeof message);
    return bytes;
  };
  tables.learn(Stage::kPort,
               {dumped(port(0, 1500),
                       [](api::SetPort& message) {
                         message.link_up = 1;
                         message.has_mirror = 1;
                         message.mac = {2, 0, 0, 0, 0, 1};
                       }),
                dumped(port(1, 1500), [](api::SetPort&) {}), dumped(port(2, 1500), [](api::SetPort&) {})});
  tables.replace("a", {port(0, 1500), port(1, 9000)});
  const auto requests = tables.commit();
  ASSERT_EQ(types(requests), (Types{Type::kSetPort, Type::kDeletePort}));
  EXPECT_EQ(message_cast<api::SetPort>(requests[0].message).port_id, 1u);
  EXPECT_EQ(message_cast<api::DeleteById>(requests[1].message).id, 2u);
}

TEST(DataplaneTables, RepeatsWhatWasRefused) {
  DataplaneTables tables;
  tables.replace("a", {vrf(1, "prod"), route("10.0.0.0/8", 3)});
  for (const TableRequest& request : tables.commit())
    tables.refused(request);
  EXPECT_EQ(types(tables.commit()), (Types{Type::kSetVrf, Type::kSetRoute}));
  tables.replace("a", {});
  for (const TableRequest& request : tables.commit())
    tables.refused(request);
  const auto again = tables.commit();
  ASSERT_EQ(types(again), (Types{Type::kDeleteRoute, Type::kDeleteVrf}));
  EXPECT_EQ(message_cast<api::DeleteRoute>(again[0].message).prefix.length, 8);
  EXPECT_EQ(message_cast<api::DeleteById>(again[1].message).id, 1u);
}

}  // namespace
}  // namespace sallyport::control
