#include "lm/local/kernels/attention.hpp"

#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone::local {
namespace {

constexpr Half kHidden = 0xFC00;

struct Shape {
  std::size_t queries, cells, heads, kv_heads, width;
};

// Numbers for one attention, laid out as llama.cpp does.
struct Sample {
  Shape shape;
  std::vector<float> query, key, value, out;
  std::vector<Half> key_half, value_half, mask;

  Sample(const Shape& given, Rng& rng) : shape(given) {
    fill(query, shape.queries * shape.heads * shape.width, rng);
    fill(key, shape.cells * shape.kv_heads * shape.width, rng);
    fill(value, shape.cells * shape.kv_heads * shape.width, rng);
    round_to_half(key, key_half);
    round_to_half(value, value_half);
    mask.assign(shape.queries * shape.cells, kHidden);
    out.assign(query.size(), -1);
  }

  static void fill(std::vector<float>& numbers, std::size_t count, Rng& rng) {
    numbers.resize(count);
    for (float& number : numbers) number = static_cast<float>(rng.uniform() * 4 - 2);
  }

  static void round_to_half(std::vector<float>& numbers, std::vector<Half>& half) {
    half.resize(numbers.size());
    const auto count = static_cast<std::int64_t>(numbers.size());
    ggml_fp32_to_fp16_row(numbers.data(), half.data(), count);
    ggml_fp16_to_fp32_row(half.data(), numbers.data(), count);
  }

  void show(std::size_t q, std::size_t cell, float added = 0) {
    mask[q * shape.cells + cell] = ggml_fp32_to_fp16(added);
  }

  AttentionWork work() {
    AttentionWork work;
    work.queries = shape.queries;
    work.cells = shape.cells;
    work.heads = shape.heads;
    work.kv_heads = shape.kv_heads;
    work.width = shape.width;
    work.scale = 1 / std::sqrt(static_cast<float>(shape.width));
    work.query = query.data();
    work.query_stride = shape.heads * shape.width;
    work.query_head_stride = shape.width;
    work.key = key_half.data();
    work.value = value_half.data();
    work.key_stride = work.value_stride = shape.kv_heads * shape.width;
    work.key_head_stride = work.value_head_stride = shape.width;
    work.mask = mask.data();
    work.mask_stride = shape.cells;
    work.out = out.data();
    work.out_stride = work.query_stride;
    work.out_head_stride = shape.width;
    return work;
  }

  // One query and head by the definition.
  std::vector<double> expected(std::size_t q, std::size_t head) const {
    const std::size_t kv_head = head / (shape.heads / shape.kv_heads);
    std::vector<double> weighted(shape.width, 0.0);
    double total = 0;
    for (std::size_t cell = 0; cell < shape.cells; ++cell) {
      double score = ggml_fp16_to_fp32(mask[q * shape.cells + cell]);
      const std::size_t at = (cell * shape.kv_heads + kv_head) * shape.width;
      for (std::size_t i = 0; i < shape.width; ++i) {
        score += static_cast<double>(query[(q * shape.heads + head) * shape.width + i]) *
                 key[at + i] / std::sqrt(static_cast<double>(shape.width));
      }
      const double weight = std::exp(score);
      total += weight;
      for (std::size_t i = 0; i < shape.width; ++i) weighted[i] += weight * value[at + i];
    }
    for (double& number : weighted) number = total > 0 ? number / total : 0;
    return weighted;
  }

