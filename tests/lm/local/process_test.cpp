// Processes that share a model file and what is stored beside it.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "hone/base/file.hpp"

#include "lm/local/machine.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/subprocess.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

constexpr const char* kFolder = "HONE_TEST_SHARED_FOLDER";

class ModelProcesses : public ModelTest {};

std::string scores_text(const std::filesystem::path& folder) {
  LocalOptions options;
  options.model = folder / "model.gguf";
  options.tuning_folder = folder / "tuning";
  options.context_cells = 1024;
  options.exact = true;  // results independent of the tuning read
  const auto lm = LocalLm::open(options).value();
  const std::string content = content_id(options.model).value();
  // Stored and read while the other process does the same.
  std::string text;
  for (std::size_t round = 0; round < 4; ++round) {
    const LocalTuning tuning{.flash_attention = true, .width = 16 + round};
    save_tuning(options.tuning_folder, content, tuning).value();
    if (!load_tuning(options.tuning_folder, content)) return "a tuning was lost";
    for (int i = 0; i < 6; ++i) {
      const auto reply =
          lm->complete_one(make_request(text_prompt("Lucky or not?", " " + std::to_string(i)),
                                        {LabelSlot{"l", " ", {"yes", "no"}, "", {}}}));
      for (const double score : reply.value().labels[0].log_probs)
        text += std::to_string(score) + "\n";
    }
  }
  return text;
}

// Run by the test below in processes of their own.
TEST_F(ModelProcesses, DISABLED_Worker) {
  const char* folder = std::getenv(kFolder);
  if (folder == nullptr) GTEST_SKIP() << "is for SharingAModelAndItsTuning";
  std::ofstream(std::filesystem::path(folder) / ("scores-" + std::to_string(getpid())))
      << scores_text(folder);
}

TEST_F(ModelProcesses, SharingAModelAndItsTuning) {
  const tests::TemporaryFolder folder;
  // The re-quantized copy both map.
  ASSERT_TRUE(quantize_gguf(smollm2_path(), folder / "model.gguf", "Q4_0"));
  ASSERT_EQ(0, setenv(kFolder, folder.path().c_str(), 1));
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto work = [&self] {
    const auto ended = run_process(
        {self, "--gtest_filter=ModelProcesses.DISABLED_Worker", "--gtest_also_run_disabled_tests"},
        {});
    EXPECT_EQ(ended.value().exit_code, 0) << ended->messages;
  };
  {
    const std::jthread one(work);
    const std::jthread other(work);
  }
  unsetenv(kFolder);
  const std::string expected = scores_text(folder.path());
  std::size_t workers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (!entry.path().filename().string().starts_with("scores-")) continue;
    ++workers;
    EXPECT_EQ(read_file(entry.path()).value(), expected);
  }
  EXPECT_EQ(workers, 2U);
}

}  // namespace
}  // namespace hone::local
