// Bad models, bad requests, stops.
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <thread>

#include "hone/base/file.hpp"

#include "lm/local/machine.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

using tests::TemporaryFolder;

class ModelFaults : public ModelTest {};

Error open_error(const std::filesystem::path& path) {
  LocalOptions options;
  options.model = path;
  options.context_cells = 512;
  const auto opened = LocalLm::open(options);
  EXPECT_FALSE(opened);
  return opened ? Error{} : opened.error();
}

TEST(LocalOpen, NamesWhatIsMissing) {
  const Error error = open_error("nowhere/model.gguf");
  EXPECT_EQ(error.kind, ErrorKind::bad_request);
  EXPECT_EQ(error.text(), "nowhere/model.gguf: there is no such model file");
}

TEST(LocalOpen, QuantizingNeedsAKnownType) {
  const auto done = quantize_gguf("in.gguf", "out.gguf", "Q4_00");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("did you mean Q4_0"), std::string::npos)
      << done.error().text();
}

TEST_F(ModelFaults, TruncatedFile) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(smollm2_path(), folder / "cut.gguf");
  for (const std::uintmax_t size : {30'000'000U, 100'000U, 5U}) {
    std::filesystem::resize_file(folder / "cut.gguf", size);
    const Error error = open_error(folder / "cut.gguf");
    EXPECT_EQ(error.kind, ErrorKind::bad_request) << error.text();
    EXPECT_NE(error.text().find("cut.gguf"), std::string::npos);
    EXPECT_EQ(error.text().find("/proc/"), std::string::npos) << error.text();
  }
}

// ---- A file that changes while it is open ----

class ModelHeldFile : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (IsSkipped()) return;
    std::filesystem::copy_file(smollm2_path(), folder_ / "model.gguf");
    LocalOptions options;
    options.model = folder_ / "model.gguf";
    options.context_cells = 256;
    options.tuning = LocalTuning{};
    lm_ = LocalLm::open(options).value();
  }
  Result<LmReply> ask() const {
    return lm_->complete_one(
        make_request(text_prompt("", "A"), {LabelSlot{"l", " ", {"x", "y"}, "", {}}}));
  }
  std::filesystem::path path() const { return folder_ / "model.gguf"; }

  TemporaryFolder folder_;
  std::shared_ptr<LocalLm> lm_;
};

TEST_F(ModelHeldFile, CutShort) {
  EXPECT_TRUE(ask());
  const auto size = std::filesystem::file_size(path());
  std::filesystem::resize_file(path(), size - 100);
  const auto cut = ask();
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().kind, ErrorKind::bad_request);
  EXPECT_NE(cut.error().text().find("model.gguf"), std::string::npos);
  EXPECT_NE(cut.error().message.find("to " + std::to_string(size - 100) + " bytes"),
            std::string::npos)
      << cut.error().text();
  EXPECT_FALSE(ask());
}

TEST_F(ModelHeldFile, WrittenTo) {
  std::fstream(path(), std::ios::binary | std::ios::in | std::ios::out).write("GGUG", 4);
  const auto changed = ask();
  ASSERT_FALSE(changed);
  EXPECT_NE(changed.error().message.find("written to"), std::string::npos);
}

TEST_F(ModelHeldFile, WrittenToAnywhere) {
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(path()) / 2 + 40'000);
  std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(middle);
  const int byte = file.get();
  file.seekp(middle);
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  const auto changed = ask();
  ASSERT_FALSE(changed);
  EXPECT_NE(changed.error().message.find("written to"), std::string::npos);
}

TEST_F(ModelHeldFile, TouchedOrReplacedGoesOn) {
  std::filesystem::last_write_time(path(), std::filesystem::file_time_type::clock::now());
  EXPECT_TRUE(ask());
  write_file(path(), "another file takes its name").value();
  EXPECT_TRUE(ask());
}

TEST_F(ModelFaults, TheModelLoadedIsTheFileThatWasIdentified) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(smollm2_path(), folder / "model.gguf");
  const auto held = HeldFile::open(folder / "model.gguf").value();
  write_file(folder / "model.gguf", "another file takes its name").value();
  const auto model = load_model(held);
  ASSERT_TRUE(model) << model.error().text();
  EXPECT_EQ(held.content_id(), content_id(smollm2_path()).value());
}

