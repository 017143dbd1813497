// Attention of many queries over the cells of one cache, for prompts that share beginnings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace hone::local {

// Half-precision numbers as the cache holds them (IEEE binary16, bit pattern).
using Half = std::uint16_t;

// softmax(scale * Q K^T + mask) V for every query and head. Heads share keys and values in groups
// of heads / kv_heads (grouped-query attention, arXiv 2305.13245). Strides count elements.
struct AttentionWork {
  std::size_t queries = 0;
  std::size_t cells = 0;  // a multiple of kCellBlock
  std::size_t heads = 0;
  std::size_t kv_heads = 0;
  std::size_t width = 0;  // of one head; a multiple of kWidthUnit
  float scale = 1;

  const float* query = nullptr;
  std::size_t query_stride = 0, query_head_stride = 0;
  const Half* key = nullptr;
  std::size_t key_stride = 0, key_head_stride = 0;
  const Half* value = nullptr;
  std::size_t value_stride = 0, value_head_stride = 0;
  // One row a query: what is added to the score of each cell; minus infinity hides it. A query
  // that sees none gets zeros.
  const Half* mask = nullptr;
  std::size_t mask_stride = 0;
  float* out = nullptr;
  std::size_t out_stride = 0, out_head_stride = 0;
};

// Computes attention with online softmax (arXiv 1805.02867, tiled as in FlashAttention,
// arXiv 2205.14135) in single precision. Unlike a general kernel it looks at the mask first, once
// for all heads: a block of cells costs nothing to the queries that do not see it, whatever their
// neighbours see, and a block that many queries share is one matrix product for all of them and
// all heads of a group. So both a prefix under many replies and their own few cells are cheap.
//
// Any number of threads may share the work: all queries are looked at before the first item is
// computed. The result does not depend on how many they are.
class AttentionKernel {
 public:
  static constexpr std::size_t kCellBlock = 32;
  static constexpr std::size_t kWidthUnit = 32;

  // Whether it is faster than a general kernel on this processor: with AVX-512 and with AVX2.
  static bool is_worth_it();

  explicit AttentionKernel(const AttentionWork& work);

  // Of what all threads share, and of what each needs besides: about 64 KiB.
  std::size_t seen_bytes() const;
  std::size_t scratch_bytes() const;

  // This thread's part of the queries: which cells each sees.
  void look(std::size_t thread, std::size_t threads, std::uint8_t* seen) const;
  std::size_t items() const;
  // Computes the items that `next` gives until it gives items() or more. `scratch` is aligned to 64
  // bytes.
  void compute(const std::function<std::size_t()>& next, const std::uint8_t* seen,
               float* scratch) const;

 private:
  AttentionWork work_;
  std::size_t tile_ = 1;  // queries
  std::size_t tiles_ = 0;
};

}  // namespace hone::local
