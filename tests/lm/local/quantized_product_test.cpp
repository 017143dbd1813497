#include "lm/local/kernels/quantized_product.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <tuple>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone::local {
namespace {

constexpr std::size_t kRows = 48;
constexpr std::size_t kColumns = 96;
constexpr std::size_t kBlocks = kColumns / QuantizedProduct::kBlock;

// Halves whose numbers are powers of two, so that the test needs no conversion.
constexpr std::uint16_t half_of_power(int exponent) {
  return static_cast<std::uint16_t>((exponent + 15) << 10);
}

// A matrix as a file holds it, and the numbers it stands for.
struct Matrix {
  std::vector<std::byte> bytes;
  std::vector<float> numbers;
  std::size_t stride = 0;
};

Matrix make_matrix(WeightType type, Rng& rng) {
  const std::size_t block_bytes = type == WeightType::q4_0 ? 18 : 34;
  Matrix matrix;
  matrix.stride = kBlocks * block_bytes;
  matrix.bytes.resize(kRows * matrix.stride);
  matrix.numbers.resize(kRows * kColumns);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t block = 0; block < kBlocks; ++block) {
      std::byte* to = matrix.bytes.data() + row * matrix.stride + block * block_bytes;
      float* numbers = matrix.numbers.data() + row * kColumns + block * QuantizedProduct::kBlock;
      const int exponent = static_cast<int>(rng.below(6)) - 8;
      const std::uint16_t scale = half_of_power(exponent);
      std::memcpy(to, &scale, sizeof scale);
      for (std::size_t i = 0; i < QuantizedProduct::kBlock; ++i) {
        int whole = 0;
        if (type == WeightType::q4_0) {
          const auto bits = static_cast<unsigned>(rng.below(16));
          whole = static_cast<int>(bits) - 8;
          to[2 + i % 16] |= static_cast<std::byte>(i < 16 ? bits : bits << 4U);
        } else {
          whole = static_cast<int>(rng.below(256)) - 128;
          to[2 + i] = static_cast<std::byte>(whole & 255);
        }
        numbers[i] = std::ldexp(static_cast<float>(whole), exponent);
      }
    }
  }
  return matrix;
}

std::vector<float> make_activations(std::size_t tokens, Rng& rng) {
  std::vector<float> numbers(tokens * kColumns);
  for (float& number : numbers) number = static_cast<float>(rng.uniform() * 4 - 2);
  return numbers;
}

TokenRows rows_of(std::vector<float>& numbers, std::size_t width) {
  TokenRows rows;
  rows.first = reinterpret_cast<std::byte*>(numbers.data());
  rows.count_1 = numbers.size() / width;
  rows.stride_1 = width * sizeof(float);
  return rows;
}

std::vector<float> multiply(WeightType type, const Matrix& matrix, std::vector<float> in) {
  std::vector<float> out(in.size() / kColumns * kRows);
  QuantizedProduct product;
  product.type = type;
  product.weights = matrix.bytes.data();
  product.rows = kRows;
  product.columns = kColumns;
  product.weight_stride = matrix.stride;
  product.tokens = in.size() / kColumns;
  product.in = rows_of(in, kColumns);
  product.out = rows_of(out, kRows);
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> packed(product.packed_bytes() / 64 + 1);
  std::vector<Line> scratch(product.scratch_bytes() / 64 + 1);
  for (std::size_t tile = 0; tile < product.tiles(); ++tile)
    product.pack(tile, packed.front().bytes);
  for (std::size_t group = 0; group < product.groups(); ++group)
    product.multiply(group, packed.front().bytes, scratch.front().bytes);
  return out;
}

class Product : public testing::TestWithParam<std::tuple<WeightType, std::size_t>> {};

TEST_P(Product, IsThatOfTheNumbersUpToTheRoundingOfActivations) {
  const auto [type, tokens] = GetParam();
  Rng rng(7);
  const Matrix matrix = make_matrix(type, rng);
  const std::vector<float> in = make_activations(tokens, rng);
  const std::vector<float> out = multiply(type, matrix, in);
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t row = 0; row < kRows; ++row) {
      double expected = 0, norm = 0;
      for (std::size_t i = 0; i < kColumns; ++i) {
        const double weight = matrix.numbers[row * kColumns + i];
        expected += weight * in[token * kColumns + i];
        norm += std::abs(weight);
      }
      // Each activation is off by half a step of 2 / 127 at most.
      EXPECT_NEAR(out[token * kRows + row], expected, norm / 127 + 1e-6) << token << ' ' << row;
    }
  }
}

