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

}  // namespace
}  // namespace hone::cli
