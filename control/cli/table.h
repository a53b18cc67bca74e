// SPDX-License-Identifier: BSD-3-Clause
// Aligned tables of bounded width for a terminal. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

enum class Align : uint8_t { kLeft, kRight };
enum class Colour : uint8_t { kNone, kGreen, kYellow, kRed, kDim };
enum class Colours : uint8_t { kOff, kOn };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  size_t widest = 40;  // longer cells end in "..."; 0: unbounded, for the last column
};

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell for each column.
  void add_row(std::vector<Cell> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Titles, then the rows; no trailing blanks; every line ends in a newline. A column without any text is
  // left out.
  [[nodiscard]] std::string text(Colours colours) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// The text in a colour, or as it is.
[[nodiscard]] std::string painted(std::string_view text, Colour colour, Colours colours);
// Without control characters: what an answer holds must not steer the terminal.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace sallyport::cli