TEST_P(Product, IsExactForActivationsThatNeedNoRounding) {
  const auto [type, tokens] = GetParam();
  Rng rng(8);
  const Matrix matrix = make_matrix(type, rng);
  std::vector<float> in(tokens * kColumns);
  for (std::size_t i = 0; i < in.size(); ++i)
    in[i] = i % QuantizedProduct::kBlock == 0 ? 127 : static_cast<float>(rng.below(255)) - 127;
  const std::vector<float> out = multiply(type, matrix, in);
  for (std::size_t token = 0; token < tokens; ++token) {
    for (std::size_t row = 0; row < kRows; ++row) {
      double expected = 0;
      for (std::size_t i = 0; i < kColumns; ++i) {
        expected += static_cast<double>(matrix.numbers[row * kColumns + i]) *
                    static_cast<double>(in[token * kColumns + i]);
      }
      EXPECT_EQ(out[token * kRows + row], expected) << token << ' ' << row;
    }
  }
}

TEST_P(Product, OfATokenDoesNotDependOnTheOthers) {
  const auto [type, tokens] = GetParam();
  Rng rng(9);
  const Matrix matrix = make_matrix(type, rng);
  const std::vector<float> in = make_activations(tokens, rng);
  const std::vector<float> out = multiply(type, matrix, in);
  for (std::size_t token = 0; token < tokens; ++token) {
    const auto first = in.begin() + static_cast<std::ptrdiff_t>(token * kColumns);
    const std::vector<float> alone = multiply(type, matrix, {first, first + kColumns});
    const auto row = out.begin() + static_cast<std::ptrdiff_t>(token * kRows);
    EXPECT_EQ(alone, std::vector<float>(row, row + kRows)) << token;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Product,
                         testing::Combine(testing::Values(WeightType::q4_0, WeightType::q8_0),
                                          testing::Values(1, 2, 7, 15, 16, 17, 33)));

TEST(ProductRows, LieInThreeDimensions) {
  std::vector<float> numbers(1000);
  TokenRows rows = rows_of(numbers, 10);
  rows.count_1 = 2;
  rows.count_2 = 3;
  rows.stride_1 = 4;
  rows.stride_2 = 40;
  rows.stride_3 = 400;
  EXPECT_EQ(rows.row(0), numbers.data());
  EXPECT_EQ(rows.row(1), numbers.data() + 1);
  EXPECT_EQ(rows.row(2), numbers.data() + 10);
  EXPECT_EQ(rows.row(11), numbers.data() + 121);
}

TEST(ProductOfNothing, IsZero) {
  Rng rng(10);
  const Matrix matrix = make_matrix(WeightType::q4_0, rng);
  for (const float number : multiply(WeightType::q4_0, matrix, std::vector<float>(kColumns)))
    EXPECT_EQ(number, 0);
}

// From sixteen tokens on matrix registers multiply, where there are any.
class ProductOfOddNumbers : public testing::TestWithParam<std::size_t> {};

TEST_P(ProductOfOddNumbers, IsZeroForTheTiniest) {
  Rng rng(11);
  const Matrix matrix = make_matrix(WeightType::q8_0, rng);
  const std::vector<float> in(GetParam() * kColumns, 1e-38F);
  for (const float number : multiply(WeightType::q8_0, matrix, in)) EXPECT_NEAR(number, 0, 1e-30F);
}

TEST_P(ProductOfOddNumbers, IsNoNumberForWhatIsNotFiniteAndLeavesOtherTokensAlone) {
  Rng rng(12);
  for (const WeightType type : {WeightType::q4_0, WeightType::q8_0}) {
    const Matrix matrix = make_matrix(type, rng);
    const std::vector<float> plain(GetParam() * kColumns, 1.0F);
    const std::vector<float> expected = multiply(type, matrix, plain);
    for (const float odd :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> in = plain;
      in[40] = odd;
      const std::vector<float> out = multiply(type, matrix, in);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (i < kRows) {
          EXPECT_TRUE(std::isnan(out[i])) << odd << ' ' << i;
        } else {
          EXPECT_EQ(out[i], expected[i]) << odd << ' ' << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ProductOfOddNumbers, testing::Values(1, 16, 17));

}  // namespace
}  // namespace hone::local
