// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/why_text.h"

namespace sallyport::cli {

std::string why_text(const nlohmann::json& answer, Colours colours) {
  std::string text;
  for (const nlohmann::json& tunnel : answer.at("tunnels")) {
    const auto value = [&tunnel](const char* key) { return printable(tunnel.at(key).get<std::string>()); };
    const Colour colour = value("cause") == "none" ? Colour::kGreen : Colour::kRed;
    const std::string advice = value("advice");
    text += painted(value("tunnel"), colour, colours) + " " + value("why") +
            (advice.empty() ? "" : "; " + advice) + "\n";
  }
  return text.empty()
             ? "it has no tunnels: its public addresses and its site's peers are of different families\n"
             : text;
}

}  // namespace sallyport::cli
