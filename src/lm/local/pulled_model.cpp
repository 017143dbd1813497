#include <string>
#include <string_view>
#include <utility>

#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"

namespace hone {

Result<LocalOptions> pulled_model(std::string_view name) {
  const Result<ModelStore> store = ModelStore::in_default_cache();
  if (!store) return store.error();
  Result<std::filesystem::path> file = store->path(name);
  if (!file) return file.error();
  LocalOptions options;
  options.model = *std::move(file);
  options.name = name;
  options.tuning_folder = store->tuning_folder();
  return options;
}

}  // namespace hone
