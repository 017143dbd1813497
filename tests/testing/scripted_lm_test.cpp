#include "hone/testing/scripted_lm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hone/testing/fake_clock.hpp"
#include "hone/testing/faulty_lm.hpp"

#include "lm/requests.hpp"

namespace hone {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using tests::chat_request;
using tests::label_request;

TEST(ScriptedLm, AnswersWithTheFunctionAndRecordsRequests) {
  const ScriptedLm lm([](const LmRequest& request) -> Result<std::string> {
    return request.prompt.rest()[0].text() + "!";
  });
  EXPECT_EQ(lm.complete_one(chat_request("hello")).value().text, "hello!");
  EXPECT_EQ(lm.calls(), 1U);
  EXPECT_EQ(lm.requests()[0].prompt.rest()[0].text(), "hello");
  EXPECT_FALSE(lm.info().follows_plan);
}

TEST(ScriptedLm, AnswersInTurnUntilTheRepliesAreUsedUp) {
  const ScriptedLm lm = ScriptedLm::in_turn({"one", "two"});
  EXPECT_EQ(lm.complete_one(chat_request("q")).value().text, "one");
  EXPECT_EQ(lm.complete_one(chat_request("q")).value().text, "two");
  EXPECT_EQ(lm.complete_one(chat_request("q")).error().kind, ErrorKind::bad_request);
}

TEST(ScriptedLm, ScoresLabelsAndFollowsThePlan) {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-2, -1}; };
  script.value = [](const LmRequest&, const TextSlot& slot) { return "<" + slot.field + ">"; };
  const ScriptedLm lm(script);
  EXPECT_TRUE(lm.info().scores_labels);
  EXPECT_TRUE(lm.info().follows_plan);
  const LmReply reply = lm.complete_one(label_request("t")).value();
  EXPECT_EQ(reply.text, "\nLabel: negative");
  EXPECT_EQ(reply.labels[0].chosen, 1U);
  EXPECT_EQ(lm.complete_one(label_request("t", {0, 5})).value().labels[0].chosen, 0U);
  EXPECT_EQ(lm.complete_one(chat_request("q")).value().text, " <answer>");
}

TEST(ScriptedLm, AScoreOfTheWrongSizeIsADefect) {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-2}; };
  EXPECT_EQ(ScriptedLm(script).complete_one(label_request("t")).error().kind, ErrorKind::internal);
}

TEST(FaultyLm, FailsTheSameRequestsWhateverTheOrder) {
  const auto inner =
      std::make_shared<ScriptedLm>([](const LmRequest&) -> Result<std::string> { return "x"; });
  const FaultyLm lm(
      inner, {.fraction = 0.3, .seed = 5, .kinds = {ErrorKind::temporary, ErrorKind::bad_reply}});
  std::vector<LmRequest> batch;
  for (int i = 0; i < 200; ++i) batch.push_back(chat_request(std::to_string(i)));
  const auto together = lm.complete(batch, {});
  std::size_t failed = 0;
  bool saw_temporary = false;
  bool saw_bad_reply = false;
  for (std::size_t i = batch.size(); i > 0; --i) {
    const auto alone = lm.complete_one(batch[i - 1]);
    ASSERT_EQ(alone.ok(), together[i - 1].ok());
    if (alone.ok()) continue;
    ++failed;
    EXPECT_EQ(alone.error(), together[i - 1].error());
    saw_temporary = saw_temporary || alone.error().kind == ErrorKind::temporary;
    saw_bad_reply = saw_bad_reply || alone.error().kind == ErrorKind::bad_reply;
  }
  EXPECT_GT(failed, 30U);
  EXPECT_LT(failed, 90U);
  EXPECT_TRUE(saw_temporary && saw_bad_reply);
}

TEST(FakeClock, MovesWhenSomebodySleeps) {
  FakeClock clock;
  const auto begin = clock.now();
  EXPECT_TRUE(clock.sleep_for(seconds(5), {}));
  clock.advance(seconds(2));
  EXPECT_EQ(clock.now() - begin, seconds(7));
  EXPECT_THAT(clock.sleeps(), ElementsAre(seconds(5)));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.sleep_for(seconds(5), stop.get_token()));
  EXPECT_EQ(clock.slept(), seconds(5));
}

}  // namespace
}  // namespace hone
