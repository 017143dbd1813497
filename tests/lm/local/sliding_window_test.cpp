// Models whose layers look back a window of tokens only. Runs where gemma-270m-base was pulled.
#include <string>
#include <vector>

#include "lm/local/model_fixture.hpp"

namespace hone::local {
namespace {

// As many words as come to so many tokens.
std::string text_of(LocalLm::Impl& impl, const std::string& word, std::size_t tokens) {
  std::string text;
  for (int i = 0;; ++i) {
    if (i % 10 == 0) {
      const auto request =
          make_request(text_prompt(text, " x"), {LabelSlot{"l", " ", {"7", "3"}, "", {}}});
      if (impl.tokens_of(request)->path.size() >= tokens) return text;
    }
    text += word + std::to_string(i % 10);
  }
}

TEST(SlidingWindowModel, APrefixOfManyWindowsCanBeForkedAnywhere) {
  LocalOptions options;
  options.model = model_folder() / "gemma-270m-base-q4_0.gguf";
  if (!std::filesystem::exists(options.model)) GTEST_SKIP() << "gemma-270m-base is not here";
  options.tuning = LocalTuning{};
  const std::vector<ReplyPart> reply = {LabelSlot{"l", " ", {"7", "3", "good", "bad"}, "", {}}};
  const auto ask = [&](const std::string& fixed, const std::string& rest) {
    return make_request(text_prompt(fixed, rest), reply);
  };
  auto impl = LocalLm::Impl::open(options).value();
  const std::string kept = text_of(*impl, " a", 1050);  // the window is 512
  const LmRequest fork = ask(text_of(*impl, " a", 450), " and then");
  // The first goes when the third has come, and the last fills its place and more.
  answer(*impl, ask(text_of(*impl, " b", 1900), " x"));
  answer(*impl, ask(kept, " x"));
  answer(*impl, ask(text_of(*impl, " c", 1800), " x"));
  answer(*impl, ask(kept, " y"));
  answer(*impl, ask(text_of(*impl, " d", 2100), " x"));
  const LmReply forked = answer(*impl, fork);
  EXPECT_LT(forked.usage.computed_tokens, 100) << "the prefix is shared";
  const LmReply alone = answer(*LocalLm::Impl::open(options).value(), fork);
  ASSERT_EQ(forked.labels.size(), 1U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(forked.labels[0].log_probs[i], alone.labels[0].log_probs[i], 0.5) << i;
  }
}

}  // namespace
}  // namespace hone::local
