// What `hone optimize` prints at its end.
#include "hone/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hone::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Report, ShowsBothEndsOfALongPromptAndEachRoleOnce) {
  Report report;
  report.prompt = "--- text\nRoute the ticket.\n";
  for (int i = 0; i < 40; ++i) {
    const std::string number = std::to_string(i);
    report.prompt += "--- text\n\n\nTicket: demo " + number + "\nQueue: billing " + number + "\n";
  }
  report.prompt += "--- text\n\n\nTicket: the last\nQueue:\nreply:\n technical\n";
  const std::string text = report_text(report);
  EXPECT_THAT(text, HasSubstr("  --- text\n  Route the ticket.\n\n  Ticket: demo 0\n"));
  EXPECT_THAT(text, HasSubstr(" lines …\n"));
  EXPECT_THAT(text, Not(HasSubstr("demo 20")));
  EXPECT_THAT(text, HasSubstr("  Ticket: the last\n  Queue:\n  reply:\n   technical\n"));
  EXPECT_THAT(text, Not(HasSubstr("\n\n\n")));
  EXPECT_EQ(text.find("--- text"), text.rfind("--- text"));
}

TEST(Report, ShowsAShortPromptWhole) {
  Report report;
  report.prompt = "--- user\nSay yes.\n--- assistant\nyes\n--- user\nSay no.\nreply:\nno\n";
  EXPECT_THAT(report_text(report), HasSubstr("  --- user\n  Say yes.\n  --- assistant\n  yes\n"
                                             "  --- user\n  Say no.\n  reply:\n  no\n"));
}

TEST(Report, ARunWithoutAScoreIsNeitherFixedNorBroken) {
  const auto run = [](std::optional<double> score) {
    Rollout rollout;
    rollout.score = score;
    return rollout;
  };
  const Evaluation before{{run(1), run({}), run(0), run(1)}};
  const Evaluation after{{run({}), run(1), run(1), run(0)}};
  Report report;
  compare(Examples(4, Example(Value::object({{"a", 1}}))), before, after, report);
  EXPECT_EQ(report.fixed_count, 1U);
  EXPECT_EQ(report.broken_count, 1U);
}

TEST(Report, SaysHowManyExamplesABudgetLeftTimeFor) {
  Report report;
  report.val_after.examples = 7;
  report.val_after.met = 5;
  EXPECT_THAT(report_text(report), HasSubstr("on 5 of 7 validation examples"));
  report.val_after.met = 7;
  EXPECT_THAT(report_text(report), HasSubstr("on 7 validation examples"));
}

}  // namespace
}  // namespace hone::cli
