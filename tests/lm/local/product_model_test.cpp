// QuantizedProduct in a real model, beside llama.cpp's own products.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lm/local/kernels/quantized_product.hpp"
#include "lm/local/kernels/rows.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

class ModelProducts : public ModelTest {};

double divergence(const std::vector<float>& truth, const std::vector<float>& other) {
  const double truth_total = log_sum_exp(truth), other_total = log_sum_exp(other);
  double sum = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double log_prob = static_cast<double>(truth[i]) - truth_total;
    sum += std::exp(log_prob) * (log_prob - (static_cast<double>(other[i]) - other_total));
  }
  return sum;
}

TEST_F(ModelProducts, AreAsCloseToUnroundedActivationsAsLlamaCpps) {
  const hone::tests::TemporaryFolder folder;
  const auto unrounded_path = folder.path() / "unrounded.gguf";
  ASSERT_TRUE(quantize_gguf(smollm2_path(), unrounded_path, "F16"));
  NaiveDecoder unrounded(unrounded_path, false);
  NaiveDecoder own(smollm2_path(), false);
  NaiveDecoder general(smollm2_path(), false, false);
  auto tokenizer = Tokenizer(unrounded.vocab());
  double own_sum = 0, general_sum = 0;
  for (const char* text : {"The river runs through the old town, and every spring it",
                           "Question: what do bees make? Answer:", "int main() { return",
                           "Review: dull.\nLabel:", "In 1969 the first people walked on the",
                           "She opened the letter slowly and began to"}) {
    const Tokens tokens = tokenizer.encode(text);
    const auto truth = unrounded.logits(tokens);
    own_sum += divergence(truth, own.logits(tokens));
    general_sum += divergence(truth, general.logits(tokens));
  }
  RecordProperty("own", std::to_string(own_sum));
  RecordProperty("general", std::to_string(general_sum));
  EXPECT_GT(own_sum, 0);
  if (QuantizedProduct::is_worth_it()) {
    EXPECT_NE(own_sum, general_sum) << "the hook was not asked";
  }
  EXPECT_LT(own_sum, 1.5 * general_sum);
}

TEST_F(ModelProducts, ServeTheModelsThatHonePulls) {
  EXPECT_EQ(serves_all_products(*GgufHead::read(smollm2_path())), QuantizedProduct::is_worth_it());
  const hone::tests::TemporaryFolder folder;
  ASSERT_TRUE(quantize_gguf(smollm2_path(), folder / "other.gguf", "Q4_K_M"));
  EXPECT_FALSE(serves_all_products(*GgufHead::read(folder / "other.gguf")));
  EXPECT_FALSE(GgufHead::read(folder / "none.gguf"));
}

}  // namespace
}  // namespace hone::local
