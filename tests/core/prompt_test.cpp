#include "hone/core/prompt.hpp"

#include <gtest/gtest.h>

#include "hone/core/reply_plan.hpp"

namespace hone {
namespace {

TEST(Prompt, HashIsOfTheSegmentsWhereverTheyAreKept) {
  const Segment system(Role::system, "s");
  const Segment user(Role::user, "u");
  const Prompt shared(std::make_shared<const Segments>(Segments{system}), {user});
  const Prompt own(std::make_shared<const Segments>(), {system, user});
  EXPECT_EQ(shared.hash(), own.hash());
  EXPECT_EQ(shared.size(), 2U);
  EXPECT_EQ(shared[1].text(), "u");
  EXPECT_EQ(shared.dump(), "--- system\ns\n--- user\nu\n");
}

TEST(Prompt, RoleAndCutAreParts) {
  EXPECT_NE(Segment(Role::user, "x").hash(), Segment(Role::assistant, "x").hash());
  const Prompt one(std::make_shared<const Segments>(), {Segment(Role::user, "ab")});
  const Prompt two(std::make_shared<const Segments>(),
                   {Segment(Role::user, "a"), Segment(Role::user, "b")});
  EXPECT_NE(one.hash(), two.hash());
}

TEST(Prompt, TextPromptsAreToldApart) {
  EXPECT_TRUE(Prompt(std::make_shared<const Segments>(), {Segment(Role::text, "x")}).is_text());
  EXPECT_FALSE(Prompt().is_text());
}

TEST(ReplyPlan, HashLeavesBiasesOut) {
  ReplyPlan plan;
  plan.parts = {
      LabelSlot{.field = "l", .lead = "", .labels = {"a", "b"}, .close = "\n", .bias = {}}};
  const Hash before = plan.hash();
  std::get<LabelSlot>(plan.parts[0]).bias = {1, 2};
  EXPECT_EQ(plan.hash(), before);
  std::get<LabelSlot>(plan.parts[0]).labels = {"a", "c"};
  EXPECT_NE(plan.hash(), before);
}

TEST(ReplyPlan, HashTellsTheStopsOfTheLastSlotFromThoseOfTheReply) {
  ReplyPlan plan;
  plan.parts = {TextSlot{.field = "t", .lead = "", .grammar = "", .stop = {"a", "b"}}};
  ReplyPlan other;
  other.parts = {TextSlot{.field = "t", .lead = "", .grammar = "", .stop = {"a"}}};
  other.stop = {"b"};
  EXPECT_NE(plan.hash(), other.hash());
}

TEST(ReplyPlan, SingleChoiceHasOneLabelAndNoText) {
  ReplyPlan plan;
  plan.parts = {ForcedText{"Label:"}, LabelSlot{"l", " ", {"a", "b"}, "\n", {}}};
  EXPECT_TRUE(plan.is_single_choice());
  plan.parts.emplace_back(LabelSlot{"m", " ", {"a", "b"}, "\n", {}});
  EXPECT_FALSE(plan.is_single_choice());
  plan.parts = {TextSlot{"t", " ", "", {"\n"}, 10}};
  EXPECT_FALSE(plan.is_single_choice());
}

}  // namespace
}  // namespace hone
