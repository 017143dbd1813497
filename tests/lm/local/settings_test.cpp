// What the settings of a request and of an engine do.
#include <cmath>
#include <limits>
#include <set>

#include "hone/lm/cached_lm.hpp"
#include "hone/lm/label_choice.hpp"

#include "lm/local/adapter_file.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/local/sampler.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

using tests::TemporaryFolder;

class ModelSettings : public ModelTest {};
class ModelAdapter : public ModelTest {};

LmRequest story(LmSettings settings, std::size_t tokens = 16,
                std::vector<std::string> stop = {"never seen"}) {
  auto request = make_request(text_prompt("Once upon a time", " there was a red, red, red"),
                              {TextSlot{"t", "", "", std::move(stop), tokens}});
  request.settings = std::move(settings);
  return request;
}

// ---- Log-probabilities ----

TEST_F(ModelSettings, LogProbabilitiesAreTheBareModels) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true);
  const Tokenizer& tokenizer = impl->tokenizer();
  // What bends the choice does not bend the score.
  LmSettings settings;
  settings.log_probs = true;
  settings.temperature = 1.3;
  settings.top_k = 40;
  settings.repetition_penalty = 1.2;
  settings.logit_bias[" river"] = 3;
  const LmReply reply = answer(*impl, story(settings));
  ASSERT_GE(reply.tokens.size(), 8U);
  Tokens context = tokenizer.encode_start("Once upon a time");
  for (const Token token : tokenizer.encode(" there was a red, red, red")) context.push_back(token);
  std::string text;
  double sum = 0;
  for (const TokenScore& scored : reply.tokens) {
    const Tokens tokens = tokenizer.encode(scored.text);
    ASSERT_EQ(tokens.size(), 1U) << scored.text;
    const double expected = log_probability(naive.logits(context), tokens.front());
    EXPECT_NEAR(scored.log_prob, expected, 1e-4) << scored.text;
    context.push_back(tokens.front());
    text += scored.text;
    sum += scored.log_prob;
  }
  EXPECT_EQ(text, reply.text);
  EXPECT_NEAR(reply.log_prob(), sum, 1e-9);
}

TEST_F(ModelSettings, LogProbabilitiesAreThereOnlyForThoseWhoAsk) {
  auto impl = open(true);  // in the fast mode two replies side by side may differ by rounding
  LmSettings scored;
  scored.log_probs = true;
  const std::vector<LmRequest> requests = {story({}), story(scored)};
  const auto replies = impl->complete(requests, {});
  EXPECT_TRUE(replies[0].value().tokens.empty());
  EXPECT_EQ(replies[0]->log_prob(), 0);
  EXPECT_FALSE(replies[1].value().tokens.empty());
  EXPECT_EQ(replies[1]->text, replies[0]->text);
}

TEST_F(ModelSettings, WhatEndsAValueHasNoLogProbability) {
  auto impl = open();
  LmSettings scored;
  scored.log_probs = true;
  scored.repetition_penalty = 1.8;  // a text that does not go round in circles
  const std::string whole = answer(*impl, story(scored)).text;
  std::size_t middle = 4;  // where three characters stand for the first time
  while (middle + 3 < whole.size() && whole.find(whole.substr(middle, 3)) != middle) ++middle;
  const std::string stop = whole.substr(middle, 3);
  const LmReply cut = answer(*impl, story(scored, 16, {stop}));
  std::string text;
  for (const TokenScore& token : cut.tokens) text += token.text;
  ASSERT_FALSE(cut.tokens.empty()) << whole;
  EXPECT_TRUE(text.starts_with(cut.text)) << text << "|" << cut.text;
  EXPECT_LT(text.size() - cut.tokens.back().text.size(), cut.text.size());

  // A grammar's closing characters are the engine's, not the model's.
  auto list = make_request(text_prompt("", "Some words:"),
                           {TextSlot{"t", " ", "root ::= \"[\\\"\" [a-z ]* \"\\\"]\"", {}, 4}});
  list.settings = scored;
  const LmReply closed = answer(*impl, list);
  EXPECT_TRUE(closed.truncated);
  EXPECT_TRUE(closed.text.ends_with("\"]"));
  EXPECT_EQ(closed.tokens.size(), 4U);
}

