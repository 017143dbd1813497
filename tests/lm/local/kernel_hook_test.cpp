// Our kernels as llama.cpp's processor backend calls them: graphs of one operation, odd layouts
// included, against the definition.
#include "lm/local/kernels/kernel_hook.hpp"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "hone/base/rng.hpp"

#include "lm/local/kernels/attention.hpp"
#include "lm/local/llama_handles.hpp"

namespace hone::local {
namespace {

std::vector<float> numbers(std::int64_t count, Rng& rng) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < count; ++i) out.push_back(static_cast<float>(rng.uniform() * 2 - 1));
  return out;
}

// Tensors of one graph in one host buffer, computed by the processor backend.
class Graph {
 public:
  Graph() {
    start_llama();
    const ggml_init_params params{ggml_tensor_overhead() * 64 + ggml_graph_overhead(), nullptr,
                                  true};
    context_.reset(ggml_init(params));
    backend_.reset(ggml_backend_cpu_init());
  }
  ggml_context* context() { return context_.get(); }

  ggml_tensor* tensor(ggml_type type, std::int64_t a, std::int64_t b, std::int64_t c = 1,
                      std::int64_t d = 1) {
    return ggml_new_tensor_4d(context(), type, a, b, c, d);
  }

  // After all tensors were declared.
  void allocate(ggml_tensor* result) {
    graph_ = ggml_new_graph(context());
    ggml_build_forward_expand(graph_, result);
    buffer_.reset(ggml_backend_alloc_ctx_tensors(context(), backend_.get()));
  }

  // Rounded as the tensor's type rounds; returns what it holds then.
  static std::vector<float> set(ggml_tensor* tensor, const std::vector<float>& values) {
    const std::int64_t columns = tensor->ne[0];
    const std::int64_t rows = static_cast<std::int64_t>(values.size()) / columns;
    std::vector<std::uint8_t> bytes(ggml_nbytes(tensor));
    ggml_quantize_chunk(tensor->type, values.data(), bytes.data(), 0, rows, columns, nullptr);
    ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
    std::vector<float> held = values;
    if (const auto* traits = ggml_get_type_traits(tensor->type); traits->to_float != nullptr)
      traits->to_float(bytes.data(), held.data(), static_cast<std::int64_t>(held.size()));
    return held;
  }

  std::vector<float> compute(ggml_tensor* result, int threads) {
    ggml_backend_cpu_set_n_threads(backend_.get(), threads);
    EXPECT_EQ(ggml_backend_graph_compute(backend_.get(), graph_), GGML_STATUS_SUCCESS);
    std::vector<float> out(static_cast<std::size_t>(ggml_nelements(result)));
    ggml_backend_tensor_get(result, out.data(), 0, ggml_nbytes(result));
    return out;
  }

 private:
  std::unique_ptr<ggml_context, decltype(&ggml_free)> context_{nullptr, ggml_free};
  std::unique_ptr<ggml_backend, decltype(&ggml_backend_free)> backend_{nullptr, ggml_backend_free};
  std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)> buffer_{
      nullptr, ggml_backend_buffer_free};
  ggml_cgraph* graph_ = nullptr;
};

// weights[row] . in[token], by double precision.
double product(const std::vector<float>& weights, const std::vector<float>& in, std::int64_t row,
               std::size_t token_at, std::int64_t columns) {
  double sum = 0;
  for (std::int64_t i = 0; i < columns; ++i) {
    sum += static_cast<double>(weights[static_cast<std::size_t>(row * columns + i)]) *
           in[token_at + static_cast<std::size_t>(i)];
  }
  return sum;
}

class Products : public testing::TestWithParam<ggml_type> {};

TEST_P(Products, OfPermutedAndBroadcastInputsFollowTheDefinition) {
  Rng rng(4);
  constexpr std::int64_t kColumns = 96, kRows = 48, kOne = 7, kTwo = 5, kThree = 2;
  Graph graph;
  ggml_tensor* weights = graph.tensor(GetParam(), kColumns, kRows);
  ggml_tensor* in = graph.tensor(GGML_TYPE_F32, kColumns, kOne, kTwo, kThree);
  // Tokens in another order than they lie in memory.
  ggml_tensor* turned = ggml_permute(graph.context(), in, 0, 2, 1, 3);
  ggml_tensor* out = ggml_mul_mat(graph.context(), weights, turned);
  graph.allocate(out);
  const std::vector<float> held = Graph::set(weights, numbers(kColumns * kRows, rng));
  const std::vector<float> input = Graph::set(in, numbers(kColumns * kOne * kTwo * kThree, rng));
  const std::vector<float> got = graph.compute(out, 2);
  EXPECT_EQ(got, graph.compute(out, 1)) << "threads change nothing";
  std::size_t at = 0;
  for (std::int64_t three = 0; three < kThree; ++three) {
    for (std::int64_t one = 0; one < kOne; ++one) {
      for (std::int64_t two = 0; two < kTwo; ++two) {
        const auto token = static_cast<std::size_t>(((three * kTwo + two) * kOne + one) * kColumns);
        for (std::int64_t row = 0; row < kRows; ++row, ++at)
          ASSERT_NEAR(got[at], product(held, input, row, token, kColumns), 0.06) << at;
      }
    }
  }
}