TEST_F(ModelFaults, UnknownArchitecture) {
  const TemporaryFolder folder;
  std::string bytes = read_file(smollm2_path()).value();
  const std::size_t place = bytes.find("general.architecture");
  ASSERT_NE(place, std::string::npos);
  const std::size_t name = bytes.find("llama", place);
  bytes.replace(name, 5, "lamma");
  std::ofstream(folder / "odd.gguf", std::ios::binary) << bytes;
  const Error error = open_error(folder / "odd.gguf");
  EXPECT_EQ(error.kind, ErrorKind::bad_request);
  EXPECT_NE(error.message.find("lamma"), std::string::npos) << error.text();
}

// llama.cpp takes these numbers on trust and ends the process.
TEST_F(ModelFaults, NumbersOfTheHeadThatMakeNoSense) {
  const TemporaryFolder folder;
  const auto path = folder / "head.gguf";
  std::filesystem::copy_file(smollm2_path(), path);
  std::string head(1 << 16, '\0');
  std::ifstream(path, std::ios::binary)
      .read(head.data(), static_cast<std::streamsize>(head.size()));
  const auto with = [&](const std::string& key, const auto& number) {
    // Behind the key: four bytes that tell the type, then the number.
    const std::size_t place = head.find(key) + key.size() + 4;
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(place));
    file.write(reinterpret_cast<const char*>(&number), sizeof number);
    file.close();
    const Error error = open_error(path);
    std::fstream mended(path, std::ios::binary | std::ios::in | std::ios::out);
    mended.write(head.data(), static_cast<std::streamsize>(head.size()));
    EXPECT_EQ(error.kind, ErrorKind::bad_request);
    EXPECT_NE(error.text().find(key), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("head.gguf"), std::string::npos) << error.text();
  };
  for (const std::uint32_t layers : {0U, 513U, 4'000'000'000U}) with("llama.block_count", layers);
  for (const float epsilon :
       {-1.0F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    with("llama.attention.layer_norm_rms_epsilon", epsilon);
  }
}

TEST_F(ModelFaults, LogitsThatAreNotNumbers) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(smollm2_path(), folder / "nan.gguf");
  gguf_init_params params{true, nullptr};
  gguf_context* file = gguf_init_from_file((folder / "nan.gguf").c_str(), params);
  ASSERT_NE(file, nullptr);
  const std::int64_t tensor = gguf_find_tensor(file, "output_norm.weight");
  ASSERT_GE(tensor, 0);
  const std::size_t offset = gguf_get_data_offset(file) + gguf_get_tensor_offset(file, tensor);
  gguf_free(file);
  {
    std::fstream out(folder / "nan.gguf", std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(offset));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (int i = 0; i < 64; ++i) out.write(reinterpret_cast<const char*>(&nan), sizeof nan);
  }
  LocalOptions options;
  options.model = folder / "nan.gguf";
  options.context_cells = 512;
  const auto lm = LocalLm::open(options).value();
  const std::vector<LmRequest> requests = {
      make_request(text_prompt("", "A"), {LabelSlot{"l", " ", {"x", "y"}, "", {}}}),
      make_request(text_prompt("", "B"), {TextSlot{"t", " ", "", {"\n"}, 4}})};
  for (const auto& reply : lm->complete(requests, {})) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::internal);
    EXPECT_NE(reply.error().message.find("not numbers"), std::string::npos) << reply.error().text();
  }
}

