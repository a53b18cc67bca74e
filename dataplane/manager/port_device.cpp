// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manager/port_device.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "dataplane/manager/eal.h"
#include "dataplane/manager/esp_steering.h"
#include "dataplane/manager/unique_fd.h"

namespace sallyport::dataplane {
namespace {

constexpr uint16_t kMaxDescriptors = 1024;

Failure device_failed(const std::string& what, int error) {
  const std::string complaint = Eal::take_complaint();
  return {api::Error::kDeviceFailed,
          what + ": " + (complaint.empty() ? rte_strerror(std::abs(error)) : complaint)};
}

// The carrier of a kernel interface; where the kernel doesn't say, it is there.
bool has_carrier(unsigned interface) {
  ethtool_value link{ETHTOOL_GLINK, 0};
  ifreq request{};
  request.ifr_data = reinterpret_cast<char*>(&link);
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (if_indextoname(interface, request.ifr_name) == nullptr ||
      ioctl(socket.get(), SIOCETHTOOL, &request) != 0)
    return true;
  return link.data != 0;
}

std::set<uint16_t> ports_now() {
  std::set<uint16_t> ports;
  uint16_t port;
  RTE_ETH_FOREACH_DEV(port) ports.insert(port);
  return ports;
}

std::string queue_hint(std::string_view driver, uint16_t workers) {
  const std::string count = std::to_string(workers);
  if (driver == "net_af_packet") return "add qpairs=" + count + " to the device";
  if (driver == "net_af_xdp")
    return "add queue_count=" + count + " to the device and give its interface as many channels";
  if (driver == "net_pcap") return "repeat rx_pcap= (and tx_pcap=) once for each of " + count + " workers";
  if (driver == "net_vhost" || driver == "net_virtio_user") return "add queues=" + count + " to the device";
  return "use fewer workers, or a device with more queues";
}

// PCI devices need their driver's hugepages and vfio; the common mistakes have a hint of their own.
std::string probe_hint(const std::string& device) {
  const bool is_virtual = device.starts_with("net_") || device.starts_with("eth_");
  if (is_virtual) return "check the device string and that the interface or file it names exists";
  return "bind the device to vfio-pci (dpdk-devbind.py) and run with --huge";
}

}  // namespace

Result<PortDevice> PortDevice::open(const std::string& device, PortSide side, uint16_t workers,
                                    uint16_t mtu_bytes, PacketPools& pools) {
  Eal::take_complaint();
  const auto before = ports_now();
  if (const int error = rte_dev_probe(device.c_str()); error != 0) {
    auto failure = device_failed("device " + device + " could not be opened", error);
    failure.text += "; " + probe_hint(device);
    return failure;
  }
  const auto after = ports_now();
  const auto found =
      std::find_if(after.begin(), after.end(), [&](uint16_t port) { return !before.contains(port); });
  if (found == after.end())
    return Failure{api::Error::kDeviceFailed, "device " + device + " gave no port; " + probe_hint(device)};
  PortDevice result(*found, side, workers);
  if (auto failure = result.configure(mtu_bytes, pools); failure.failed()) {
    failure.text = "device " + device + ": " + failure.text;
    return failure;
  }
  return result;
}

PortDevice::~PortDevice() {
  if (port_ == kClosed) return;
  rte_eth_dev_info info{};
  const bool known = rte_eth_dev_info_get(port_, &info) == 0;
  const auto by_rule = [](const EspSteering& steering) { return steering.how != EspSpread::kByRss; };
  if (by_rule(spread_.esp) || by_rule(spread_.esp_in_udp) || by_rule(spread_.esp_ipv6) ||
      by_rule(spread_.esp_in_udp_ipv6))
    rte_flow_flush(port_, nullptr);
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
  if (known && info.device != nullptr) rte_dev_remove(info.device);
}

Failure PortDevice::configure(uint16_t mtu_bytes, PacketPools& pools) {
  const uint16_t workers = spread_.workers;
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(port_, &info); error != 0)
    return device_failed("gives no information", error);
  if (info.max_rx_queues < workers || info.max_tx_queues < workers)
    return {api::Error::kUnsupported,
            "offers " + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) + " queue pairs, " +
                std::to_string(workers) + " workers need one each; " + queue_hint(info.driver_name, workers)};
  // This driver says at all times that its link is up.
  if (std::string_view(info.driver_name) == "net_af_packet") kernel_interface_ = info.if_index;
  rte_eth_conf config{};
  RssPlan rss = plan_rss(spread_.side, workers, info);
  if (rss.hashed != 0) {
    config.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    config.rx_adv_conf.rss_conf.rss_hf = spread_.hashed = rss.hashed;
  }
  if (!rss.key.empty()) {
    config.rx_adv_conf.rss_conf.rss_key = rss.key.data();
    config.rx_adv_conf.rss_conf.rss_key_len = static_cast<uint8_t>(rss.key.size());
  }
  config.rxmode.mtu = std::clamp<uint32_t>(mtu_bytes, info.min_mtu, std::max<uint32_t>(info.max_mtu, 1500));
  // Every packet that a worker sends is one segment with one owner (packet/buffer.h), which lets drivers take
  // their shortest way; to give the buffers back unseen they must all be of one pool as well.
  if (pools.single()) config.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  if (const int error = rte_eth_dev_configure(port_, workers, workers, &config); error != 0)
    return device_failed("cannot be configured", error);
  if (auto failure = set_up_queues(pools); failure.failed()) return failure;
  if (auto failure = set_mtu(mtu_bytes); failure.failed()) return failure;
  if (const int error = rte_eth_dev_start(port_); error != 0)
    return device_failed("cannot be started", error);
  rte_eth_allmulticast_enable(
      port_);  // routing protocols and ND; where a device can't, it passes everything anyway
  rte_ether_addr mac{};
  if (const int error = rte_eth_macaddr_get(port_, &mac); error != 0)
    return device_failed("has no MAC", error);
  std::copy_n(mac.addr_bytes, mac_.size(), mac_.begin());
  steer(info.reta_size);
  return success();
}

