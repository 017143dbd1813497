// Processes that share a model file and what is stored beside it.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
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

// Kilobytes of the file's mappings in this process, by what /proc calls them.
std::map<std::string, std::size_t> mapped_kilobytes(const std::filesystem::path& path) {
  std::map<std::string, std::size_t> sums;
  std::ifstream maps("/proc/self/smaps");
  bool is_of_file = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string name;
    std::size_t kilobytes = 0;
    words >> name;
    if (!name.ends_with(':')) {
      is_of_file = line.ends_with(" " + path.string());
    } else if (is_of_file && words >> kilobytes) {
      sums[name] += kilobytes;
    }
  }
  return sums;
}

std::shared_ptr<LocalLm> open_and_ask(const std::filesystem::path& model) {
  LocalOptions options;
  options.model = model;
  options.context_cells = 256;
  options.tuning = LocalTuning{};
  auto lm = LocalLm::open(options).value();
  EXPECT_TRUE(lm->complete_one(
      make_request(text_prompt("", "A"), {LabelSlot{"l", " ", {"x", "y"}, "", {}}})));
  return lm;
}

// Run by the test below while its own process has the model open.
TEST_F(ModelProcesses, DISABLED_SecondReader) {
  const char* folder = std::getenv(kFolder);
  if (folder == nullptr) GTEST_SKIP() << "is for HaveTheWeightsInMemoryOnce";
  const auto path = std::filesystem::path(folder) / "model.gguf";
  const auto lm = open_and_ask(path);
  auto kilobytes = mapped_kilobytes(path);
  const std::size_t resident = kilobytes["Rss:"];
  EXPECT_GT(resident, std::filesystem::file_size(path) / 1024 / 10 * 9);
  EXPECT_LT(kilobytes["Pss:"], resident / 10 * 6);  // each is charged with half of what both map
}

TEST_F(ModelProcesses, HaveTheWeightsInMemoryOnce) {
  if (!serves_all_products(*GgufHead::read(smollm2_path())))
    GTEST_SKIP() << "on this processor llama.cpp lays the weights out anew, in each process";
  const tests::TemporaryFolder folder;
  std::filesystem::copy_file(smollm2_path(), folder / "model.gguf");
  const auto lm = open_and_ask(folder / "model.gguf");
  ASSERT_EQ(0, setenv(kFolder, folder.path().c_str(), 1));
  const auto ended = run_process(
      {std::filesystem::read_symlink("/proc/self/exe").string(),
       "--gtest_filter=ModelProcesses.DISABLED_SecondReader", "--gtest_also_run_disabled_tests"},
      {});
  unsetenv(kFolder);
  EXPECT_EQ(ended.value().exit_code, 0) << ended->messages;
}

}  // namespace
}  // namespace hone::local