// ---- Samples ----

TEST_F(ModelSettings, SamplesShareOnePrefillAndDependOnNothingElse) {
  auto impl = open(true);
  LmSettings settings;
  settings.temperature = 1.2;
  std::vector<LmRequest> samples;
  for (std::uint64_t sample = 0; sample < 8; ++sample) {
    samples.push_back(story(settings, 1));
    samples.back().sample = sample;
    samples.back().seed = 17;
  }
  const std::int64_t prompt_tokens = answer(*impl, story({}, 1)).usage.prompt_tokens;
  impl->forget();
  const std::int64_t before = impl->counters().computed_tokens;
  std::int64_t computed = 0;
  for (const auto& reply : impl->complete(samples, {}))
    computed += reply.value().usage.computed_tokens;
  EXPECT_EQ(computed, prompt_tokens);
  EXPECT_EQ(impl->counters().computed_tokens - before, prompt_tokens);

  for (LmRequest& sample : samples) sample.settings.max_tokens = 10;
  std::set<std::string> texts;
  const auto together = impl->complete(samples, {});
  for (const auto& reply : together) texts.insert(reply.value().text);
  EXPECT_GE(texts.size(), 6U);

  // In another order, among others, and alone.
  std::vector<LmRequest> mixed(samples.rbegin(), samples.rend());
  for (int i = 0; i < 5; ++i)
    mixed.push_back(make_request(text_prompt("", "Something else " + std::to_string(i)),
                                 {TextSlot{"t", "", "", {"never"}, 12}}));
  const auto again = impl->complete(mixed, {});
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(again[samples.size() - 1 - i].value().text, together[i]->text);
    EXPECT_EQ(answer(*impl, samples[i]).text, together[i]->text);
  }
}

TEST_F(ModelSettings, LabelsAreDrawnAndWhatFollowsGoesOnFromTheDrawnOne) {
  auto impl = open(true);
  std::vector<LmRequest> samples;
  for (std::uint64_t sample = 0; sample < 24; ++sample) {
    samples.push_back(
        make_request(text_prompt("Choose a colour.", " Colour:"),
                     {LabelSlot{"colour", " ", {"red", "blue"}, "\n", {}},
                      ForcedText{"\nIts opposite is"}, TextSlot{"opposite", "", "", {"\n"}, 4}}));
    samples.back().settings.temperature = 3;
    samples.back().settings.top_k = 1000;
    samples.back().sample = sample;
  }
  std::set<std::size_t> chosen;
  const auto together = impl->complete(samples, {});
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const LmReply& reply = together[i].value();
    const LabelScores& scores = reply.labels.front();
    const auto& slot = std::get<LabelSlot>(samples[i].reply->parts.front());
    chosen.insert(scores.chosen);
    EXPECT_EQ(scores.log_probs, together[0]->labels.front().log_probs);
    EXPECT_EQ(scores.chosen, choose_label(scores.log_probs, slot, samples[i]));
    EXPECT_TRUE(reply.text.starts_with(" " + slot.labels[scores.chosen] + "\nIts"));
    EXPECT_EQ(answer(*impl, samples[i]).text, reply.text);
  }
  EXPECT_EQ(chosen.size(), 2U);
}

