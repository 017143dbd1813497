// Measuring the engine's settings, once for a model and a machine.
#include <algorithm>
#include <atomic>
#include <thread>

#include "lm/local/machine.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

class ModelTuning : public ModelTest {
 protected:
  LocalOptions options() const {
    LocalOptions options;
    options.model = smollm2_path();
    options.tuning_folder = folder_.path() / "tuning";
    return options;
  }

 private:
  tests::TemporaryFolder folder_;
};

TEST_F(ModelTuning, HappensOnceWhoeverComesFirst) {
  std::atomic<int> measured = 0;
  const auto tune = [&] { ASSERT_TRUE(tune_at_first_use(options(), [&] { ++measured; })); };
  {
    const std::jthread other(tune);
    tune();
  }
  tune();
  EXPECT_EQ(measured, 1);
}

TEST_F(ModelTuning, IsWhatOpenUsesWhateverTheModelIsCalled) {
  const auto id = content_id(smollm2_path());
  const LocalTuning tuning{false, 17, 96};
  ASSERT_TRUE(save_tuning(options().tuning_folder, id.value(), tuning));
  LocalOptions named = options();
  named.name = "a name of its own";
  EXPECT_EQ(LocalLm::open(named).value()->tuning(), tuning);
  bool has_begun = false;
  ASSERT_TRUE(tune_at_first_use(named, [&] { has_begun = true; }));
  EXPECT_FALSE(has_begun);
}

TEST_F(ModelTuning, AMissingModelIsAnError) {
  LocalOptions missing = options();
  missing.model = "none.gguf";
  EXPECT_EQ(tune_at_first_use(missing, [] {}).error().kind, ErrorKind::bad_request);
}

// A cache that cannot be written must not keep anyone from working.
TEST_F(ModelTuning, WithoutAFolderNothingIsMeasured) {
  LocalOptions nowhere = options();
  nowhere.tuning_folder.clear();
  bool has_begun = false;
  EXPECT_TRUE(tune_at_first_use(nowhere, [&] { has_begun = true; }));
  EXPECT_FALSE(has_begun);
}

}  // namespace
}  // namespace hone::local