// Whatever a device refuses here costs speed alone: workers hand over what isn't theirs.
void PortDevice::steer(uint16_t redirection_entries) {
  if (spread_.workers < 2) return;
  if (spread_.hashed != 0 && redirection_entries > 0) {
    auto table = even_redirection(redirection_entries, spread_.workers);
    rte_eth_dev_rss_reta_update(port_, table.data(), redirection_entries);
  }
  if (spread_.side != PortSide::kPublic) return;
  using enum api::Family;
  const bool spi_hashed = (spread_.hashed & RTE_ETH_RSS_ESP) != 0;
  spread_.esp = steer_esp(port_, spread_.workers, kIpv4, EspCarrier::kIp, spi_hashed);
  spread_.esp_in_udp = steer_esp(port_, spread_.workers, kIpv4, EspCarrier::kUdp, false);
  spread_.esp_ipv6 = steer_esp(port_, spread_.workers, kIpv6, EspCarrier::kIp, spi_hashed);
  spread_.esp_in_udp_ipv6 = steer_esp(port_, spread_.workers, kIpv6, EspCarrier::kUdp, false);
}

Failure PortDevice::set_up_queues(PacketPools& pools) {
  const uint16_t workers = spread_.workers;
  const int socket = pools.node_of(numa_node());
  const auto pool = pools.of_socket(socket);
  if (!pool.ok()) return pool.failure();
  pool_ = pool.value();
  // Rings of all ports together must leave most buffers for packets on their way.
  uint16_t receive = kMaxDescriptors;
  while (receive > 128 && uint32_t{receive} * workers * 16 > pools.buffers())
    receive /= 2;
  uint16_t transmit = receive;
  if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &receive, &transmit); error != 0)
    return device_failed("takes no ring of " + std::to_string(receive) + " descriptors", error);
  const auto node = static_cast<unsigned>(socket);
  for (uint16_t queue = 0; queue < workers; ++queue) {
    if (const int error = rte_eth_rx_queue_setup(port_, queue, receive, node, nullptr, pool_); error != 0)
      return device_failed("receive queue " + std::to_string(queue), error);
    if (const int error = rte_eth_tx_queue_setup(port_, queue, transmit, node, nullptr); error != 0)
      return device_failed("transmit queue " + std::to_string(queue), error);
  }
  return success();
}

// Devices that know no MTU (memif, ring) carry whatever fits a buffer.
Failure PortDevice::set_mtu(uint16_t mtu_bytes) {
  const int error = rte_eth_dev_set_mtu(port_, mtu_bytes);
  if (error == 0 || error == -ENOTSUP) return success();
  return device_failed("does not take an MTU of " + std::to_string(mtu_bytes) + " bytes", error);
}

int PortDevice::numa_node() const {
  return rte_eth_dev_socket_id(port_);
}

bool PortDevice::link_up() const {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(port_, &link) != 0 || link.link_status != RTE_ETH_LINK_UP) return false;
  return kernel_interface_ == 0 || has_carrier(kernel_interface_);
}

}  // namespace sallyport::dataplane