TEST_F(ModelSettings, SamplesAndBiasesOfOneChoiceAreComputedOnce) {
  LocalOptions options;
  options.model = smollm2_path();
  options.context_cells = 512;
  options.keep_prefixes = false;
  options.tuning = LocalTuning{};
  const auto lm = LocalLm::open(options).value();
  const auto choice = [](std::vector<double> bias) {
    return make_request(text_prompt("Choose a colour.", " Colour:"),
                        {LabelSlot{"colour", " ", {"red", "blue"}, "\n", std::move(bias)}});
  };
  const LmReply greedy = lm->complete_one(choice({})).value();
  std::vector<LmRequest> requests;
  for (std::uint64_t sample = 0; sample < 20; ++sample) {
    requests.push_back(choice(sample < 16 ? std::vector<double>{} : std::vector<double>{5, 0}));
    requests.back().settings.temperature = 1;
    requests.back().sample = sample;
  }
  const LocalCounters before = lm->counters();
  const auto replies = lm->complete(requests, {});
  const LocalCounters after = lm->counters();
  EXPECT_EQ(after.computed_tokens - before.computed_tokens, before.computed_tokens);
  EXPECT_EQ(after.merged_requests - before.merged_requests, 19);

  const auto cached = CachedLm::open(lm).value();
  const auto from_cache = cached->complete(requests, {});
  std::set<std::string> texts;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const LabelScores& scores = replies[i].value().labels.front();
    EXPECT_EQ(scores.log_probs, greedy.labels.front().log_probs);
    EXPECT_EQ(replies[i]->text, from_cache[i].value().text) << i;
    EXPECT_EQ(scores.chosen, from_cache[i]->labels.front().chosen) << i;
    texts.insert(replies[i]->text);
  }
  EXPECT_EQ(texts.size(), 2U);
}

// ---- Options ----

TEST_F(ModelSettings, ThatAreNoFiniteNumbersAreRefused) {
  auto impl = open(false, 256);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<LmRequest> requests;
  const auto add = [&](const auto& change) {
    LmSettings settings;
    change(settings);
    requests.push_back(story(settings, 1));
  };
  add([&](LmSettings& s) { s.temperature = nan; });
  add([&](LmSettings& s) { s.temperature = infinity; });
  add([&](LmSettings& s) { s.top_p = nan; });
  add([&](LmSettings& s) { s.min_p = nan; });
  add([&](LmSettings& s) { s.repetition_penalty = infinity; });
  add([&](LmSettings& s) { s.frequency_penalty = nan; });
  add([&](LmSettings& s) { s.presence_penalty = -infinity; });
  add([&](LmSettings& s) { s.logit_bias[" blue"] = nan; });
  add([&](LmSettings& s) { s.token_bias[3] = infinity; });
  add([&](LmSettings& s) { s.max_tokens = 0; });
  requests.push_back(story({}, 0));
  requests.push_back(
      make_request(text_prompt("", "Sky:"), {LabelSlot{"c", " ", {"blue", "red"}, "", {nan, 0}}}));
  requests.push_back(story({}, 1));
  const auto replies = impl->complete(requests, {});
  for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
    ASSERT_FALSE(replies[i]) << i;
    EXPECT_EQ(replies[i].error().kind, ErrorKind::bad_request) << i;
  }
  EXPECT_TRUE(replies.back());
}

TEST_F(ModelSettings, TruncationsOutsideZeroToOneAreRefused) {
  auto impl = open(false, 256);
  std::vector<LmRequest> requests;
  for (const double outside : {-0.001, 1.001, 50.0}) {
    for (double LmSettings::* setting : {&LmSettings::top_p, &LmSettings::min_p}) {
      LmSettings settings;
      settings.temperature = 1;
      settings.*setting = outside;
      requests.push_back(story(settings, 1));
    }
  }
  const auto replies = impl->complete(requests, {});
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_FALSE(replies[i]) << i;
    EXPECT_EQ(replies[i].error().kind, ErrorKind::bad_request) << i;
    const std::string name = i % 2 == 0 ? "top_p" : "min_p";
    EXPECT_NE(replies[i].error().message.find(name + ": expected a number from 0 to 1, got "),
              std::string::npos)
        << replies[i].error().text();
  }
}

