// Read before llama.cpp's file of matrix tiles (cmake/llama.cmake): all 64 bytes of a tile
// configuration are read by the instruction that loads it, which the compiler's own header does not
// say.
#pragma once

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define _tile_loadconfig(config) \
  __asm__ volatile("ldtilecfg %0" : : "m"(*reinterpret_cast<const char(*)[64]>(config)))
#endif
