#include <string>
#include <string_view>
#include <utility>

#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"

namespace hone {

Result<LocalOptions> pulled_model(std::string_view name) {
  ModelStoreOptions store;
  Result<std::filesystem::path> cache = ModelStore::default_cache();
  if (!cache) return cache.error();
  store.cache = *cache;
  Result<std::filesystem::path> file = ModelStore(std::move(store)).path(name);
  if (!file) return file.error();
  LocalOptions options;
  options.model = *std::move(file);
  options.name = name;
  options.tuning_folder = *cache / "tuning";
  return options;
}

}  // namespace hone