TEST_F(ModelSettings, ADrawLeavesTheBestTokenInWhateverTheTruncationsSay) {
  auto impl = open(false, 256);
  std::vector<float> row(impl->tokenizer().vocabulary_size(), 0.0F);
  const Token best = impl->tokenizer().encode(" blue").front();
  row[static_cast<std::size_t>(best)] = 1.0F;
  LmSettings above;
  above.temperature = 1;
  above.min_p = 50;
  LmSettings nothing;
  nothing.temperature = 1;
  nothing.top_p = 0;
  for (const LmSettings& settings : {above, nothing}) {
    TokenChooser chooser(settings, 1, 0, impl->tokenizer());
    const Choice choice = chooser.choose(row, GrammarState(), false, impl->tokenizer());
    EXPECT_EQ(choice.kind, Choice::Kind::token);
    EXPECT_EQ(choice.token, best);
  }
}

TEST_F(ModelSettings, EveryOptionChangesSomething) {
  auto impl = open();
  const auto ask = [&](const auto& change, double temperature) {
    LmSettings settings;
    settings.temperature = temperature;
    change(settings);
    auto request = story(settings, 24);
    request.seed = 5;
    return answer(*impl, request).text;
  };
  const auto nothing = [](LmSettings&) {};
  const std::string greedy = ask(nothing, 0);
  const std::string drawn = ask(nothing, 1.5);
  EXPECT_NE(drawn, greedy);
  EXPECT_NE(ask(nothing, 0.7), drawn);

  // Cut to the best token, a draw is greedy.
  EXPECT_EQ(ask([](LmSettings& s) { s.top_k = 1; }, 1.5), greedy);
  EXPECT_EQ(ask([](LmSettings& s) { s.top_p = 1e-6; }, 1.5), greedy);
  EXPECT_EQ(ask([](LmSettings& s) { s.top_p = 0; }, 1.5), greedy);
  EXPECT_EQ(ask([](LmSettings& s) { s.min_p = 1; }, 1.5), greedy);
  // Cut to some, it is neither.
  for (const std::string& text : {ask([](LmSettings& s) { s.top_k = 8; }, 1.5),
                                  ask([](LmSettings& s) { s.top_p = 0.7; }, 1.5),
                                  ask([](LmSettings& s) { s.min_p = 0.1; }, 1.5)}) {
    EXPECT_NE(text, greedy);
    EXPECT_NE(text, drawn);
  }

  EXPECT_NE(ask([](LmSettings& s) { s.repetition_penalty = 1.8; }, 0), greedy);
  EXPECT_NE(ask([](LmSettings& s) { s.frequency_penalty = 2; }, 0), greedy);
  EXPECT_NE(ask([](LmSettings& s) { s.presence_penalty = 3; }, 0), greedy);
  EXPECT_TRUE(ask([](LmSettings& s) { s.logit_bias[" blue"] = 100; }, 0).starts_with(" blue blue"));
  EXPECT_LT(ask([](LmSettings& s) { s.max_tokens = 2; }, 0).size(), greedy.size());
  LmRequest other_seed = story({}, 24);
  other_seed.settings.temperature = 1.5;
  other_seed.seed = 6;
  EXPECT_NE(answer(*impl, other_seed).text, drawn);
}

TEST_F(ModelSettings, BiasesByTokenNumber) {
  auto impl = open();
  const Token blue = impl->tokenizer().encode(" blue").front();
  LmSettings pushed;
  pushed.token_bias[blue] = 100;
  EXPECT_TRUE(answer(*impl, story(pushed)).text.starts_with(" blue blue"));
  LmSettings by_text;
  by_text.logit_bias[" blue"] = 100;
  EXPECT_EQ(answer(*impl, story(by_text)).text, answer(*impl, story(pushed)).text);

  const std::string first = answer(*impl, story({}, 1)).text;
  LmSettings banned;
  banned.token_bias[impl->tokenizer().encode(first).front()] = -100;
  EXPECT_NE(answer(*impl, story(banned, 1)).text, first);
}

