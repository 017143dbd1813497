// What a prompt format must be able to do; one implementation a format.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/adapter/prompt_template.hpp"
#include "hone/core/prompt.hpp"
#include "hone/core/reply_plan.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"

namespace hone::internal {

// Demos sorted by what they have: see PromptTemplate. Complete ones have every field: an optional
// that was not given is null in them.
struct DemoSet {
  std::vector<Value> incomplete;
  std::vector<Value> complete;
};
DemoSet sort_demos(const Signature& signature, const std::vector<Value>& demos);

// One output as found in a reply, before its type is looked at. Neither: it is not there.
struct RawOutput {
  std::optional<std::string> text;
  std::optional<Value> value;  // from JSON
  bool found() const { return text || value; }
};

class Layout {
 public:
  explicit Layout(const Signature& signature) : signature_(signature) {}
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
  virtual ~Layout() = default;

  const Signature& signature() const { return signature_; }
  virtual Format format() const = 0;
  virtual Segments fixed(const DemoSet& demos) const = 0;
  virtual void render(const Value& inputs, Segments& out) const = 0;
  virtual ReplyPlan plan() const = 0;
  // One entry an output, in order. Precondition: the reply is UTF-8.
  virtual std::vector<RawOutput> read(std::string_view reply) const = 0;
  // What a model must do about a missing output: "write it below the line [[ ## label ## ]]".
  virtual std::string missing_hint(const Field& field) const = 0;

 private:
  Signature signature_;
};

std::unique_ptr<Layout> make_chat_layout(const Signature& signature);
std::unique_ptr<Layout> make_completion_layout(const Signature& signature);
std::unique_ptr<Layout> make_json_layout(const Signature& signature);
std::unique_ptr<Layout> make_xml_layout(const Signature& signature);

}  // namespace hone::internal
