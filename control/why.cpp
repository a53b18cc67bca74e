// SPDX-License-Identifier: BSD-3-Clause
#include "control/why.h"

#include <fmt/format.h>

namespace sallyport::control {
namespace {

constexpr const char* kSeeGateway = "see: sallyport show gateway, and the logs in the run directory";

// strongSwan marks a name's type with a first character that it does not print.
bool same_identity(std::string configured, const std::string& claimed) {
  if (!configured.empty() && configured.front() == '@') configured.erase(0, 1);
  return configured == claimed || configured == "%any";
}

std::string key_advice(const TunnelFacts& facts, const std::string& whose) {
  if (facts.is_psk) return "see that the pre-shared key is the same at both ends";
  return fmt::format(
      "see that {} certificate names it, is valid, and comes from a CA that the other end trusts", whose);
}

// Of the parts that every tunnel needs; an established tunnel goes on without charon.
std::optional<Explanation> part_missing(const TunnelFacts& facts) {
  if (facts.dataplane_error) {
    return Explanation{
        Cause::kDataplane,
        fmt::format("carries nothing: the dataplane is not running ({})", *facts.dataplane_error),
        kSeeGateway};
  }
  if (facts.state == TunnelState::kUp) return std::nullopt;
  if (facts.charon_error) {
    return Explanation{Cause::kCharon,
                       fmt::format("is down: charon is not running ({})", *facts.charon_error), kSeeGateway};
  }
  if (facts.plugin_error) {
    return Explanation{Cause::kPlugin,
                       fmt::format("is down: charon runs without a working kernel-sallyport plugin ({})",
                                   *facts.plugin_error),
                       "install the plugin that was built for this strongSwan, and see charon's log"};
  }
  return std::nullopt;
}

// Of the way to the peer, as far as it is ours to see.
std::optional<Explanation> way_missing(const TunnelFacts& facts) {
  if (facts.port_error) {
    return Explanation{Cause::kPort,
                       fmt::format("is down: port {} cannot be used: {}", facts.port, *facts.port_error),
                       "see: sallyport show ports"};
  }
  if (facts.link_down) {
    return Explanation{Cause::kLink,
                       fmt::format("is down: no route to the peer, the link of port {} is down", facts.port),
                       "check the cable and the device at its other end"};
  }
  if (!facts.has_address) {
    return Explanation{Cause::kAddress,
                       fmt::format("is down: Linux does not have {} on {}", facts.local, facts.port),
                       fmt::format("give it back: ip addr add {}/LENGTH dev {}", facts.local, facts.port)};
  }
  if (!facts.has_route) {
    return Explanation{
        Cause::kRoute,
        fmt::format("is down: no route to the peer, Linux has none to {} over {}", facts.peer, facts.port),
        "see: ip route show table all; restarting sallyportd puts its own routes back"};
  }
  if (facts.next_hop_failed) {
    return Explanation{
        Cause::kNextHop,
        fmt::format("is down: no route to the peer, nothing at {} answers on port {}", facts.next_hop,
                    facts.port),
        facts.next_hop == facts.peer
            ? "see that the peer runs and is on this link"
            : "see that this is the right next_hop in public_addresses, and that it is on this link"};
  }
  return std::nullopt;
}

Explanation mismatch(const TunnelFacts& facts, Cause cause) {
  const bool is_ike = cause == Cause::kIkeProposal;
  const char* const kind = is_ike ? "IKE" : "ESP";
  const std::string& ours = is_ike ? facts.ike_proposals : facts.esp_proposals;
  const std::string& theirs = facts.reason.detail();
  const std::string advice =
      fmt::format("let {}.proposals and the peer's have one in common", is_ike ? "ike" : "esp");
  if (theirs.empty()) {
    return {cause, fmt::format("is down: peer {} refused all our {} proposals ({})", facts.peer, kind, ours),
            advice};
  }
  return {cause,
          fmt::format("is down: no {} proposal in common, peer {} offers {} and ours are {}", kind,
                      facts.peer, theirs, ours),
          advice};
}

Explanation selectors(const TunnelFacts& facts) {
  const char* const advice = "let the selectors of both ends mirror each other";
  const std::string& theirs = facts.reason.detail();
  if (theirs.empty()) {
    return {Cause::kSelectors,
            fmt::format("is down: peer {} refused our traffic selectors ({})", facts.peer, facts.selectors),
            advice};
  }
  return {Cause::kSelectors,
          fmt::format("is down: no traffic selectors in common, peer {} wants {} and ours are {}", facts.peer,
                      theirs, facts.selectors),
          advice};
}

Explanation peer_authentication(const TunnelFacts& facts) {
  const std::string &claimed = facts.reason.peer_id(), &wanted = facts.reason.own_id();
  if (!claimed.empty() && !same_identity(facts.remote_id, claimed)) {
    return {Cause::kPeerAuthentication,
            fmt::format("is down: peer {} calls itself '{}', but remote_id is '{}'", facts.peer, claimed,
                        facts.remote_id),
            "let ike.remote_id be what the peer calls itself"};
  }
  if (!wanted.empty() && !same_identity(facts.local_id, wanted)) {
    return {Cause::kPeerAuthentication,
            fmt::format("is down: peer {} asks for '{}', but local_id is '{}'", facts.peer, wanted,
                        facts.local_id),
            "let ike.local_id be what the peer expects"};
  }
  return {Cause::kPeerAuthentication,
          fmt::format("is down: the peer's authentication failed, {} could not prove to be '{}'", facts.peer,
                      facts.remote_id),
          key_advice(facts, "the peer's")};
}

// From what charon found.
Explanation found(const TunnelFacts& facts) {
  const std::string& text = facts.reason.text();
  switch (facts.reason.finding()) {
    case Finding::kNotLoaded:
      return {Cause::kNotLoaded, "is down: charon did not take its configuration: " + text,
              "correct the configuration or the files that it names, and apply it"};
    case Finding::kSilent:
    case Finding::kNoAnswer:
      return {Cause::kNoAnswer, fmt::format("is down: no answer from peer {}", facts.peer),
              fmt::format("see that the peer runs, and that UDP 500 and 4500 pass between it and {}",
                          facts.local)};
    case Finding::kPeerAuth:
      return peer_authentication(facts);
    case Finding::kOurAuth:
      return {Cause::kOurAuthentication,
              fmt::format("is down: peer {} refused our authentication as '{}'", facts.peer, facts.local_id),
              fmt::format("{}; and that the peer knows us as '{}' and is itself '{}'",
                          key_advice(facts, "our"), facts.local_id, facts.remote_id)};
    case Finding::kIkeProposal:
      return mismatch(facts, Cause::kIkeProposal);
    case Finding::kEspProposal:
      return mismatch(facts, Cause::kEspProposal);
    case Finding::kSelectors:
      return selectors(facts);
    case Finding::kInstall:
      return {Cause::kInstall, "is down: its SA could not be installed", "see: sallyport show events"};
    case Finding::kAttemptFailed:
      return {Cause::kAttempt, "is down: " + text, "see: sallyport show events"};
    default:
      break;
  }
  if (facts.state == TunnelState::kConnecting)
    return {Cause::kConnecting, "is connecting: nothing has gone wrong so far", "ask again in a few seconds"};
  if (!facts.initiate) {
    return {Cause::kWaiting,
            fmt::format("is down: it waits for peer {} to bring it up (initiate: false)", facts.peer),
            fmt::format("bring it up there, or here once: sallyport up {}", facts.connection)};
  }
  if (facts.reason.finding() == Finding::kClosed)
    return {Cause::kAttempt, "is down: the IKE SA was closed",
            "it is tried again by itself; see what the peer says"};
  return {Cause::kConnecting, "is down: it was not tried yet", "ask again in a few seconds"};
}

}  // namespace

const char* to_string(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "none";
    case Cause::kHeldDown:
      return "held-down";
    case Cause::kDataplane:
      return "dataplane";
    case Cause::kCharon:
      return "charon";
    case Cause::kPlugin:
      return "plugin";
    case Cause::kPort:
      return "port";
    case Cause::kLink:
      return "link";
    case Cause::kAddress:
      return "address";
    case Cause::kRoute:
      return "route";
    case Cause::kNextHop:
      return "next-hop";
    case Cause::kNotLoaded:
      return "not-loaded";
    case Cause::kNoAnswer:
      return "no-answer";
    case Cause::kPeerAuthentication:
      return "peer-authentication";
    case Cause::kOurAuthentication:
      return "our-authentication";
    case Cause::kIkeProposal:
      return "ike-proposal";
    case Cause::kEspProposal:
      return "esp-proposal";
    case Cause::kSelectors:
      return "selectors";
    case Cause::kInstall:
      return "install";
    case Cause::kWaiting:
      return "waiting";
    case Cause::kConnecting:
      return "connecting";
    case Cause::kAttempt:
      return "attempt";
    case Cause::kHealth:
      return "health";
    case Cause::kPartial:
      break;
  }
  return "partial";
}

