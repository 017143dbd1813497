// Products of quantized weight matrices with the activations of many tokens.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hone::local {

// Weights as a GGUF file holds them: blocks of 32 numbers along a row, each with a half-precision
// scale before it.
enum class WeightType {
  q4_0,  // 16 bytes, the first half of the block in their low bits; a number is scale * (bits - 8)
  q8_0,  // 32 signed bytes
};

// Where the vectors of the tokens are: token i is a row of this three-dimensional array.
struct TokenRows {
  std::byte* first = nullptr;
  std::size_t count_1 = 1, count_2 = 1;                  // rows within rows
  std::size_t stride_1 = 0, stride_2 = 0, stride_3 = 0;  // bytes

  float* row(std::size_t token) const {
    // Nearly always: divisions take longer than a short product.
    if (token < count_1) return reinterpret_cast<float*>(first + token * stride_1);
    const std::size_t outer = token / count_1;
    return reinterpret_cast<float*>(first + token % count_1 * stride_1 +
                                    outer % count_2 * stride_2 + outer / count_2 * stride_3);
  }
};

// out[token][row] = sum over columns of weights[row][column] * in[token][column].
//
// Activations are rounded to 8 bits in blocks of 32, as llama.cpp does, each block's products are
// summed as whole numbers, and blocks are added in their order: so a result depends neither on how
// many tokens there are nor on who computes which rows. Weights are read where the file's mapping
// has them. A few of their rows at a time are brought into the order the processor multiplies in,
// which costs little beside the products of a few dozen tokens and needs no second copy in memory.
//
// Both steps may be shared among threads: all tiles are packed before the first group is
// multiplied.
class QuantizedProduct {
 public:
  static constexpr std::size_t kBlock = 32;  // columns are a multiple of it
  static constexpr std::size_t kGroup = 16;  // rows are a multiple of it
  static constexpr std::size_t kTile = 16;   // tokens, but for the last tile

  // Whether it is faster than a general kernel on this processor: with AVX-512 VNNI, with matrix
  // registers (AMX) besides, and with AVX2.
  static bool is_worth_it();

  WeightType type = WeightType::q4_0;
  const std::byte* weights = nullptr;
  std::size_t rows = 0, columns = 0;
  std::size_t weight_stride = 0;  // bytes
  std::size_t tokens = 0;
  TokenRows in, out;

  std::size_t tiles() const { return (tokens + kTile - 1) / kTile; }
  std::size_t groups() const { return rows / kGroup; }
  // Of all packed tiles, and of what each thread needs besides while it multiplies.
  std::size_t packed_bytes() const;
  std::size_t scratch_bytes() const;

  // Both buffers are aligned to 64 bytes.
  void pack(std::size_t tile, std::byte* packed) const;
  void multiply(std::size_t group, const std::byte* packed, std::byte* scratch) const;
};

}  // namespace hone::local