  double worst_error() const {
    double worst = 0;
    for (std::size_t q = 0; q < shape.queries; ++q) {
      for (std::size_t head = 0; head < shape.heads; ++head) {
        const auto exact = expected(q, head);
        const float* got = &out[(q * shape.heads + head) * shape.width];
        // Written so that a result that is not a number counts as wrong.
        for (std::size_t i = 0; i < shape.width; ++i)
          worst =
              std::abs(exact[i] - got[i]) <= worst ? worst : std::abs(exact[i] - got[i]) + 1e-12;
      }
    }
    return std::isfinite(worst) ? worst : 1e30;
  }
};

// As several threads would share it.
void compute(const AttentionWork& work, std::size_t threads) {
  const AttentionKernel kernel(work);
  std::vector<std::uint8_t> seen(kernel.seen_bytes());
  for (std::size_t thread = 0; thread < threads; ++thread)
    kernel.look(thread, threads, seen.data());
  std::vector<float> scratch(kernel.scratch_bytes() / sizeof(float), -7);
  for (std::size_t thread = 0; thread < threads; ++thread) {
    std::size_t item = thread;
    kernel.compute([&] { return std::exchange(item, item + threads); }, seen.data(),
                   scratch.data());
  }
}

constexpr double kTolerance = 5e-6;

TEST(Attention, EqualsTheDefinitionOnRandomTries) {
  Rng rng(7);
  for (int round = 0; round < 60; ++round) {
    const std::size_t kv_heads = 1 + rng.below(3);
    const Shape shape{1 + rng.below(70), 32 * (1 + rng.below(8)), kv_heads * (1 + rng.below(4)),
                      kv_heads, 32 * (1 + rng.below(4))};
    Sample sample(shape, rng);
    for (std::size_t q = 0; q < shape.queries; ++q) {
      // A prefix for all, a run of its own anywhere, and a cell here and there.
      const std::size_t prefix = rng.below(shape.cells);
      const std::size_t begin = rng.below(shape.cells);
      const std::size_t end = begin + rng.below(shape.cells - begin) + 1;
      for (std::size_t cell = 0; cell < shape.cells; ++cell) {
        if (cell < prefix || (cell >= begin && cell < end) || rng.below(50) == 0)
          sample.show(q, cell);
      }
    }
    compute(sample.work(), 2);
    EXPECT_LT(sample.worst_error(), kTolerance) << "round " << round;
  }
}

TEST(Attention, AddsWhatTheMaskAdds) {
  Rng rng(3);
  Sample sample({5, 64, 4, 2, 64}, rng);
  for (std::size_t q = 0; q < 5; ++q) {
    for (std::size_t cell = 0; cell < 64; ++cell)
      sample.show(q, cell, -0.25F * static_cast<float>((q + cell) % 7));
  }
  compute(sample.work(), 1);
  EXPECT_LT(sample.worst_error(), kTolerance);
}

TEST(Attention, StaysExactWhenScoresAreFarApart) {
  Rng rng(11);
  Sample sample({3, 96, 3, 1, 64}, rng);
  for (float& number : sample.query) number *= 60;
  for (std::size_t q = 0; q < 3; ++q) {
    for (std::size_t cell = 0; cell < 96; ++cell) sample.show(q, cell);
  }
  compute(sample.work(), 1);
  EXPECT_LT(sample.worst_error(), 1e-4);
}

TEST(Attention, StaysExactWhenScoresClimbBlockByBlock) {
  Rng rng(13);
  constexpr std::size_t kCells = 320;
  Sample sample({2, kCells, 2, 1, 32}, rng);
  // Far below at first, then higher with every block by less, or by more, than would be noticed at
  // once.
  for (std::size_t cell = 0; cell < kCells; ++cell) {
    const auto block = static_cast<float>(cell / AttentionKernel::kCellBlock);
    sample.show(0, cell, -140 + 15 * block);
    sample.show(1, cell, -90 + (block < 5 ? 3 : 17) * block);
  }
  compute(sample.work(), 1);
  EXPECT_LT(sample.worst_error(), 2e-5);
}

TEST(Attention, AQueryThatSeesNothingGetsZeros) {
  Rng rng(5);
  Sample sample({2, 32, 2, 1, 32}, rng);
  sample.show(0, 3);
  compute(sample.work(), 1);
  EXPECT_TRUE(std::all_of(sample.out.begin() + 64, sample.out.end(),
                          [](float number) { return number == 0; }));
  EXPECT_LT(sample.worst_error(), kTolerance);
}

TEST(Attention, DoesNotDependOnThreads) {
  Rng rng(9);
  Sample first({50, 160, 9, 3, 64}, rng);
  for (std::size_t q = 0; q < 50; ++q) {
    for (std::size_t cell = 0; cell <= q * 3; ++cell) first.show(q, cell);
  }
  Sample second = first;
  compute(first.work(), 3);
  compute(second.work(), 1);
  EXPECT_EQ(first.out, second.out);
}

TEST(Attention, WhatIsNotANumberStaysSo) {
  Rng rng(2);
  Sample sample({1, 32, 1, 1, 32}, rng);
  for (std::size_t cell = 0; cell < 32; ++cell) sample.show(0, cell);
  sample.query[0] = std::nanf("");
  compute(sample.work(), 1);
  EXPECT_TRUE(std::isnan(sample.out[0]));
}

}  // namespace
}  // namespace hone::local
