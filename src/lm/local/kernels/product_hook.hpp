// Lets llama.cpp's processor backend compute its products with QuantizedProduct.
#pragma once

#include <filesystem>

namespace hone::local {

// Puts QuantizedProduct before llama.cpp's own products, for weights that lie in memory as the file
// has them (a model loaded with use_extra_bufts = false), in this process, once; nothing where it
// is not worth it. Call it before any model is loaded. Thread safe.
void register_product_hook();

// Whether the hook serves every matrix of this model file that llama.cpp would otherwise want to
// lay out anew in memory of its own. False for a file that cannot be read.
bool serves_all_products(const std::filesystem::path& model);

}  // namespace hone::local