TEST_F(ModelSettings, ATokenTheModelDoesNotHaveIsRefused) {
  auto impl = open();
  LmSettings settings;
  settings.token_bias[1'000'000] = 1;
  const std::vector<LmRequest> requests = {story(settings), story({}, 1)};
  const auto replies = impl->complete(requests, {});
  ASSERT_FALSE(replies[0]);
  EXPECT_EQ(replies[0].error().kind, ErrorKind::bad_request);
  EXPECT_NE(replies[0].error().message.find("no token 1000000"), std::string::npos)
      << replies[0].error().text();
  EXPECT_TRUE(replies[1]);
}

// ---- Adapters ----

LocalOptions adapted(const std::filesystem::path& adapter, double scale = 1) {
  LocalOptions options;
  options.model = smollm2_path();
  options.context_cells = 512;
  options.tuning = LocalTuning{};
  options.lora = adapter;
  options.lora_scale = scale;
  return options;
}

std::vector<double> colour_scores(const LocalLm& lm) {
  return lm
      .complete_one(make_request(text_prompt("", "The sky is"),
                                 {LabelSlot{"c", " ", {"blue", "red", "green"}, "", {}}}))
      .value()
      .labels[0]
      .log_probs;
}

TEST_F(ModelAdapter, ChangesWhatTheModelSays) {
  const TemporaryFolder folder;
  write_adapter(folder / "lora.gguf", {});
  write_adapter(folder / "other.gguf", {.delta = 0.02F});
  const auto plain = LocalLm::open(adapted({})).value();
  const auto changed = LocalLm::open(adapted(folder / "lora.gguf")).value();
  const auto stronger = LocalLm::open(adapted(folder / "lora.gguf", 3)).value();
  const auto bare = colour_scores(*plain);
  const auto with = colour_scores(*changed);
  EXPECT_GT(std::abs(with[0] - bare[0]), 0.01);
  EXPECT_NE(colour_scores(*stronger), with);
  // Replies of different adapters must not meet in a cache.
  const auto other = LocalLm::open(adapted(folder / "other.gguf")).value();
  EXPECT_EQ(std::set<std::string>({plain->info().identity, changed->info().identity,
                                   stronger->info().identity, other->info().identity})
                .size(),
            4U);
}

TEST_F(ModelAdapter, HasNoExactResults) {
  const TemporaryFolder folder;
  write_adapter(folder / "lora.gguf", {});
  LocalOptions options = adapted(folder / "lora.gguf");
  options.exact = true;
  const auto opened = LocalLm::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::bad_request);
  EXPECT_NE(opened.error().text().find("exact"), std::string::npos) << opened.error().text();
}

TEST_F(ModelAdapter, ThatDoesNotFitIsAClearError) {
  const TemporaryFolder folder;
  write_adapter(folder / "wide.gguf", {.inputs = 640, .outputs = 640, .layers = 1});
  write_adapter(folder / "gemma.gguf", {.architecture = "gemma3", .layers = 1});
  write_adapter(folder / "deep.gguf", {.layers = 31});
  write_adapter(folder / "cut.gguf", {});
  std::filesystem::resize_file(folder / "cut.gguf",
                               std::filesystem::file_size(folder / "cut.gguf") / 2);
  for (const auto& [file, words] :
       std::vector<std::pair<std::string, std::string>>{{"wide.gguf", "incorrect shape"},
                                                        {"gemma.gguf", "arch"},
                                                        {"deep.gguf", "blk.30.attn_output.weight"},
                                                        {"cut.gguf", "adapter"},
                                                        {"missing.gguf", "no such"}}) {
    const auto opened = LocalLm::open(adapted(folder / file));
    ASSERT_FALSE(opened) << file;
    EXPECT_EQ(opened.error().kind, ErrorKind::bad_request);
    EXPECT_NE(opened.error().text().find(file), std::string::npos);
    EXPECT_NE(opened.error().text().find(words), std::string::npos) << opened.error().text();
  }
}

}  // namespace
}  // namespace hone::local