TEST_F(ModelFaults, PromptsThatDoNotFitAreNamedAndLeaveTheOthersAlone) {
  auto impl = open(false, 256);
  std::string demo = "A long demo";
  for (int i = 0; i < 200; ++i) demo += " and more of it";
  const std::vector<LmRequest> requests = {
      make_request(text_prompt("Short.", " Yes?"), {LabelSlot{"l", " ", {"x", "y"}, "", {}}}),
      make_request(Prompt(std::make_shared<const Segments>(Segments{
                              Segment(Role::text, "Instruction."), Segment(Role::text, demo)}),
                          {Segment(Role::text, "\nInput")}),
                   {LabelSlot{"l", " ", {"x", "y"}, "", {}}})};
  const auto replies = impl->complete(requests, {});
  EXPECT_TRUE(replies[0]);
  ASSERT_FALSE(replies[1]);
  const Error& error = replies[1].error();
  EXPECT_EQ(error.kind, ErrorKind::bad_request);
  EXPECT_NE(error.message.find("256"), std::string::npos);
  EXPECT_NE(error.message.find("part 2 of 3"), std::string::npos) << error.text();
  EXPECT_NE(error.message.find("A long demo"), std::string::npos);
}

std::vector<std::string> paired_labels(const std::string& tail) {
  const std::vector<std::string> words = {"card", "payment", "transfer", "account",
                                          "fee",  "limit",   "pin",      "cash"};
  std::vector<std::string> labels;
  for (const std::string& first : words) {
    for (const std::string& second : words) labels.push_back(first + "_" + second + tail);
  }
  return labels;
}

TEST_F(ModelFaults, LabelsThatDoNotFitBesideThePromptAreItsFault) {
  auto impl = open(false, 1024);
  const std::vector<LmRequest> requests = {
      make_request(text_prompt("Instruction.", repeated(" and", 950)),
                   {LabelSlot{"l", " ", paired_labels("_issue"), "\n", {}}}),
      make_request(text_prompt("Instruction.", repeated(" and", 750)),
                   {LabelSlot{"l", " ", paired_labels("_issue"), "\n", {}}})};
  ASSERT_GT(impl->tokens_of(requests[1]).value().branches, 100U);
  const auto replies = impl->complete(requests, {});
  ASSERT_FALSE(replies[0]);
  EXPECT_EQ(replies[0].error().kind, ErrorKind::bad_request);
  EXPECT_NE(replies[0].error().message.find("part 2 of 2"), std::string::npos)
      << replies[0].error().text();
  EXPECT_NE(replies[0].error().message.find("1024"), std::string::npos);
  EXPECT_TRUE(replies[1]) << replies[1].error().text();
}

// What comes after a value may not fit any more; that is known only then.
TEST_F(ModelFaults, ARequestThatTurnsOutNotToFitEndsAndLeavesTheOthersAlone) {
  const std::vector<LmRequest> requests = {
      make_request(text_prompt("Short.", " Yes?"), {LabelSlot{"l", " ", {"x", "y"}, "", {}}}),
      make_request(text_prompt(repeated(" a", 400), " b c"),
                   {TextSlot{"t", " ", "", {"\n"}, 4}, ForcedText{"\nLabel:"},
                    LabelSlot{"l", " ", paired_labels("_issue"), "\n", {}}}),
      make_request(text_prompt(repeated(" a", 300), " d"), {TextSlot{"t", " ", "", {"\n"}, 4}})};
  for (const bool exact : {false, true}) {
    auto impl = open(exact, 512);
    const auto replies = impl->complete(requests, {});
    EXPECT_TRUE(replies[0]);
    ASSERT_FALSE(replies[1]);
    EXPECT_EQ(replies[1].error().kind, ErrorKind::bad_request);
    EXPECT_NE(replies[1].error().message.find("context_cells"), std::string::npos)
        << replies[1].error().text();
    EXPECT_TRUE(replies[2]);
    EXPECT_GT(impl->counters().restarts, 0);
  }
}

TEST_F(ModelFaults, WhatIsTooLongIsNamedWithWhatToDo) {
  auto impl = open(false, 512);
  const auto message = [&](const std::string& fixed, const std::string& input) {
    const auto reply =
        impl->complete(std::vector{make_request(text_prompt(fixed, input),
                                                {LabelSlot{"l", " ", {"x", "y"}, "", {}}})},
                       {});
    EXPECT_FALSE(reply.front());
    return reply.front() ? std::string() : reply.front().error().message;
  };
  const std::string demos = message(repeated(" a", 10000), " b");
  EXPECT_NE(demos.find("part 1 of 2"), std::string::npos) << demos;
  EXPECT_NE(demos.find("fewer or shorter demos"), std::string::npos) << demos;
  const std::string input = message("b", repeated(" a", 10000));
  EXPECT_NE(input.find("part 2 of 2"), std::string::npos) << input;
  EXPECT_NE(input.find("shorten the input"), std::string::npos) << input;
}