Explanation explain(const TunnelFacts& facts) {
  if (facts.held_down) {
    return {Cause::kHeldDown, "is down: it was taken down by the operator",
            fmt::format("sallyport up {}", facts.connection)};
  }
  if (const auto part = part_missing(facts)) return *part;
  if (facts.state != TunnelState::kUp) {
    const auto way = way_missing(facts);
    return way ? *way : found(facts);
  }
  if (!facts.health_reason.empty()) {
    return {Cause::kHealth,
            fmt::format("is up but not healthy, so it carries traffic only where no other tunnel can: {}",
                        facts.health_reason),
            "it is healthy again by itself once the path is good; see: sallyport show events"};
  }
  if (!facts.missing_children.empty()) {
    Explanation about = found(facts);
    const size_t colon = about.why.find(": ");
    const std::string reason = about.why.starts_with("is down: ") ? about.why.substr(colon) : "";
    return {about.cause == Cause::kConnecting ? Cause::kPartial : about.cause,
            fmt::format("is up, but not its CHILD_SA {}{}", facts.missing_children, reason), about.advice};
  }
  if (facts.charon_error)
    return {Cause::kNone, "is up; charon is not running, so its keys cannot be renewed", kSeeGateway};
  return {Cause::kNone, "is up", ""};
}

}  // namespace sallyport::control