TEST_P(Products, OfAPartOfEachRowFollowTheDefinition) {
  Rng rng(5);
  constexpr std::int64_t kColumns = 64, kWide = 160, kRows = 32, kTokens = 19;
  Graph graph;
  ggml_tensor* weights = graph.tensor(GetParam(), kColumns, kRows);
  ggml_tensor* wide = graph.tensor(GGML_TYPE_F32, kWide, kTokens);
  constexpr std::int64_t kFrom = 32;
  ggml_tensor* part = ggml_view_2d(graph.context(), wide, kColumns, kTokens, wide->nb[1],
                                   kFrom * static_cast<std::int64_t>(sizeof(float)));
  ggml_tensor* out = ggml_mul_mat(graph.context(), weights, part);
  graph.allocate(out);
  const std::vector<float> held = Graph::set(weights, numbers(kColumns * kRows, rng));
  const std::vector<float> input = Graph::set(wide, numbers(kWide * kTokens, rng));
  const std::vector<float> got = graph.compute(out, 2);
  for (std::int64_t token = 0; token < kTokens; ++token) {
    for (std::int64_t row = 0; row < kRows; ++row) {
      ASSERT_NEAR(
          got[static_cast<std::size_t>(token * kRows + row)],
          product(held, input, row, static_cast<std::size_t>(token * kWide + kFrom), kColumns),
          0.06);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Products, testing::Values(GGML_TYPE_Q4_0, GGML_TYPE_Q8_0),
                         [](const auto& type) { return std::string(ggml_type_name(type.param)); });

TEST(AttentionInAGraph, FollowsTheDefinitionWhateverTheThreads) {
  Rng rng(6);
  constexpr std::int64_t kWidth = 64, kQueries = 37, kCells = 96, kHeads = 6, kKvHeads = 2;
  Graph graph;
  // As llama.cpp has them: heads between the numbers and the tokens, turned by views.
  ggml_tensor* query = graph.tensor(GGML_TYPE_F32, kWidth, kHeads, kQueries);
  ggml_tensor* key = graph.tensor(GGML_TYPE_F16, kWidth, kKvHeads, kCells);
  ggml_tensor* value = graph.tensor(GGML_TYPE_F16, kWidth, kKvHeads, kCells);
  ggml_tensor* mask = graph.tensor(GGML_TYPE_F16, kCells, kQueries);
  const auto turn = [&](ggml_tensor* tensor) {
    return ggml_permute(graph.context(), tensor, 0, 2, 1, 3);
  };
  const float scale = 1 / std::sqrt(static_cast<float>(kWidth));
  ggml_tensor* out =
      ggml_flash_attn_ext(graph.context(), turn(query), turn(key), turn(value), mask, scale, 0, 0);
  graph.allocate(out);
  const std::vector<float> queries = Graph::set(query, numbers(kWidth * kHeads * kQueries, rng));
  const std::vector<float> keys = Graph::set(key, numbers(kWidth * kKvHeads * kCells, rng));
  const std::vector<float> values = Graph::set(value, numbers(kWidth * kKvHeads * kCells, rng));
  std::vector<float> hides;
  for (std::int64_t q = 0; q < kQueries; ++q) {
    for (std::int64_t cell = 0; cell < kCells; ++cell)
      hides.push_back(cell <= q + 40 || cell % 11 == q % 11 ? 0 : -INFINITY);
  }
  Graph::set(mask, hides);
  const std::vector<float> got = graph.compute(out, 2);
  EXPECT_EQ(got, graph.compute(out, 1));
  for (std::int64_t q = 0; q < kQueries; ++q) {
    for (std::int64_t head = 0; head < kHeads; ++head) {
      const auto query_at = static_cast<std::size_t>((q * kHeads + head) * kWidth);
      std::vector<double> sum(kWidth, 0.0);
      double total = 0;
      for (std::int64_t cell = 0; cell < kCells; ++cell) {
        const auto at =
            static_cast<std::size_t>((cell * kKvHeads + head / (kHeads / kKvHeads)) * kWidth);
        double score = 0;
        for (std::size_t i = 0; i < kWidth; ++i)
          score += static_cast<double>(queries[query_at + i]) * keys[at + i];
        const double weight =
            std::exp(score * scale + hides[static_cast<std::size_t>(q * kCells + cell)]);
        total += weight;
        for (std::size_t i = 0; i < kWidth; ++i) sum[i] += weight * values[at + i];
      }
      // llama.cpp adds in half precision: this tells whose kernel it was.
      const double near = AttentionKernel::is_worth_it() ? 5e-6 : 2e-3;
      for (std::size_t i = 0; i < kWidth; ++i)
        ASSERT_NEAR(got[query_at + i], sum[i] / total, near) << q << ", " << head;
    }
  }
}

}  // namespace
}  // namespace hone::local