TEST_F(ModelFaults, ARequestThatNeedsTheWholeCacheGetsIt) {
  for (const bool exact : {false, true}) {
    auto impl = open(exact, 512);
    // Stays in the cache.
    EXPECT_TRUE(impl->complete(std::vector<LmRequest>{make_request(
                                   text_prompt(repeated(" one", 200), " b"),
                                   {LabelSlot{"l", " ", {"x", "y"}, "", {}}})},
                               {})
                    .front());
    const auto reply = impl->complete(
        std::vector<LmRequest>{make_request(text_prompt(repeated(" two", 290), " b"),
                                            {TextSlot{"t", "", "", {"never seen"}, 40}})},
        {});
    ASSERT_TRUE(reply.front()) << reply.front().error().text();
    EXPECT_GT(impl->counters().evicted_prefixes, 0);
  }
}

TEST_F(ModelFaults, AGrammarThatDoesNotParse) {
  auto impl = open(false, 256);
  const auto replies = impl->complete(
      std::vector<LmRequest>{
          make_request(text_prompt("", "A"), {TextSlot{"t", " ", "root ::= (", {}, 4}}),
          make_request(text_prompt("", "A"), {TextSlot{"t", " ", "", {}, 4}}),
          make_request(text_prompt("", "A"), {LabelSlot{"t", " ", {}, "", {}}}),
          make_request(text_prompt("", "A"), {LabelSlot{"t", " ", {"a", "b"}, "", {}}})},
      {});
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_FALSE(replies[i]) << i;
    EXPECT_EQ(replies[i].error().kind, ErrorKind::bad_request);
  }
  EXPECT_TRUE(replies[3]);
}

TEST_F(ModelFaults, AStopEndsACallAndTheEngineGoesOn) {
  auto impl = open(false, 512);
  const std::vector<LmRequest> requests = {
      make_request(text_prompt("", "One"), {TextSlot{"t", " ", "", {"never"}, 200}}),
      make_request(text_prompt("", "Two"), {TextSlot{"t", " ", "", {"never"}, 200}})};
  std::stop_source stop;
  int rows = 0;
  impl->scheduler().observe_rows([&](const Tokens&, std::span<const float>) {
    if (++rows == 6) stop.request_stop();
  });
  for (const auto& reply : impl->complete(requests, stop.get_token())) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::stopped);
  }
  EXPECT_LE(rows, 8);
  impl->scheduler().observe_rows({});
  EXPECT_EQ(impl->counters().used_cells, 0U);
  auto request = make_request(text_prompt("", "Three"), {TextSlot{"t", " ", "", {"never"}, 2}});
  EXPECT_TRUE(impl->complete(std::vector<LmRequest>{request}, {}).front());
}

TEST_F(ModelFaults, WhoIsStoppedDoesNotWaitForItsTurn) {
  auto impl = open(false, 512);
  const auto request = make_request(text_prompt("", "One"), {TextSlot{"t", " ", "", {"never"}, 4}});
  std::vector<Result<LmReply>> second;
  impl->scheduler().observe_rows([&](const Tokens&, std::span<const float>) {
    if (!second.empty()) return;
    std::stop_source stop;
    // It ends although the first call is computing, which would wait here for ever.
    std::jthread([&] {
      stop.request_stop();
      second = impl->complete(std::vector{request}, stop.get_token());
    }).join();
  });
  EXPECT_TRUE(impl->complete(std::vector{request}, {}).front());
  impl->scheduler().observe_rows({});
  ASSERT_EQ(second.size(), 1U);
  ASSERT_FALSE(second.front());
  EXPECT_EQ(second.front().error().kind, ErrorKind::stopped);
}

TEST_F(ModelFaults, AnAdapterThatIsNone) {
  LocalOptions options;
  options.model = smollm2_path();
  options.context_cells = 256;
  options.lora = smollm2_path();
  const auto opened = LocalLm::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::bad_request);
}

}  // namespace
}  // namespace hone::local
