// SPDX-License-Identifier: BSD-3-Clause
#include "control/config/yaml_text.h"

#include <yaml-cpp/eventhandler.h>

#include <sstream>

namespace sallyport::control {

namespace {

// Notes where the latest document starts. YAML::LoadAll() is no help here: of a text like "," it makes
// documents without end.
class StartFinder : public YAML::EventHandler {
 public:
  [[nodiscard]] const YAML::Mark& start() const { return start_; }

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}

 private:
  YAML::Mark start_;
};

}  // namespace

YamlDocument load_document(const std::string& text) {
  YamlDocument document{YAML::Load(text), std::nullopt};
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  StartFinder finder;
  if (parser.HandleNextDocument(finder) && parser.HandleNextDocument(finder))
    document.second = finder.start();
  return document;
}

}  // namespace sallyport::control
