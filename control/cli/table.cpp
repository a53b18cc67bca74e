// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/table.h"

#include <algorithm>
#include <cassert>

namespace sallyport::cli {

namespace {

constexpr std::string_view kGap = "  ";

const char* escape_of(Colour colour) {
  switch (colour) {
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kNone:
      break;
  }
  return "";
}

std::string bounded(const std::string& text, size_t widest) {
  constexpr std::string_view kCut = "...";
  if (widest <= kCut.size() || text.size() <= widest) return text;
  return text.substr(0, widest - kCut.size()).append(kCut);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return clean;
}

std::string painted(std::string_view text, Colour colour, Colours colours) {
  std::string out(text);
  if (colours == Colours::kOff || colour == Colour::kNone) return out;
  return escape_of(colour) + out + "\033[0m";
}

void Table::add_row(std::vector<Cell> cells) {
  assert(cells.size() == columns_.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i].text = bounded(printable(cells[i].text), columns_[i].widest);
  }
  rows_.push_back(std::move(cells));
}

std::string Table::text(Colours colours) const {
  std::vector<Cell> titles;
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    titles.push_back({columns_[i].title, Colour::kDim});
    size_t width = 0;
    for (const auto& row : rows_)
      width = std::max(width, row[i].text.size());
    widths.push_back(width == 0 ? 0 : std::max(width, columns_[i].title.size()));
  }
  std::string out;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    std::string line;
    size_t blanks = 0;  // owed before the next text, so that no line ends in blanks
    for (size_t i = 0; i < cells.size(); ++i) {
      if (widths[i] == 0) continue;
      const size_t pad = widths[i] - cells[i].text.size();
      if (i > 0) blanks += kGap.size();
      if (columns_[i].align == Align::kRight) blanks += pad;
      if (!cells[i].text.empty()) {
        line.append(blanks, ' ').append(painted(cells[i].text, cells[i].colour, colours));
        blanks = 0;
      }
      if (columns_[i].align == Align::kLeft) blanks += pad;
    }
    out += line + "\n";
  };
  add_line(titles);
  for (const auto& row : rows_)
    add_line(row);
  return out;
}

}  // namespace sallyport::cli
