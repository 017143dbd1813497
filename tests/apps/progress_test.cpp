#include "hone/progress.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "hone/testing/fake_clock.hpp"

namespace hone::cli {
namespace {

using std::chrono::seconds;

struct Screen {
  std::string text;
  Console console(bool is_terminal, bool color, std::size_t width = 80) {
    return {is_terminal, color, [width] { return width; },
            [this](std::string_view more) { text += more; }};
  }
};

Usage calls(std::int64_t count) {
  Usage usage;
  usage.lm_calls = count;
  return usage;
}

TEST(Progress, PlainLinesComeAtMostEveryFiveSeconds) {
  Screen screen;
  const Console console = screen.console(false, false);
  FakeClock clock;
  Progress progress(console, clock, false);
  progress.phase("baseline");
  for (std::size_t done = 1; done <= 10; ++done) {
    clock.advance(seconds(1));
    progress.on_event(RolloutsProgress{done, 10, calls(static_cast<std::int64_t>(done))});
  }
  progress.on_event(TrialFinished{0, "baseline", 0.5, 10, true, true, 0.5});
  EXPECT_EQ(screen.text,
            "baseline\n"
            "baseline 5/10, 5 calls, 5.0 s\n"
            "baseline 10/10, 10 calls, 10.0 s\n"
            "trial 0, baseline: 50.0 on 10 examples (best)\n");
}

TEST(Progress, CallsAddUpOverBatches) {
  Screen screen;
  const Console console = screen.console(false, false);
  FakeClock clock;
  Progress progress(console, clock, false);
  progress.phase("trials");
  clock.advance(seconds(5));
  progress.on_event(RolloutsProgress{10, 10, calls(10)});
  clock.advance(seconds(5));
  progress.on_event(RolloutsProgress{2, 10, calls(2)});
  EXPECT_TRUE(screen.text.ends_with("trials 2/10, 12 calls, 10.0 s\n")) << screen.text;
}

TEST(Progress, OneLineIsRedrawnWithinTheWidth) {
  Screen screen;
  const Console console = screen.console(true, false, 30);
  FakeClock clock;
  Progress progress(console, clock, false);
  progress.phase("a phase with quite a long name");
  clock.advance(seconds(1));
  progress.on_event(RolloutsProgress{3, 10, calls(3)});
  EXPECT_EQ(screen.text.find('\n'), std::string::npos);
  std::size_t begin = 0;
  while ((begin = screen.text.find("\x1b[2K", begin)) != std::string::npos) {
    begin += 4;
    EXPECT_LT(columns(screen.text.substr(begin, screen.text.find('\r', begin) - begin)), 30U);
  }
  progress.notice("kept");
  EXPECT_TRUE(screen.text.ends_with("\r\x1b[2Kkept\n"));
}

TEST(Progress, ColorOnlyWhereItIsWanted) {
  Screen plain;
  Screen colored;
  const Console without = plain.console(true, false);
  const Console with = colored.console(true, true);
  FakeClock clock;
  Progress(without, clock, false).phase("x");
  Progress(with, clock, false).phase("x");
  EXPECT_EQ(plain.text.find("\x1b[3"), std::string::npos);
  EXPECT_NE(colored.text.find("\x1b[36m"), std::string::npos);
}

TEST(Progress, QuietKeepsNoticesAlone) {
  Screen screen;
  const Console console = screen.console(true, true);
  FakeClock clock;
  Progress progress(console, clock, true);
  progress.phase("x");
  progress.on_event(TrialFinished{0, "baseline", 0.5, 10, true, true, 0.5});
  EXPECT_EQ(screen.text, "");
  progress.notice("said");
  EXPECT_EQ(screen.text, "said\n");
}

TEST(Console, NumbersForPeople) {
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-1234), "-1,234");
  EXPECT_EQ(grouped(12), "12");
  EXPECT_EQ(duration_text(7.42), "7.4 s");
  EXPECT_EQ(duration_text(185), "3:05");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(percent(0.635), "63.5");
  EXPECT_EQ(first_columns("━━━", 2), "━━");
}

}  // namespace
}  // namespace hone::cli
