// SPDX-License-Identifier: BSD-3-Clause
// The files that auth refers to. Their contents are looked at only as far as needed to say that they are of
// the wrong kind; nothing of them is kept.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control/config/sections.h"

namespace sallyport::control {

namespace {

enum class Readers { kOwnerOnly, kAnyone };

// Absolute path of a file that is there and not empty.
std::string read_path(Reader& reader, const Value& value, Readers readers) {
  const auto text = read_text(reader, value);
  if (!text) return "";
  const auto path = (std::filesystem::path(reader.base_dir()) / *text).lexically_normal().string();
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int error = errno;
    reader.error(value, "file " + path + ": " + std::strerror(error),
                 error == ENOENT ? "relative names start at the directory of the configuration" : "");
    return "";
  }
  if (!S_ISREG(status.st_mode)) {
    reader.error(value, path + " is not a regular file");
    return "";
  }
  if (status.st_size == 0) {
    reader.error(value, "file " + path + " is empty");
    return "";
  }
  if (readers == Readers::kOwnerOnly && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    reader.error(value, "secret " + path + " can be read by others than its owner", "chmod 600 " + path);
    return "";
  }
  return path;
}

}  // namespace

std::string read_secret_path(Reader& reader, const Value& value) {
  return read_path(reader, value, Readers::kOwnerOnly);
}

std::string read_certificate_path(Reader& reader, const Value& value) {
  return read_path(reader, value, Readers::kAnyone);
}

}  // namespace sallyport::control
